"""A champion, loaded, and what it reads in arrays, pictures and files."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from os import PathLike
from typing import Any, Literal

import numpy as np

from digitflow.errors import InputError
from digitflow.feedback.predictions import PredictionLog
from digitflow.feedback.tables import name_images
from digitflow.images.inputs import iterate_batches, to_picture
from digitflow.images.pages import PassedOver
from digitflow.images.pictures import Picture
from digitflow.models.bundle import RejectOption
from digitflow.models.calibration import ask_probabilities
from digitflow.models.golden import load_bundle
from digitflow.models.persistence import load_model
from digitflow.models.predicting import compute_features
from digitflow.models.threads import use_one_thread
from digitflow.predict.finding import (
    Sheet,
    cut_touching,
    find_sheet,
    guess_turn,
    open_content,
    open_sheets,
    read_sheets,
    turn_upright,
)
from digitflow.predict.predictions import (
    Prediction,
    Reading,
    Status,
    Unread,
    flag_page,
    flag_turned,
    has_doubts,
    locate_digit,
)
from digitflow.registry.history import find_champion
from digitflow.registry.versions import Champion
from digitflow.store.artifacts import Store

Turn = Literal["no", "auto"]
RUNNERS_UP = 3
# Features of a recipe take up to 6 kB an image.
BATCH = 1000
# Files are read together until they have so many digits or pixels: a model asked for one
# digit at a time takes twice as long, and nobody waits for long to see the first ones.
_DIGITS_AT_ONCE, _PIXELS_AT_ONCE = 256, 1 << 22
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
            If there is no champion, it takes rows of a table, or it reads otherwise with
            the installed versions.
        DamagedArtifact
            If one of its files is missing or changed.
        """
        return cls.open(store, find_champion(store, model), log)

    @classmethod
    def open(
        cls, store: Store, champion: Champion, log: PredictionLog | None = None
    ) -> "Predictor":
        """Load what `find_champion` has found; raises what `load` does."""
        bundle = champion.bundle
        if bundle.table is not None:
            raise InputError(f"{champion.name} takes rows of a table, no pictures of digits")
        detector = bundle.reject_option.detector if bundle.reject_option else None
        return cls(
            champion,
            load_bundle(bundle, store),
            None if detector is None else load_model(detector, store),
            log,
        )

    def predict(self, pictures: Any) -> list[Prediction | Unread]:
        """Read one digit in each picture.

        Parameters
        ----------
        pictures : array, table, path, bytes, open file, PIL image, or iterable of these
            Whatever `iterate_batches` takes: uint8 (n, 28, 28), rows of 784 pixels, floats
            from 0 to 1 or 0 to 255, a table of pixels, gray or colour pictures of any size,
            names of files. What is in the MNIST frame already passes unchanged.

        Returns
        -------
        list of Prediction or Unread
            One for each picture, in their order. A picture that is blank, damaged or holds
            NaN is an `Unread` with its index.

        Raises
        ------
        InputError
            If nothing of it is a picture, or its levels or shape could mean two things.
        """
        return list(self.stream(pictures))

    def stream(self, pictures: Any) -> Iterator[Prediction | Unread]:
        """Yield what `predict` returns, batch by batch: any number, in bounded memory."""
        place = 0
        for batch in iterate_batches(pictures, BATCH):
            readable = [file for row, file in enumerate(batch.files) if row not in batch.errors]
            found = iter(self._read_batch(batch.frames, readable))
            for row, file in enumerate(batch.files):
                if row not in batch.errors:
                    yield next(found)
                    continue
                error = f"picture {place + row}: {batch.errors[row]}"
                yield Unread(file=file, error=error, index=place + row)
            place += len(batch.files)

    def read_page(
        self, picture: Any, file: str | None = None, turn: Turn = "no", keep: bool = False
    ) -> Reading:
        """Find and read the digits of a picture, line by line and from left to right.

        Parameters
        ----------
        picture : array, path, bytes, open file or PIL image
            Whatever `to_picture` takes. One of 28x28 pixels holds one digit.
        file : str, optional
            Its name, for the predictions.
        turn : {"no", "auto"}
            Whether to turn a page by quarters that is read better so.
        keep : bool
            Keep the picture that was looked at.

        Returns
        -------
        Reading
            A list of Prediction; its `passed_over` says which marks are read as nothing.

        Raises
        ------
        InputError
            If it can't be read, is blank, or nothing in it could be a digit.
        """
        return self._read_picture(picture, file, False, turn, keep)

    def read_one(self, picture: Any, file: str | None = None, keep: bool = False) -> Reading:
        """Read the one digit of a picture; takes and raises what `read_page` does."""
        return self._read_picture(picture, file, True, "no", keep)

    def _read_picture(
        self, picture: Any, file: str | None, one: bool, turn: Turn, keep: bool
    ) -> Reading:
        keep |= turn == "auto"
        sheet = find_sheet(Picture(to_picture(picture), 1), file, None, one, keep)
        if turn == "auto":
            sheet = turn_upright(sheet, self.predict_frames)
        (reading,) = self._read_sheets([sheet])
        return reading

    def read_file(
        self, file: str | PathLike[str], one: bool = False
    ) -> Sequence[Prediction | Unread]:
        """Read a picture file's digits, or say why there are none; see `predict_files`."""
        return [result for page in self.read_files([file], one) for result in page]

    def find_frames(
        self, picture: np.ndarray, one: bool = False, turn: Turn = "no"
    ) -> np.ndarray:
        """Return the digits of a gray picture as they are read, uint8 (n, 28, 28).

        Turned and cut as `read_files` does, in the same order. Nothing is kept.
        """
        sheet = find_sheet(Picture(picture, 1), None, None, one, turn == "auto")
        if turn == "auto":
            sheet = turn_upright(sheet, self.predict_frames)
        (whole,) = read_sheets([sheet], self._predict_all)
        return cut_touching(whole, self.predict_frames).frames

    def read_files(
        self,
        files: Iterable[str | PathLike[str]],
        one: bool = False,
        keep: bool = False,
        turn: Turn = "no",
    ) -> Iterator[Reading]:
        """Yield what each picture, or each page of a file, holds; see `predict_files`.

        With `keep` each `Reading` has the picture that was looked at; `turn` is as in
        `read_page`.
        """
        keep |= turn == "auto"
        opened = (sheet for file in files for sheet in open_sheets(file, one, keep))
        yield from self._read_opened(opened, turn)

    def read_contents(
        self,
        contents: Iterable[tuple[str, bytes]],
        one: bool = False,
        keep: bool = False,
        turn: Turn = "no",
        at_once: int = _DIGITS_AT_ONCE,
    ) -> Iterator[Reading]:
        """Yield what `read_files` does, of files that are (name, content) already.

        Whoever waits for the first ones has fewer digits read at once.
        """
        keep |= turn == "auto"
        opened = (
            sheet
            for name, content in contents
            for sheet in open_content(content, name, name, one, keep)
        )
        yield from self._read_opened(opened, turn, at_once)

    def open_content(
        self, content: bytes, name: str, file: str | None, one: bool = False, turn: Turn = "no"
    ) -> Iterator[Sheet]:
        """Yield the pictures of a file's content, their digits found, for `read_opened`.

        Parameters
        ----------
        name : str
            How errors call it.
        file : str or None
            Its name in the predictions.
        one, turn
            As in `read_page`.
        """
        for sheet in open_content(content, name, file, one, turn == "auto"):
            is_turned = turn == "auto"
            yield turn_upright(sheet, self.predict_frames) if is_turned else sheet

    def read_opened(self, sheets: Sequence[Sheet]) -> list[Reading]:
        """Read pictures together, each as it was opened; one `Reading` for each."""
        return list(self._read_sheets(sheets))

    def _read_opened(
        self, opened: Iterable[Sheet], turn: Turn, at_once: int = _DIGITS_AT_ONCE
    ) -> Iterator[Reading]:
        pending: list[Sheet] = []
        for sheet in opened:
            if turn == "auto":
                sheet = turn_upright(sheet, self.predict_frames)
            pending.append(sheet)
            digits = sum(len(each.frames) for each in pending)
            pixels = sum(each.pixels for each in pending)
            if digits >= at_once or pixels >= _PIXELS_AT_ONCE:
                yield from self._read_sheets(pending)
                pending = []
        yield from self._read_sheets(pending)

    def _read_sheets(self, sheets: Sequence[Sheet]) -> Iterator[Reading]:
        began = time.perf_counter()
        whole = read_sheets(sheets, self._predict_all)
        cut = [cut_touching(sheet, self.predict_frames) for sheet in whole]
        read = iter(self._describe_sheets(cut, time.perf_counter() - began))
        for sheet, before in zip(cut, whole, strict=True):
            if sheet.error is None:
                own = list(islice(read, len(sheet.frames)))
                yield self._locate_digits(sheet, own, before.frames)
            else:
                error = Unread(file=sheet.file, page=sheet.page, error=sheet.error)
                yield Reading([error])

    def _locate_digits(
        self, sheet: Sheet, own: Sequence[Prediction], whole: np.ndarray
    ) -> Reading:
        """Say where a picture's digits are; `whole` are its frames before any was cut."""
        if sheet.found is None:
            digits = [locate_digit(digit, sheet.file, page=sheet.page) for digit in own]
            return _gather(sheet, digits)
        digits = [
            locate_digit(
                digit,
                sheet.file,
                _enlarge(place.box, sheet.reduction),
                place.line,
                place.touching,
                sheet.page,
                place.lined,
            )
            for digit, place in zip(own, sheet.found, strict=True)
        ]
        passed = [
            replace(mark, box=_enlarge(mark.box, sheet.reduction)) for mark in sheet.passed_over
        ]
        turn = 0
        if not sheet.turn and has_doubts(digits):
            turn = guess_turn(whole, self.predict_frames)
        digits = flag_turned(digits, turn) if turn else flag_page(digits)
        return _gather(sheet, digits, passed)

    def _describe_sheets(self, sheets: Sequence[Sheet], seconds: float) -> list[Prediction]:
        found = [sheet for sheet in sheets if sheet.probabilities is not None]
        if not found:
            return []
        files = [sheet.file for sheet in found for _ in sheet.frames]
        arrays = [(each.frames, each.probabilities, each.outlier_scores) for each in found]
        frames, probabilities, scores = map(np.concatenate, zip(*arrays, strict=True))
        return self._describe_batch(frames, probabilities, scores, files, seconds)

    def _read_batch(self, frames: np.ndarray, files: Sequence[str | None]) -> list[Prediction]:
        if not len(frames):
            return []
        began = time.perf_counter()
        probabilities, outlier_score = self.predict_frames(frames)
        seconds = time.perf_counter() - began
        return self._describe_batch(frames, probabilities, outlier_score, files, seconds)

    def _describe_batch(
        self,
        frames: np.ndarray,
        probabilities: np.ndarray,
        outlier_score: np.ndarray,
        files: Sequence[str | None],
        seconds: float,
    ) -> list[Prediction]:
        """Say what was read in frames, in so many seconds; keep it where there is a log."""
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, : 1 + RUNNERS_UP]
        digits = self.pipeline.classes_[order].tolist()
        shares = np.take_along_axis(probabilities, order, axis=1).tolist()
        samples = name_images(frames)
        pictures = [sample.digest for sample in samples]
        rows = zip(pictures, files, digits, shares, outlier_score.tolist(), strict=True)
        found = [self._describe(*row) for row in rows]
        if self.log is not None:
            statuses = [prediction.status for prediction in found]
            names = self.champion.name, self.champion.version
            self.log.add(samples, probabilities, statuses, *names, files, seconds / len(frames))
        return found

    def _predict_all(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = [
            self.predict_frames(frames[start : start + BATCH])
            for start in range(0, len(frames), BATCH)
        ]
        probabilities, scores = zip(*parts, strict=True)
        return np.concatenate(probabilities), np.concatenate(scores)

    def compute_features(self, frames: np.ndarray) -> np.ndarray:
        """Return what the model's recipe makes of images in the frame, (n, features).

        Of a blend's several recipes it is the first.
        """
        return self._choose_columns(np.asarray(compute_features(self._recipe, frames)))

    def predict_frames(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities (n, 10) and outlier scores (n,) of images in the frame.

        As they come, in one batch; nothing is kept.
        """
        from sklearn import config_context

        # Bytes are finite, and the model's own parameters were checked when it was fitted.
        unchecked = config_context(assume_finite=True, skip_parameter_validation=True)
        with use_one_thread(len(frames)), unchecked:
            features = compute_features(self._recipe, frames)
            probabilities = ask_probabilities(self._classifier, features)
            return probabilities, self._score_outliers(features)

    def _score_outliers(self, features: np.ndarray) -> np.ndarray:
        if self.detector is None:
            return np.zeros(len(features))
        return np.asarray(self.detector.outlier_score(self._choose_columns(features)))

    def _choose_columns(self, features: np.ndarray) -> np.ndarray:
        """Return the features that the detector knows: a blend's others come after them."""
        return features if self.detector is None else features[:, : self.detector.width]

    def _describe(
        self,
        picture: str,
        file: str | None,
        digits: list[int],
        shares: list[float],
        outlier_score: float,
    ) -> Prediction:
        status, reasons = self._judge(shares[0], outlier_score)
        return Prediction(
            picture=picture,
            file=file,
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
    files: Iterable[str | PathLike[str]],
    store: Store,
    model: str | None = None,
    one: bool = False,
) -> Iterator[Prediction | Unread]:
    """Yield each digit of each picture file, or why there is none; in their order.

    Parameters
    ----------
    files : iterable of str or Path
        PNG, JPEG, BMP, WebP, TIFF, with the extra `pdf` PDF, or a ZIP archive of these; `-` is
        standard input. Of what has pages each is read.
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
    for page in Predictor.load(store, model).read_files(files, one):
        yield from page


def _gather(
    sheet: Sheet, digits: Sequence[Prediction], passed: Iterable[PassedOver] = ()
) -> Reading:
    return Reading(
        digits, passed, sheet.picture, sheet.reduction, sheet.frames, sheet.probabilities
    )


def _enlarge(box: tuple[int, int, int, int], times: int) -> tuple[int, int, int, int]:
    left, top, width, height = box
    return left * times, top * times, width * times, height * times
