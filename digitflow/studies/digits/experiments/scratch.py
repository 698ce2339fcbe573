"""Section `scratch`: models in numpy alone, side by side with scikit-learn's."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from digitflow.catalogue import ESTIMATORS
from digitflow.errors import InputError
from digitflow.images.frame import SIDE
from digitflow.models.building import build_estimator
from digitflow.models.convolution.network import TrainedNetwork
from digitflow.models.convolution.shapes import NetworkShape, draw_values
from digitflow.models.numpy_networks import Layer, compute_gradient, compute_loss, draw_weights
from digitflow.studies.digits.data import PARTS, plan_features
from digitflow.studies.plan import ExperimentContext, Findings, Plan, plan_experiment
from digitflow.studies.scope import DigitsScope

KINDS = ("softmax", "mlp")
MAKERS = ("numpy", "scikit-learn")
FEATURES = "scaled"
# Numerical slopes take two losses a weight: some of them, on some images.
CHECKED_WEIGHTS, CHECKED_IMAGES = 40, 64
HIDDEN = {"softmax": (), "mlp": (128,)}
# The convolutional network sees the images themselves; its slopes are tried on a smaller one
# of its kind, in which a difference is soon computed.
PIXELS, NETWORK, NETWORK_SLOPES = "raw", "network by numpy", "gradient of network"
TRIED_BLOCKS, TRIED_IMAGES = ((4,), (6, 6)), 8
# Passes that show it about 100,000 images, and at most so many.
SHOWN_IMAGES, MOST_PASSES = 100_000, 12
# Of fewer images there are too few steps for large ones.
CAREFUL = {"batch_size": 64, "learning_rate": 0.1}


def plan(scope: DigitsScope) -> Plan:
    """Return the features, a check of each model's gradient, and five fits."""
    features, pixels = plan_features(FEATURES), plan_features(PIXELS)
    network = (
        plan_experiment(NETWORK_SLOPES, check_network_slopes, pixels.name),
        plan_experiment(NETWORK, fit_network, pixels.name).select(ESTIMATORS.module("cnn")),
    )
    checks = (
        plan_experiment(f"gradient of {kind}", check_slopes, features.name, kind=kind)
        for kind in KINDS
    )
    fits = (
        plan_experiment(name_fit(kind, maker), fit_model, features.name, kind=kind, maker=maker)
        for kind in KINDS
        for maker in MAKERS
    )
    return (features, pixels, *checks, *fits, *network)


def name_fit(kind: str, maker: str) -> str:
    """Return what the experiment is called."""
    return f"{kind} by {maker}"


def check_slopes(context: ExperimentContext, kind: str) -> Findings:
    """Compare the gradient with central differences, in float64, on real images.

    Returns
    -------
    Findings
        values "worst": the largest relative difference; "images", "weights" (of each array).
    """
    rows, labels = context.open(f"features {FEATURES}", "train", "train_labels")
    chosen = np.random.default_rng(context.seed).permutation(len(rows))[:CHECKED_IMAGES]
    features = rows[np.sort(chosen)].astype(np.float64)
    places = labels[np.sort(chosen)].astype(int)
    generator = np.random.default_rng(context.seed)
    layers = draw_weights((features.shape[1], *HIDDEN[kind], 10), generator, np.float64)
    # Zeros at the end would leave nothing for the layers before it.
    layers[-1][0][...] = 0.1 * generator.standard_normal(layers[-1][0].shape)
    worst = check_gradient(layers, features, places, 1.0, CHECKED_WEIGHTS, generator)
    return Findings(
        values={"worst": float(worst), "images": len(places), "weights": CHECKED_WEIGHTS}
    )


def check_gradient(
    layers: Sequence[Layer],
    rows: np.ndarray,
    places: np.ndarray,
    decay: float,
    checked: int,
    generator: np.random.Generator,
    step: float = 1e-5,
) -> float:
    """Compare the gradient with central differences at some weights.

    Parameters
    ----------
    layers : sequence of (matrix, bias)
        Float64; they are put back as they were.
    checked : int
        Numbers of each matrix and bias that are tried, at most.

    Returns
    -------
    float
        The largest |difference| over the larger of the two, or over 1e-6 where both are
        smaller than that.
    """
    _, gradients = compute_gradient(layers, rows, places, decay)
    worst = 0.0
    for layer, gradient in zip(layers, gradients, strict=True):
        for values, slopes in zip(layer, gradient, strict=True):
            flat, expected = values.reshape(-1), slopes.reshape(-1)
            for place in generator.permutation(flat.size)[:checked]:
                kept = flat[place]
                flat[place] = kept + step
                above = compute_loss(layers, rows, places, decay)
                flat[place] = kept - step
                below = compute_loss(layers, rows, places, decay)
                flat[place] = kept
                slope = (above - below) / (2 * step)
                size = max(abs(slope), abs(expected[place]), 1e-6)
                worst = max(worst, abs(slope - expected[place]) / size)
    return worst


