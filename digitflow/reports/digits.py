"""What the page of a training on images says beside: digits, doubts, photographs."""

from collections.abc import Mapping
from typing import Any

from digitflow.config.digits import DigitsConfig
from digitflow.data.inspection import Reason
from digitflow.data.sets import PreparedData
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.metrics import ClassificationMetrics, require_classes
from digitflow.evaluation.scoring import Winner
from digitflow.models.bundle import ModelBundle
from digitflow.store.artifacts import Store

# What was hard in each series of photographs.
DISTORTIONS = {
    "plain": "dark pen on white paper, from above",
    "perspective": "the sheet turned, and seen from aside",
    "shadow": "uneven light, with a hard edge",
    "texture": "grain and fibres of the paper",
    "ink-colour": "coloured pens and paper, chalk on a board",
    "all": "all of these at once",
}

# Why a row is set aside, in the words of the quarantine.
REASONS: Mapping[Reason, str] = {
    "unreadable": "no pixel is there, as of a damaged picture",
    "NaN pixel": "some pixels are missing",
    "out of range": "a pixel is below 0 or above 255",
    "not a whole number": "pixels are no whole numbers, as where they were scaled to 0..1",
    "unknown label": "the label is none of 0 to 9, or missing",
    "blank": "there is no ink",
    "inverted": "dark ink on a bright border",
    "duplicate of a test image": "equal to an image of the test set, which stays as it is",
    "conflicting duplicate": (
        "equal to another image with another label: nobody knows which is right, all go"
    ),
    "duplicate": "equal to an earlier image with the same label, which stays",
}


def describe_page(
    store: Store,
    config: DigitsConfig,
    data: PreparedData,
    winner: Winner,
    bundle: ModelBundle,
    others: Mapping[str, Share],
) -> dict[str, Any]:
    """Return what reports/digits.html.j2 needs beside a `RunReport`."""
    metrics = require_classes(winner.evaluation.metrics)
    return {
        "metrics": metrics,
        "taken_for": find_taken_for(metrics),
        "reject_option": bundle.reject_option,
        "typical": config.selective.typical,
        "photographs": others,
        "distortions": DISTORTIONS,
        "read": _count_read(store, data, winner),
    }


def _count_read(store: Store, data: PreparedData, winner: Winner) -> tuple[Share, ...]:
    """Count what the winner reads right of each part of a mix, in the validation images."""
    part = data.splits.validation
    if part.sources is None:
        return ()
    sources, labels = store.open_array(part.sources), store.open_array(part.targets)
    found = store.open_array(winner.evaluation.predictions).argmax(axis=1)
    rows = (sources == place for place in range(len(data.sources)))
    return tuple(
        Share(correct=int((found == labels)[mine].sum()), n=int(mine.sum())) for mine in rows
    )


def find_taken_for(metrics: ClassificationMetrics) -> dict[int, tuple[int, int]]:
    """Return for each misread digit what it was most often taken for, and how often."""
    found = {}
    for true, counts in enumerate(metrics.confusion):
        errors = [0 if digit == true else count for digit, count in enumerate(counts)]
        if any(errors):
            found[true] = (errors.index(max(errors)), max(errors))
    return found
