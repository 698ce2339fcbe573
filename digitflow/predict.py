"""From a picture of a digit to the digit, with the champion and without its registry.

Importing this is quick: OpenCV, scikit-learn and skops come with the first prediction,
Prefect, MLflow and matplotlib never.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from digitflow.artifacts import Store
from digitflow.champions import Champion, list_pointers, read_pointer
from digitflow.data.frame import to_mnist_frame
from digitflow.data.pictures import read_picture
from digitflow.errors import InputError, list_some
from digitflow.models.persistence import load_model

DEFAULT_MODELS = ("digits", "digits-sample")
RUNNERS_UP = 3
MAX_FILE_BYTES = 64 << 20
# A phone's 64 megapixels fit; a small file that unpacks to gigabytes does not.
MAX_PIXELS = 1 << 26
_PIXELS_VARIABLE = "OPENCV_IO_MAX_IMAGE_PIXELS"


class Prediction(BaseModel):
    """The digit read in one picture.

    Attributes
    ----------
    file : str or None
        The picture's file, where it came from one.
    digit : int
        0 to 9, the most probable.
    probability : float
        Its probability, 0 to 1.
    runners_up : tuple of (digit, probability)
        The next three, the most probable first.
    model, version : str
        The registered model that was asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str | None
    digit: int
    probability: float
    runners_up: tuple[tuple[int, float], ...]
    model: str
    version: str


class Unread(BaseModel):
    """A file in which no digit could be read, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    error: str


class Predictor:
    """A champion, loaded.

    Parameters
    ----------
    champion : Champion
        Which version this is.
    pipeline : object
        Its model: `predict_proba` of uint8 images (n, 28, 28), and `classes_`.
    """

    def __init__(self, champion: Champion, pipeline: Any) -> None:
        self.champion = champion
        self.pipeline = pipeline

    @classmethod
    def load(cls, store: Store, model: str | None = None) -> "Predictor":
        """Load the champion of a registered model; else of `digits`, else `digits-sample`.

        Raises
        ------
        InputError
            If there is no champion.
        DamagedArtifact
            If its file is missing or changed.
        """
        champion = find_champion(store, model)
        _limit_pixels()
        return cls(champion, load_model(champion.model, store))

    def predict(
        self, pictures: Sequence[np.ndarray], files: Sequence[str] | None = None
    ) -> list[Prediction]:
        """Read one digit in each picture.

        Parameters
        ----------
        pictures : sequence of ndarray of shape (height, width), uint8
            Gray, any size, either polarity; what is in the MNIST frame passes unchanged.
        files : sequence of str, optional
            Their names, for the predictions.

        Raises
        ------
        InputError
            If a picture is blank, or not of that kind.
        """
        if len(pictures) == 0:
            return []
        frames = np.stack([to_mnist_frame(picture) for picture in pictures])
        probabilities = self.pipeline.predict_proba(frames)
        names = [None] * len(frames) if files is None else files
        return [self._describe(*pair) for pair in zip(names, probabilities, strict=True)]

    def _describe(self, file: str | None, probabilities: np.ndarray) -> Prediction:
        order = np.argsort(-probabilities, kind="stable")[: 1 + RUNNERS_UP]
        digits = [int(self.pipeline.classes_[place]) for place in order]
        shares = [float(probabilities[place]) for place in order]
        return Prediction(
            file=file,
            digit=digits[0],
            probability=shares[0],
            runners_up=tuple(zip(digits[1:], shares[1:], strict=True)),
            model=self.champion.name,
            version=self.champion.version,
        )


def predict_files(
    files: Sequence[Path], store: Store, model: str | None = None
) -> Iterator[Prediction | Unread]:
    """Yield a prediction for each picture file, or why there is none; in their order.

    Raises
    ------
    InputError
        If there is no champion.
    DamagedArtifact
        If the champion's file is missing or changed.
    """
    predictor = Predictor.load(store, model)
    for file in files:
        try:
            _require_moderate(file)
            yield from predictor.predict([read_picture(file)], [str(file)])
        except InputError as exc:
            message = str(exc)
            named = message if str(file) in message else f"{file}: {message}"
            yield Unread(file=str(file), error=named)


def find_champion(store: Store, model: str | None = None) -> Champion:
    """Return the champion to predict with, by its pointer file alone.

    Raises
    ------
    InputError
        If there is none.
    """
    names = DEFAULT_MODELS if model is None else (model,)
    for name in names:
        if (pointer := read_pointer(store, name)) is not None:
            return pointer.champion
    known = list_pointers(store)
    others = f"There is one of: {list_some(known)}. " if known else ""
    raise InputError(
        f"there is no champion of {' or '.join(names)} in {store.root}. {others}"
        "`digitflow train` makes one."
    )


def _limit_pixels() -> None:
    # OpenCV reads this when it is imported, and refuses by the header, before unpacking.
    os.environ.setdefault(_PIXELS_VARIABLE, str(MAX_PIXELS))


def _require_moderate(file: Path) -> None:
    try:
        size = file.stat().st_size
    except OSError:
        return  # reading it says what is wrong
    if size > MAX_FILE_BYTES:
        raise InputError(
            f"{file} has {size >> 20} MB, a picture may have {MAX_FILE_BYTES >> 20} MB. "
            "Make it smaller: 28 pixels are left of its height in the end."
        )
