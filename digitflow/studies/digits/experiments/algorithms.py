"""Section `algorithms`: eight of them, on the source's own split and on 80/20."""

from typing import Any

import numpy as np

from digitflow.studies.digits.algorithms import ALGORITHMS, plan_model
from digitflow.studies.digits.data import Split
from digitflow.studies.plan import (
    Experiment,
    ExperimentContext,
    Findings,
    Plan,
    plan_experiment,
)
from digitflow.studies.scope import DigitsScope

CLASSES = 10
SPLITS: tuple[Split, ...] = ("own", "80/20")


def plan(scope: DigitsScope) -> Plan:
    """Return for each algorithm and split: features, fit, what it got right and wrong."""
    planned: list[Experiment] = []
    for split in SPLITS:
        for algorithm in ALGORITHMS:
            features, fit = plan_model(algorithm, split)
            name = name_judgement(algorithm, split)
            judgement = plan_experiment(name, judge_model, fit.name, model=fit.name)
            planned += (features, fit, judgement)
    return tuple(planned)


def name_judgement(algorithm: str, split: Split) -> str:
    """Return what the experiment is called that judges an algorithm on a split."""
    return f"judge {algorithm} on {split}"


def judge_model(context: ExperimentContext, model: str) -> Findings:
    """Measure a model's answers to its test images.

    Returns
    -------
    Findings
        values: "accuracy", "f1" (macro); "classes", a dict a digit of precision, recall, f1
        and support; "counts" (10 x 10, a row a true digit), "by_row" and "by_column" (shares
        of the true, of the predicted digit), "errors_by_row" and "errors_by_column" (the
        same of the errors alone); "binary" (10 x 2 x 2), a digit against the rest.
    """
    from sklearn.metrics import (
        accuracy_score,
        classification_report,
        confusion_matrix,
        multilabel_confusion_matrix,
    )

    truth, predicted = context.open(model, "labels", "predicted")
    digits = np.arange(CLASSES)
    report: dict[str, Any] = classification_report(
        truth, predicted, labels=digits, output_dict=True, zero_division=0
    )
    wrong = (truth != predicted).astype(float)

    def count(**options: Any) -> list[list[float]]:
        found = confusion_matrix(truth, predicted, labels=digits, **options)
        return np.nan_to_num(found).tolist()

    errors = {"sample_weight": wrong} if wrong.any() else {}
    return Findings(
        values={
            "accuracy": float(accuracy_score(truth, predicted)),
            "f1": float(report["macro avg"]["f1-score"]),
            "classes": [
                {key.removesuffix("-score"): value for key, value in report[str(digit)].items()}
                for digit in digits
            ],
            "counts": count(),
            "by_row": count(normalize="true"),
            "by_column": count(normalize="pred"),
            "errors_by_row": count(normalize="true", **errors),
            "errors_by_column": count(normalize="pred", **errors),
            "binary": multilabel_confusion_matrix(truth, predicted, labels=digits).tolist(),
        }
    )
