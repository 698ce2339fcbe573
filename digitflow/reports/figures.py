"""The pictures of a run, drawn from what is stored and stored again."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from digitflow.data.sets import ImageSet
from digitflow.evaluation.mistakes import find_mistakes
from digitflow.evaluation.scoring import Evaluation
from digitflow.evaluation.selective import trace_risk
from digitflow.reports import plots
from digitflow.store.artifacts import FileRef, Store


class Figures(BaseModel):
    """The pictures of a run, PNG: samples, confusions, errors, worst mistakes, risk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: FileRef
    confusion: FileRef
    errors: FileRef
    mistakes: FileRef
    risk: FileRef


def draw_figures(
    root: Path, train: ImageSet, validation: ImageSet, evaluation: Evaluation, coverage: float
) -> Figures:
    """Draw samples of `train`, and what a model got wrong on the images of `validation`.

    Parameters
    ----------
    root : Path
        The store's folder; this runs in a process of its own.
    coverage : float
        Share of the images that the model is to answer, 0 to 1.
    """
    store = Store(root)
    images, labels = store.open_array(validation.images), store.open_array(validation.labels)
    probabilities = store.open_array(evaluation.probabilities)
    found = find_mistakes(labels, probabilities)
    curve = trace_risk(labels, probabilities)
    counts = evaluation.metrics.confusion
    pictures = {
        "samples": plots.draw_samples(
            store.open_array(train.images), store.open_array(train.labels)
        ),
        "confusion": plots.draw_confusion(counts),
        "errors": plots.draw_errors(counts),
        "mistakes": plots.draw_mistakes(
            images[found.rows], labels[found.rows], found.predicted, found.probability
        ),
        "risk": plots.draw_risk_coverage(curve.coverage, curve.risk, coverage),
    }
    return Figures(
        **{name: store.put_bytes(png, "figures", ".png") for name, png in pictures.items()}
    )
