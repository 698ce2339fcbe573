"""The pictures of a run, drawn from what is stored and stored again."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from digitflow.data.sets import SampleSet
from digitflow.errors import InputError
from digitflow.evaluation.metrics import find_mistakes, require_classes
from digitflow.evaluation.scoring import Entry, Evaluation
from digitflow.evaluation.selective import trace_risk
from digitflow.registry.history import Entry as HistoryEntry
from digitflow.reports.charts import (
    INK,
    NO_VALUE,
    draw_bars,
    draw_digit,
    draw_gallery,
    draw_image_rows,
    draw_lines,
    encode,
    fill_matrix,
    new_figure,
    soften_frame,
)
from digitflow.reports.pictures import Figures, store_pictures
from digitflow.store.artifacts import Store

CLASSES = 10
TITLES = {
    "samples": "Training images",
    "confusion": "Confusions of the winner, on the validation images",
    "errors": "Errors of the winner, on the validation images",
    "mistakes": "What the winner was surest of and wrong about",
    "risk": "What saying unsure buys",
}
MISTAKES_PER_ROW = 6
# Of the risk curve: below this, one image more or less is a jump.
LEAST_COVERAGE = 0.05
# White between the pictures of a grid, in their own pixels.
GAP = 3
# With more, the words beside the points would cover one another.
MARKED_CHAMPIONS = 8


def draw_confusion(counts: np.ndarray | Sequence[Sequence[int]]) -> bytes:
    """Draw how often each digit was taken for each; return a PNG.

    Parameters
    ----------
    counts : array-like of int, shape (10, 10)
        A row a true digit, a column a predicted one.
    """
    counts = _check_counts(counts)
    texts = np.where(counts > 0, counts.astype(str), "")
    figure = new_figure(6.2, 6.0)
    axes = figure.add_subplot()
    _draw_matrix(axes, 100 * _row_shares(counts), texts, "Blues", highest=100)
    axes.set_title("Confusions: number of images")
    return encode(figure)


def draw_errors(counts: np.ndarray | Sequence[Sequence[int]]) -> bytes:
    """Draw errors only, each as a share of its true digit's images; return a PNG.

    Parameters
    ----------
    counts : array-like of int, shape (10, 10)
        A row a true digit, a column a predicted one; the diagonal is left blank.
    """
    shares = 100 * _row_shares(_check_counts(counts))
    np.fill_diagonal(shares, 0)
    texts = np.where(shares > 0, np.char.mod("%.1f", shares), "")
    figure = new_figure(6.2, 6.0)
    axes = figure.add_subplot()
    _draw_matrix(axes, shares, texts, "Oranges", highest=shares.max() or 1)
    for digit in range(CLASSES):
        corner = (digit - 0.5, digit - 0.5)
        axes.add_patch(_new_square(corner, facecolor=NO_VALUE, hatch="///"))
    axes.set_title("Errors only: % of the true digit's images")
    return encode(figure)


def draw_samples(images: np.ndarray, labels: np.ndarray, each: int = 12) -> bytes:
    """Draw `each` images of every digit, evenly spread over the rows; return a PNG.

    Parameters
    ----------
    images : uint8 ndarray of shape (n, height, width)
        Bright ink on 0.
    labels : integer ndarray of shape (n,)
        Digits, 0 to 9.
    """
    _check_images(images, labels)
    tiles = np.zeros((CLASSES, each, *images.shape[1:]), np.uint8)
    for digit in range(CLASSES):
        rows = np.flatnonzero(labels == digit)
        chosen = rows[np.linspace(0, len(rows) - 1, min(each, len(rows))).astype(int)]
        tiles[digit, : len(chosen)] = images[chosen]
    grid = np.pad(tiles, ((0, 0), (0, 0), (GAP, GAP), (GAP, GAP)))
    figure = new_figure(7.2, 7.2 * CLASSES / each)
    axes = figure.add_subplot()
    draw_digit(axes, grid.swapaxes(1, 2).reshape(CLASSES * grid.shape[2], -1))
    middles = (np.arange(CLASSES) + 0.5) * grid.shape[2]
    axes.set_yticks(middles, [str(digit) for digit in range(CLASSES)], fontsize=14)
    axes.tick_params(length=0)
    axes.set_ylabel("label", fontsize=12)
    axes.set_title("Samples of each digit")
    return encode(figure)


def draw_understood(means: np.ndarray, samples: np.ndarray) -> bytes:
    """Draw the mean image of each digit, then samples of it; return a PNG.

    Parameters
    ----------
    means : ndarray of shape (10, 28, 28), uint8
    samples : ndarray of shape (10, k, 28, 28), uint8
    """
    rows = {
        str(digit): np.concatenate([mean[np.newaxis], some])
        for digit, (mean, some) in enumerate(zip(means, samples, strict=True))
    }
    return draw_image_rows("Each digit: its mean image, then samples", rows)


def draw_mistakes(
    images: np.ndarray, labels: np.ndarray, predicted: np.ndarray, probability: np.ndarray
) -> bytes:
    """Draw k wrongly read images, each titled "true → predicted" and how sure; a PNG.

    Parameters
    ----------
    images : uint8 ndarray of shape (k, height, width)
        Bright ink on 0; k may be 0.
    labels, predicted : integer ndarray of shape (k,)
        True and predicted digits.
    probability : float ndarray of shape (k,)
        Of the predicted digit, 0 to 1.
    """
    _check_images(images, labels)
    if len(images) == 0:
        figure = new_figure(7.2, 2.1)
        figure.text(0.5, 0.5, "no mistakes", ha="center", va="center", color=INK, fontsize=14)
        return encode(figure)
    read = zip(labels, predicted, probability, strict=True)
    captions = [f"{true} → {wrong}\n{100 * sure:.1f} %" for true, wrong, sure in read]
    title = "True digit → predicted digit, and how sure the model was"
    return draw_gallery(title, images, captions, columns=MISTAKES_PER_ROW, points=13)


def draw_risk_coverage(coverage: np.ndarray, risk: np.ndarray, chosen: float) -> bytes:
    """Draw the share of errors among what is answered, the surest first; return a PNG.

    Parameters
    ----------
    coverage, risk : float ndarray of shape (k,)
        Share of the images that is answered, rising, and of errors among those, 0 to 1.
    chosen : float
        The coverage that the champion answers.
    """
    figure = new_figure(6.2, 3.6)
    axes = figure.add_subplot()
    axes.plot(100 * coverage, 100 * risk, color="#1f5fa8", linewidth=2, drawstyle="steps-post")
    at_chosen = 100 * float(np.interp(chosen, coverage, risk))
    axes.plot(100 * chosen, at_chosen, "o", color="#b45309", markersize=8)
    axes.annotate(
        f"answers {100 * chosen:.1f} %,\n{at_chosen:.2f} % of them wrong",
        (100 * chosen, at_chosen),
        xytext=(0.04, 0.9),
        textcoords="axes fraction",
        va="top",
        arrowprops={"arrowstyle": "-", "color": NO_VALUE},
        color=INK,
        fontsize=11,
    )
    axes.set_xlabel("coverage: % of the images that get an answer, the surest first")
    axes.set_ylabel("risk: % of them wrong")
    axes.set_title("What saying 'unsure' buys")
    # The first few images give shares of nothing much: they don't set the scale.
    many = risk[coverage >= LEAST_COVERAGE]
    axes.set_ylim(0, 150 * max(float(many.max(initial=0)), 0.001))
    axes.grid(color=NO_VALUE, linewidth=0.8)
    soften_frame(axes)
    return encode(figure)


def draw_classes(title: str, counts: Mapping[str, Sequence[int]]) -> bytes:
    """Draw which share of each set of images each digit has; return a PNG.

    Parameters
    ----------
    counts : mapping of str to sequence of int
        By the name of the set: images of 0, 1, ... 9.
    """
    shares = {
        name: [100 * count / max(sum(found), 1) for count in found]
        for name, found in counts.items()
    }
    return draw_bars(
        title,
        [str(digit) for digit in range(CLASSES)],
        shares,
        "share of the set (%)",
        1,
    )


def draw_tradeoff(entries: Sequence[Entry]) -> bytes:
    """Draw the main figure against the time of one sample, a point a candidate; a PNG.

    Those that failed are left out.
    """
    measured = [
        (entry.candidate.name, entry.evaluation)
        for entry in entries
        if entry.evaluation is not None
    ]
    main = measured[0][1].metrics.main[0] if measured else "accuracy"
    factor = 100 if main == "accuracy" else 1
    points = {
        name: ([found.latency_ms], [factor * found.metrics.main[1]]) for name, found in measured
    }
    return draw_lines(
        f"{main[0].upper()}{main[1:]} against the time of one sample",
        points,
        "time of one sample (ms, processor time)",
        f"{main}{' (%)' if factor == 100 else ''} on the validation samples",
        log_x=True,
        height=4.6,
    )


def draw_champions(entries: Sequence[HistoryEntry]) -> bytes:
    """Draw the champions' test scores, one entry of the history after the other; a PNG.

    Parameters
    ----------
    entries : sequence of registry.history.Entry
        Of one model, the oldest first; at least one.
    """
    places = np.arange(1, len(entries) + 1)
    scores = [entry.champion.score for entry in entries]
    metric, unit = scores[-1].metric, scores[-1].unit
    name = f"test {metric}"
    factor, unit = (100, "%") if metric == "accuracy" else (1, unit)
    bounds = factor * np.array([score.interval for score in scores])
    values = factor * np.array([score.value for score in scores])
    marks = {
        f"version {entry.version}, {entry.kind}": (float(place), float(value))
        for place, entry, value in zip(places, entries, values, strict=True)
    }
    return draw_lines(
        "Champions, one after the other",
        {name: (places, values)},
        "entry of the history (1 = the first champion)",
        f"{name}{f' ({unit})' if unit else ''}, with its 95 % interval",
        bands={name: (bounds[:, 0], bounds[:, 1])},
        marks=marks if len(marks) <= MARKED_CHAMPIONS else None,
        x_range=(0, len(entries) + 1),
    )


def _draw_matrix(
    axes: Any, shares: np.ndarray, texts: np.ndarray, colours: str, highest: float
) -> None:
    fill_matrix(axes, shares, texts, colours, highest)
    digits = range(CLASSES)
    axes.set_xticks(digits, digits, fontsize=12)
    axes.set_yticks(digits, digits, fontsize=12)
    axes.set_xlabel("predicted digit", fontsize=12)
    axes.set_ylabel("true digit", fontsize=12)


def _new_square(corner: tuple[float, float], **style: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 1, 1, edgecolor="white", linewidth=0, **style)


def _row_shares(counts: np.ndarray) -> np.ndarray:
    # A digit that never occurs has a row of zeros, not of NaN.
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shares: np.ndarray = counts / totals
    return shares


def _check_counts(counts: np.ndarray | Sequence[Sequence[int]]) -> np.ndarray:
    array = np.asarray(counts)
    if array.shape != (CLASSES, CLASSES) or not np.issubdtype(array.dtype, np.integer):
        raise InputError(
            f"a confusion matrix must be ({CLASSES}, {CLASSES}) whole numbers, "
            f"got {array.dtype} {array.shape}"
        )
    return array


def _check_images(images: np.ndarray, labels: np.ndarray) -> None:
    if images.ndim != 3 or images.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise InputError(
            f"pictures must be uint8 (n, height, width) with n labels, "
            f"got {images.dtype} {images.shape} and labels {labels.shape}"
        )


def draw_figures(
    store: Store,
    train: SampleSet,
    validation: SampleSet,
    evaluation: Evaluation,
    coverage: float,
) -> Figures:
    """Draw samples of `train`, and what a model got wrong on the images of `validation`.

    Parameters
    ----------
    coverage : float
        Share of the images that the model is to answer, 0 to 1.
    """
    images, labels = store.open_array(validation.samples), store.open_array(validation.targets)
    probabilities = store.open_array(evaluation.predictions)
    found = find_mistakes(labels, probabilities)
    curve = trace_risk(labels, probabilities)
    counts = require_classes(evaluation.metrics).confusion
    pictures = {
        "samples": draw_samples(
            store.open_array(train.samples), store.open_array(train.targets)
        ),
        "confusion": draw_confusion(counts),
        "errors": draw_errors(counts),
        "mistakes": draw_mistakes(
            images[found.rows], labels[found.rows], found.predicted, found.probability
        ),
        "risk": draw_risk_coverage(curve.coverage, curve.risk, coverage),
    }
    return store_pictures(store, pictures, TITLES)
