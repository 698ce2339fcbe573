"""A service without its HTTP: the champion, two threads that ask it, what is kept."""

from collections.abc import Sequence
from typing import Any

from digitflow.serving.answering import Ask, answer_alone, answer_together
from digitflow.serving.batching import Batcher
from digitflow.serving.following import ChampionFollower
from digitflow.serving.keeping import BackgroundLog
from digitflow.serving.metrics import Metrics
from digitflow.store.artifacts import Store
from digitflow.store.references import Record

MEGABYTE = 1 << 20
# What is larger is a page, and takes longer than those who ask for a digit should wait.
QUICK_BYTES = 32 << 10
MOST_TOGETHER, GATHER_SECONDS = 64, 0.002


class Limits(Record):
    """What a service bears.

    Attributes
    ----------
    body_bytes : int
        The largest body; and four times as much in all that is being answered.
    seconds : float
        How long a request may take: for its body to come, and then for its answer.
    at_once : int
        Requests that are answered at a time.
    """

    body_bytes: int = 16 * MEGABYTE
    seconds: float = 10.0
    at_once: int = 128


class Service:
    """Answers with the champion of a model; `start` and `stop` in the loop that asks.

    Parameters
    ----------
    model : str or None
        A registered model; else `digits`, else `digits-sample`.
    keep : bool
        Keep predictions for the monitor.
    """

    def __init__(
        self,
        store: Store,
        model: str | None = None,
        limits: Limits | None = None,
        keep: bool = True,
    ) -> None:
        self.limits = limits or Limits()
        self.metrics = Metrics()
        self.log = BackgroundLog(store, self.metrics.note_kept) if keep else None
        self.follower = ChampionFollower(store, model, self.log, self.metrics.note_champion)
        self._quick: Batcher[Ask, Any] = Batcher(
            self._answer_together, MOST_TOGETHER, GATHER_SECONDS
        )
        self._slow: Batcher[Ask, Any] = Batcher(self._answer_alone, 1)

    def start(self) -> None:
        """Load the champion beside what follows, and be ready to be asked."""
        self.follower.start()
        if self.log is not None:
            self.log.start()
        self._quick.start()
        self._slow.start()

    def stop(self) -> None:
        """Answer what was asked, write what is kept, end the threads."""
        self.follower.stop()
        self._quick.stop()
        self._slow.stop()
        if self.log is not None:
            self.log.stop()

    async def ask(self, ask: Ask, size: int) -> list[Any]:
        """Return the answer to what came in so many bytes.

        Raises
        ------
        NotReady
            If no champion is loaded.
        InputError
            If it takes something else, or nothing can be read.
        """
        self.follower.require()
        chosen = self._quick if size <= QUICK_BYTES else self._slow
        return await chosen.ask(ask)

    def _answer_together(self, asks: Sequence[Ask]) -> Sequence[Any]:
        self.metrics.note_batch(len(asks))
        return answer_together(self.follower.require(), asks)

    def _answer_alone(self, asks: Sequence[Ask]) -> Sequence[Any]:
        self.metrics.note_batch(1)
        return [answer_alone(self.follower.require(), asks[0])]
