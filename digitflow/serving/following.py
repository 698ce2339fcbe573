"""Who answers: the champion, and from the next look on whoever was promoted meanwhile."""

import logging
import threading
from collections.abc import Callable

import numpy as np

from digitflow.errors import DigitflowError
from digitflow.feedback.predictions import PredictionLog
from digitflow.images.frame import SIDE
from digitflow.predict.predictor import Predictor
from digitflow.predict.rows import RowPredictor
from digitflow.registry.history import find_champion
from digitflow.registry.versions import Champion
from digitflow.store.artifacts import Store

logger = logging.getLogger(__name__)

# How often the history is looked at.
LOOK_SECONDS = 1.0


class NotReady(DigitflowError):
    """No champion is loaded; the message says why."""


class ChampionFollower:
    """Holds the loaded champion of a model, looks who it is, and loads a new one beside it.

    What can't be loaded leaves the one that is loaded where it is.

    Parameters
    ----------
    model : str or None
        A registered model; else `digits`, else `digits-sample`.
    log : PredictionLog or None
        Where predictions are kept.
    note : callable
        Told of each champion that answers from now on.
    """

    def __init__(
        self,
        store: Store,
        model: str | None,
        log: PredictionLog | None,
        note: Callable[[Champion], None],
    ) -> None:
        self.store, self.model, self.log, self._note = store, model, log, note
        self.trouble: str | None = "the champion is being loaded"
        self._loaded: Predictor | RowPredictor | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        """Load the champion and go on looking, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._is_over.set()

    def require(self) -> Predictor | RowPredictor:
        """Return the champion, loaded.

        Raises
        ------
        NotReady
            If there is none, or it can't be loaded.
        """
        if self._loaded is None:
            raise NotReady(self.trouble or "there is no champion")
        return self._loaded

    def look(self) -> None:
        """Load the champion if it is another than the loaded one; say what is in the way."""
        try:
            champion = find_champion(self.store, self.model)
            if self._loaded is None or _name(champion) != _name(self._loaded.champion):
                self._loaded = open_predictor(self.store, champion, self.log)
                self._note(champion)
            self.trouble = None
        except Exception as exc:
            self._tell(exc)

    def _tell(self, exc: Exception) -> None:
        """Log what is in the way, once; whoever is loaded goes on answering."""
        said = str(exc) if isinstance(exc, DigitflowError) else f"{type(exc).__name__}: {exc}"
        if said != self.trouble:
            logger.warning("%s", said)
        self.trouble = said

    def _follow(self) -> None:
        self.look()
        while not self._is_over.wait(LOOK_SECONDS):
            self.look()


def _name(champion: Champion) -> tuple[str, int]:
    return champion.name, champion.entry


def open_predictor(
    store: Store, champion: Champion, log: PredictionLog | None
) -> Predictor | RowPredictor:
    """Load a champion, and ask it once: what a first question imports is there then.

    Raises
    ------
    InputError
        If it predicts otherwise with the installed versions.
    DamagedArtifact
        If one of its files is missing or changed.
    """
    if champion.bundle.table is None:
        predictor = Predictor.open(store, champion, log)
        predictor.predict_frames(np.zeros((1, SIDE, SIDE), np.uint8))
        return predictor
    rows = RowPredictor.open(store, champion)
    rows.predict(np.array(store.open_array(champion.bundle.golden.samples)[:1]))
    rows.log = log
    return rows
