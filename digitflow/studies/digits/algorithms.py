"""The algorithms that the studies compare, each fitted once and shared by all sections."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from pydantic import Field
from scipy.special import softmax
from sklearn.pipeline import Pipeline

from digitflow.catalogue import ESTIMATORS
from digitflow.models.building import build_estimator
from digitflow.models.persistence import dump_model, load_model
from digitflow.models.predicting import predict_in_chunks
from digitflow.store.references import Record
from digitflow.studies.digits.data import PARTS, Split, plan_features
from digitflow.studies.plan import Experiment, ExperimentContext, Findings, plan_experiment


class Algorithm(Record):
    """An estimator of the catalogue, the recipe it learns from, and its parameters."""

    estimator: str
    recipe: str
    params: dict[str, Any] = Field(default_factory=dict)

    def learn_from(self, features: str) -> dict[str, Any]:
        """Return what its fit on the features of an experiment is given."""
        return {"estimator": self.estimator, "params": self.params, "features": features}


ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(
    {
        "logistic": Algorithm(estimator="logistic", recipe="scaled"),
        "knn": Algorithm(estimator="knn", recipe="pixels"),
        # On 60 components: on 784 pixels it takes ten times as long and reads no better.
        "svm": Algorithm(
            estimator="svm", recipe="components", params={"C": 5.0, "gamma_scale": 1.0}
        ),
        "mlp": Algorithm(estimator="mlp", recipe="scaled"),
        "tree": Algorithm(estimator="tree", recipe="pixels"),
        "forest": Algorithm(estimator="forest", recipe="pixels"),
        "extra-trees": Algorithm(estimator="extra_trees", recipe="pixels"),
        "boosting": Algorithm(estimator="boosting", recipe="pixels"),
    }
)


def plan_model(algorithm: str, split: Split = "own") -> tuple[Experiment, Experiment]:
    """Return the experiments that prepare one of `ALGORITHMS`' features and fit it on them."""
    return plan_fit(algorithm, ALGORITHMS[algorithm], split)


def plan_fit(
    name: str, chosen: Algorithm, split: Split = "own"
) -> tuple[Experiment, Experiment]:
    """Return the same of any algorithm; equal ones of equal names are one experiment."""
    features = plan_features(chosen.recipe, split)
    called = f"model {name}" + ("" if split == "own" else f" on {split}")
    given = chosen.learn_from(features.name)
    fit = plan_experiment(called, fit_model, features.name, algorithm=name, **given)
    return features, fit.select(ESTIMATORS.module(chosen.estimator))


def predict_probabilities(classifier: Any, rows: np.ndarray) -> np.ndarray:
    """Return probabilities (n, k), float32; of an SVM the softmax of its classes' scores."""
    if hasattr(classifier, "predict_proba"):
        return predict_in_chunks(classifier, rows).astype(np.float32)
    scores = classifier.decision_function(rows)
    return np.asarray(softmax(scores, axis=1), np.float32)


def fit_model(
    context: ExperimentContext,
    algorithm: str,
    estimator: str,
    params: Mapping[str, Any],
    features: str,
) -> Findings:
    """Fit an estimator on the training features; predict the test images.

    Returns
    -------
    Findings
        values "algorithm", "accuracy", "n"; arrays "predicted" and "labels" uint8 (n,),
        "probabilities" float32 (n, 10); models "model": a pipeline from images to labels;
        measured "fit_seconds", "predict_seconds".
    """
    given = context.given[features]
    train, labels, test, truth = context.open(features, *PARTS)
    classifier = build_estimator(estimator, params, context.seed, context.threads)
    with context.timed("fit"):
        classifier.fit(train, labels)
    with context.timed("predict"):
        probabilities = predict_probabilities(classifier, test)
        predicted = classifier.classes_[probabilities.argmax(axis=1)]
    recipe = load_model(given.models["recipe"], context.store)
    pipeline = Pipeline([*recipe.steps, ("classifier", classifier)])
    return Findings(
        values={
            "algorithm": algorithm,
            "accuracy": float(np.mean(predicted == truth)),
            "n": len(truth),
        },
        arrays=context.keep(predicted=predicted, probabilities=probabilities)
        | {"labels": given.arrays["test_labels"]},
        models={"model": dump_model(pipeline, context.store)},
    )
