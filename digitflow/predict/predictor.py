"""A champion, loaded, and what it reads in arrays, pictures and files."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from digitflow.errors import InputError
from digitflow.feedback.predictions import PredictionLog
from digitflow.images.frame import SIDE, digest_image, frame_ink, iterate_frames
from digitflow.images.pages import Found, find_digits
from digitflow.images.pictures import MAX_FILE_BYTES, decode_picture, read_picture
from digitflow.models.bundle import RejectOption
from digitflow.models.golden import load_bundle
from digitflow.models.persistence import load_model
from digitflow.predict.predictions import Prediction, Status, Unread, flag_page, locate_digit
from digitflow.registry.history import find_champion
from digitflow.registry.versions import Champion
from digitflow.store.artifacts import Store

RUNNERS_UP = 3
STANDARD_INPUT = Path("-")
# Features of a recipe take up to 6 kB an image.
BATCH = 1000
_NEVER = RejectOption(
    coverage=1, min_probability=0, risk=0, detector=None, max_outlier_score=np.inf
)


class Predictor:
    """A champion, loaded.

    Parameters
    ----------
    champion : Champion
        Which version this is, and from when on it is unsure.
    pipeline : sklearn.pipeline.Pipeline
        Its model: uint8 images (n, 28, 28) to probabilities.
    detector : OutlierDetector or None
        What tells digits from other things, by the features of the pipeline.
    log : PredictionLog or None
        Where every prediction is kept; whoever opened it ends it.
    """

    def __init__(
        self,
        champion: Champion,
        pipeline: Any,
        detector: Any = None,
        log: PredictionLog | None = None,
    ) -> None:
        self.champion = champion
        self.pipeline = pipeline
        self.detector = detector
        self.log = log
        self._recipe, self._classifier = pipeline[:-1], pipeline[-1]
        self.reject_option = champion.bundle.reject_option or _NEVER

    @classmethod
    def load(
        cls, store: Store, model: str | None = None, log: PredictionLog | None = None
    ) -> "Predictor":
        """Load the champion of a registered model; else of `digits`, else `digits-sample`.

        Raises
        ------
        InputError
            If there is no champion, or it reads otherwise with the installed versions.
        DamagedArtifact
            If one of its files is missing or changed.
        """
        champion = find_champion(store, model)
        bundle = champion.bundle
        detector = bundle.reject_option.detector if bundle.reject_option else None
        return cls(
            champion,
            load_bundle(bundle, store),
            None if detector is None else load_model(detector, store),
            log,
        )

    def predict(self, pictures: Iterable[np.ndarray]) -> list[Prediction]:
        """Read one digit in each picture.

        Parameters
        ----------
        pictures : iterable of ndarray of shape (height, width), or ndarray (n, 28, 28), uint8
            Gray, any size, either polarity; what is in the MNIST frame passes unchanged.

        Raises
        ------
        InputError
            If a picture is blank, or not of that kind.
        """
        return list(self.stream(pictures))

    def stream(self, pictures: Iterable[np.ndarray]) -> Iterator[Prediction]:
        """Yield what `predict` returns, batch by batch: any number, in bounded memory."""
        for frames in iterate_frames(pictures, BATCH):
            yield from self._read_frames(frames)

    def read_page(self, picture: np.ndarray, file: str | None = None) -> list[Prediction]:
        """Find and read the digits of a picture, line by line and from left to right.

        Parameters
        ----------
        picture : ndarray of shape (height, width), uint8
            Gray. One of 28x28 pixels holds one digit.
        file : str, optional
            Its name, for the predictions.

        Raises
        ------
        InputError
            If the picture is blank, or nothing in it could be a digit.
        """
        if picture.shape == (SIDE, SIDE):
            return self.read_one(picture, file)
        found, frames = frame_page(picture)
        return flag_page(
            [
                locate_digit(prediction, file, digit.box, digit.line, digit.touching)
                for prediction, digit in zip(
                    self._read_frames(frames, file), found, strict=True
                )
            ]
        )

    def read_one(self, picture: np.ndarray, file: str | None = None) -> list[Prediction]:
        """Read the one digit of a picture; raises as `predict` does."""
        frames = next(iterate_frames([picture], 1))
        return [locate_digit(found, file) for found in self._read_frames(frames, file)]

    def read_file(self, file: Path, one: bool = False) -> "Sequence[Prediction | Unread]":
        """Read a picture file's digits, or say why there are none; see `predict_files`."""
        read = self.read_one if one else self.read_page
        try:
            return read(read_pixels(file), str(file))
        except (InputError, MemoryError) as exc:
            message = str(exc) or "there is not enough memory for it"
            named = message if str(file) in message else f"{file}: {message}"
            return [Unread(file=str(file), error=named)]

    def _read_frames(self, frames: np.ndarray, file: str | None = None) -> Iterator[Prediction]:
        for start in range(0, len(frames), BATCH):
            yield from self._read_batch(frames[start : start + BATCH], file)

    def _read_batch(self, frames: np.ndarray, file: str | None) -> list[Prediction]:
        began = time.perf_counter()
        probabilities, outlier_score = self._predict_batch(frames)
        seconds = time.perf_counter() - began
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, : 1 + RUNNERS_UP]
        digits = self.pipeline.classes_[order].tolist()
        shares = np.take_along_axis(probabilities, order, axis=1).tolist()
        pictures = map(digest_image, frames)
        rows = zip(pictures, digits, shares, outlier_score.tolist(), strict=True)
        found = [self._describe(*row) for row in rows]
        if self.log is not None:
            statuses = [prediction.status for prediction in found]
            names = self.champion.name, self.champion.version
            self.log.add(frames, probabilities, statuses, *names, file, seconds / len(frames))
        return found

    def _predict_batch(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities (n, 10) and outlier_score (n,) of images in the frame."""
        from sklearn import config_context

        # Bytes are finite, and the model's own parameters were checked when it was fitted.
        with config_context(assume_finite=True, skip_parameter_validation=True):
            features = self._recipe.transform(frames)
            probabilities = self._classifier.predict_proba(features)
        return probabilities, self._score_outliers(features)

    def _score_outliers(self, features: np.ndarray) -> np.ndarray:
        if self.detector is None:
            return np.zeros(len(features))
        return np.asarray(self.detector.outlier_score(features))

    def _describe(
        self, picture: str, digits: list[int], shares: list[float], outlier_score: float
    ) -> Prediction:
        status, reasons = self._judge(shares[0], outlier_score)
        return Prediction(
            picture=picture,
            file=None,
            box=None,
            line=0,
            digit=digits[0],
            probability=shares[0],
            runners_up=tuple(zip(digits[1:], shares[1:], strict=True)),
            status=status,
            reasons=reasons,
            model=self.champion.name,
            version=self.champion.version,
        )

    def _judge(
        self, probability: float, outlier_score: float
    ) -> tuple[Status, tuple[str, ...]]:
        # Written so that a NaN is unsure.
        reasons = []
        if not probability >= self.reject_option.min_probability:
            limit = self.reject_option.min_probability
            reasons.append(f"its probability {probability:.1%} is below {limit:.1%}")
        if not outlier_score <= self.reject_option.max_outlier_score:
            reasons.append(
                "it is unlike the digits that the model was made with "
                f"({outlier_score:.3g}, at most {self.reject_option.max_outlier_score:.3g})"
            )
            return "not a digit", tuple(reasons)
        return ("unsure" if reasons else "read"), tuple(reasons)


def predict_files(
    files: Sequence[Path], store: Store, model: str | None = None, one: bool = False
) -> Iterator[Prediction | Unread]:
    """Yield each digit of each picture file, or why there is none; in their order.

    Parameters
    ----------
    files : sequence of Path
        PNG, JPEG, BMP, WebP or TIFF; `-` is standard input.
    store, model
        Whose champion predicts, as in `Predictor.load`.
    one : bool
        Each picture holds one digit; else the digits are found.

    Raises
    ------
    InputError
        If there is no champion.
    DamagedArtifact
        If the champion's file is missing or changed.
    """
    predictor = Predictor.load(store, model)
    for file in files:
        yield from predictor.read_file(file, one)


def frame_page(picture: np.ndarray) -> tuple[list[Found], np.ndarray]:
    """Find the digits of a picture; return them, and as the model sees them (n, 28, 28).

    Raises
    ------
    InputError
        If the picture is blank, or nothing in it could be a digit.
    """
    found = find_digits(picture)
    if not found:
        raise InputError(
            "nothing in the picture could be a digit. If it holds a single one, say so: "
            "--one, or Predictor.read_one"
        )
    return found, np.stack([frame_ink(digit.ink) for digit in found])


def read_pixels(file: Path) -> np.ndarray:
    """Return a picture file's gray pixels; `-` is standard input."""
    if file != STANDARD_INPUT:
        return read_picture(file)
    return decode_picture(sys.stdin.buffer.read(MAX_FILE_BYTES + 1), "standard input")
