"""Chapter `scratch`: models in numpy alone beside scikit-learn's."""

from typing import Any

import numpy as np

from digitflow.reports.charts import draw_gallery, draw_lines
from digitflow.studies.chapter import (
    Chapter,
    ChapterContext,
    Part,
    Parts,
    PublishedFigure,
    Table,
)
from digitflow.studies.digits.experiments.scratch import (
    KINDS,
    MAKERS,
    NETWORK,
    NETWORK_SLOPES,
    name_fit,
)

NAMES = {"softmax": "softmax regression", "mlp": "an MLP of one hidden layer"}
# What was asked of them: points of accuracy, and times scikit-learn's time.
POINTS, TIMES = 0.5, 2.0
UNITS = 24


def compose(context: ChapterContext) -> Chapter:
    """Show losses, weights, and both makers side by side."""
    found = context.gather(name_fit, KINDS, MAKERS)
    return Chapter(
        section="scratch",
        title="Models from scratch",
        question="Softmax regression, an MLP and a convolutional network in numpy alone: do "
        "they learn as well as scikit-learn's, and as quickly?",
        findings=(*(_conclude(found, kind) for kind in KINDS), _conclude_network(context)),
        parts=(
            *(_check_goal(found, kind) for kind in KINDS),
            _list_fits(context, found),
            _list_gradients(context),
            *_show_losses(context, found),
            _show_digits(context),
            _show_units(context),
            _show_filters(context),
        ),
    )


def _gap(found: Any, kind: str) -> float:
    ours, theirs = (found[kind, maker].values["accuracy"] for maker in MAKERS)
    # 92.0 and 92.5 are half a point apart, whatever floats make of their difference.
    return round(100 * float(ours - theirs), 9)


def _ratio(found: Any, kind: str) -> float:
    ours, theirs = (found[kind, maker].measured["fit_seconds"] for maker in MAKERS)
    return float(ours / theirs)


def _conclude(found: Any, kind: str) -> str:
    ours, name = found[kind, "numpy"].values["accuracy"], NAMES[kind]
    return (
        f"{name[0].upper()}{name[1:]} in numpy reads {ours:.2%} of the test images, "
        f"{_gap(found, kind):+.2f} points against scikit-learn's, in {_ratio(found, kind):.2f} "
        f"times its time."
    )


def _conclude_network(context: ChapterContext) -> str:
    network = context.results[NETWORK]
    mlp = context.results[name_fit("mlp", "scikit-learn")]
    ours, theirs = network.values["accuracy"], mlp.values["accuracy"]
    ratio = network.measured["fit_seconds"] / mlp.measured["fit_seconds"]
    return (
        f"A convolutional network in numpy, over altered copies, reads {ours:.2%}: "
        f"{100 * (ours - theirs):+.2f} points against scikit-learn's MLP, which knows no "
        f"neighbouring pixels, in {ratio:.1f} times its time."
    )


def _check_goal(found: Any, kind: str) -> Part:
    gap, ratio = _gap(found, kind), _ratio(found, kind)
    return PublishedFigure(
        what=f"{NAMES[kind]} against scikit-learn's (points; times its time)",
        expected=f"within {POINTS} points, at most {TIMES:g} times",
        measured=f"{gap:+.2f} points, {ratio:.2f} times",
        met=gap >= -POINTS and ratio <= TIMES,
    )


def _list_fits(context: ChapterContext, found: Any) -> Part:
    fits = {**found, ("convolutional network", "numpy"): context.results[NETWORK]}
    rows = (
        {
            "model": kind,
            "made by": maker,
            "accuracy (%)": 100 * fit.values["accuracy"],
            "passes": fit.values["epochs"],
            "fit (s)": fit.measured["fit_seconds"],
            "predict (s)": fit.measured["predict_seconds"],
        }
        for (kind, maker), fit in fits.items()
    )
    return Table.of(
        rows,
        "side-by-side",
        "Side by side",
        "Equal features, penalty, units, batches and passes; scikit-learn's logistic "
        "regression goes by all images at once (lbfgs). The convolutional network, which "
        "scikit-learn has none of, goes by other batches and by altered copies.",
        decimals=2,
    )