def fit_model(context: ExperimentContext, kind: str, maker: str) -> Findings:
    """Fit one of the four; judge it on the test images.

    Returns
    -------
    Findings
        values "accuracy", "epochs", "losses" (mean cross-entropy of each epoch, with
        scikit-learn's MLP its penalty too; None of its logistic regression, which goes by
        all images at once); arrays "weights" float32 (784, units) of the first layer;
        measured "fit_seconds", "predict_seconds".
    """
    rows, labels, test, truth = context.open(f"features {FEATURES}", *PARTS)
    model = build_model(kind, maker, context.seed, context.threads)
    hits = context.fit_and_predict(model, rows, labels, test) == truth
    losses = getattr(model, "loss_curve_", None)
    first = model.coef_.T if hasattr(model, "coef_") else model.coefs_[0]
    return Findings(
        values={
            "accuracy": float(hits.mean()),
            "epochs": int(np.max(model.n_iter_)),
            "losses": None if losses is None else [float(loss) for loss in losses],
        },
        arrays=context.keep(weights=np.asarray(first, np.float32)),
    )


def check_network_slopes(context: ExperimentContext) -> Findings:
    """Compare a convolutional network's slopes with differences, in float64, on real images.

    Returns
    -------
    Findings
        As those of `check_slopes`; the weights are of all layers together.
    """
    rows, labels = context.open(f"features {PIXELS}", "train", "train_labels")
    generator = np.random.default_rng(context.seed)
    chosen = np.sort(generator.permutation(len(rows))[:TRIED_IMAGES])
    shape = NetworkShape.of((SIDE, SIDE), TRIED_BLOCKS, 10)
    values = draw_values(shape, generator, np.float64)
    images = np.array(rows[chosen]).reshape(-1, SIDE, SIDE)
    targets = np.eye(10)[labels[chosen].astype(int)]
    worst = compare_slopes(
        TrainedNetwork(shape, values, len(images)),
        values.flat,
        images,
        targets,
        generator.permutation(values.flat.size)[:CHECKED_WEIGHTS],
    )
    return Findings(values={"worst": worst, "images": len(images), "weights": CHECKED_WEIGHTS})


def compare_slopes(
    network: TrainedNetwork,
    flat: np.ndarray,
    images: np.ndarray,
    targets: np.ndarray,
    tried: np.ndarray,
    step: float = 1e-6,
) -> float:
    """Compare slopes of a network's mean loss with central differences at some weights.

    Parameters
    ----------
    flat : ndarray of shape (p,), float64
        All that the network learns; it is put back as it was.
    tried : ndarray of shape (m,)
        Places in it.

    Returns
    -------
    float
        The largest |difference| over the larger of the two, or over 1e-4 where both are
        smaller than that: losses differ in their last digits.
    """
    share, worst = 1 / len(images), 0.0
    network.compute_slopes(images, targets, share)
    expected = network.slopes.flat.copy()
    for place in tried:
        kept = flat[place]
        flat[place] = kept + step
        above = network.compute_slopes(images, targets, share)
        flat[place] = kept - step
        below = network.compute_slopes(images, targets, share)
        flat[place] = kept
        slope = (above - below) / (2 * step)
        size = max(abs(slope), abs(expected[place]), 1e-4)
        worst = max(worst, abs(slope - expected[place]) / size)
    return worst


def fit_network(context: ExperimentContext) -> Findings:
    """Fit the convolutional network; judge it on the test images.

    Returns
    -------
    Findings
        values "accuracy", "epochs", "losses" (mean cross-entropy of each epoch over altered
        copies); arrays "filters" float32 (3, 3, channels) of the first convolution; measured
        "fit_seconds", "predict_seconds".
    """
    rows, labels, test, truth = context.open(f"features {PIXELS}", *PARTS)
    epochs = min(max(2, round(SHOWN_IMAGES / len(rows))), MOST_PASSES)
    steps = CAREFUL if epochs == MOST_PASSES else {}
    params = {"epochs": epochs, **steps}
    model = build_estimator("cnn", params, context.seed, context.threads)
    hits = context.fit_and_predict(model, rows, labels, test) == truth
    return Findings(
        values={
            "accuracy": float(hits.mean()),
            "epochs": epochs,
            "losses": [float(loss) for loss in model.loss_curve_],
        },
        arrays=context.keep(filters=model.filters_[0].reshape(3, 3, -1)),
    )


def build_model(kind: str, maker: str, seed: int, threads: int) -> Any:
    """Return an unfitted model: ours from the catalogue, or scikit-learn's like it."""
    ours = build_estimator(f"scratch_{kind}", {}, seed, threads)
    if maker == "numpy":
        return ours
    if kind == "softmax":
        from sklearn.linear_model import LogisticRegression

        # Its C is the inverse of our penalty; it goes by all images at once.
        return LogisticRegression(C=1 / ours.alpha, max_iter=300, tol=1e-3, random_state=seed)
    if kind == "mlp":
        from sklearn.neural_network import MLPClassifier

        shared = ("hidden_layer_sizes", "alpha", "batch_size", "max_iter", "random_state")
        return MLPClassifier(
            learning_rate_init=ours.learning_rate,
            **{name: getattr(ours, name) for name in shared},
        )
    raise InputError(f"the models from scratch are {', '.join(KINDS)}, not {kind!r}")