def _list_gradients(context: ChapterContext) -> Part:
    checks = {kind: context.results[f"gradient of {kind}"].values for kind in KINDS}
    checks["a small convolutional network"] = context.results[NETWORK_SLOPES].values
    rows = (
        {
            "model": kind,
            "images": check["images"],
            "weights tried of each array": check["weights"],
            "largest difference": f"{check['worst']:.1e}",
        }
        for kind, check in checks.items()
    )
    return Table.of(
        rows,
        "gradients",
        "The gradient against central differences",
        "In float64, on real images; the largest relative difference. Of the convolutional "
        "network the weights are of all arrays together.",
    )


def _show_losses(context: ChapterContext, found: Any) -> Parts:
    curves = {
        f"{kind}, {maker}": facts.values["losses"]
        for (kind, maker), facts in found.items()
        if facts.values["losses"] is not None
    }
    lines = {
        name: (np.arange(1, len(losses) + 1), np.array(losses))
        for name, losses in curves.items()
    }
    ends = ", ".join(f"{name} {losses[-1]:.3f}" for name, losses in curves.items())
    return (
        context.figure(
            "losses",
            "Loss of each pass",
            f"After the last pass the mean cross-entropy is: {ends}.",
            draw_lines,
            lines,
            "pass over the training images",
            "mean cross-entropy (nats)",
            log_y=True,
        ),
        Table.behind(
            "losses",
            ("model", "pass", "mean cross-entropy"),
            (
                (name, number + 1, loss)
                for name, losses in curves.items()
                for number, loss in enumerate(losses)
            ),
        ),
    )


def _show_digits(context: ChapterContext) -> Part:
    (weights,) = context.open(name_fit("softmax", "numpy"), "weights")
    return context.figure(
        "softmax-weights",
        "What softmax regression looks for",
        "Dark where ink speaks for the digit, white where it speaks against it, grey where it "
        "says nothing.",
        draw_gallery,
        _to_pictures(weights),
        [str(d) for d in range(10)],
        5,
    )


def _show_units(context: ChapterContext) -> Part:
    (weights,) = context.open(name_fit("mlp", "numpy"), "weights")
    strongest = np.argsort(-np.abs(weights).sum(axis=0))[:UNITS]
    return context.figure(
        "hidden-weights",
        "What hidden units look for",
        f"The {UNITS} units with the largest weights of {weights.shape[1]}: pieces of strokes, "
        f"not digits.",
        draw_gallery,
        _to_pictures(weights[:, strongest]),
        [""] * UNITS,
        8,
    )


def _show_filters(context: ChapterContext) -> Part:
    (filters,) = context.open(NETWORK, "filters")
    channels = filters.shape[2]
    small = _to_shades(filters.reshape(-1, channels)).T.reshape(channels, 3, 3)
    return context.figure(
        "filters",
        "What the first convolution looks for",
        f"All {channels} filters of 3x3 pixels: edges of one direction, their ends and lines. "
        "An MLP's units, above, each learn the whole image anew.",
        draw_gallery,
        np.kron(small, np.ones((1, 8, 8), np.uint8)),
        [""] * channels,
        8,
    )


def _to_pictures(weights: np.ndarray) -> np.ndarray:
    """Turn columns (784, k) into uint8 images (k, 28, 28): 0 becomes the middle grey."""
    return _to_shades(weights).T.reshape(-1, 28, 28)


def _to_shades(weights: np.ndarray) -> np.ndarray:
    """Turn columns of weights into uint8, 0 into the middle grey."""
    # The few largest would leave the others grey.
    scale = np.quantile(np.abs(weights), 0.995, axis=0)
    shares = (weights / np.maximum(scale, 1e-12)).clip(-1, 1)
    return np.rint(127.5 + 127.5 * shares).astype(np.uint8)
