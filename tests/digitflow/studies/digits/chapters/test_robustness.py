"""What is said of robustness is what was found."""

import numpy as np
import pytest

from digitflow.studies.chapter import Table
from digitflow.studies.digits.algorithms import ALGORITHMS
from digitflow.studies.digits.experiments.robustness import ALTERATIONS
from digitflow.studies.plan import Findings


@pytest.fixture
def found(store):
    """All algorithms read 90 % of everything; the tree half of it, and noise hurts all."""

    def read(name):
        share = 0.5 if name == "tree" else 0.9
        accuracy = {each: [share] * len(chosen.levels) for each, chosen in ALTERATIONS.items()}
        accuracy["noise"] = [0.9, 0.4, 0.3, 0.2, 0.1]
        return Findings(values={"accuracy": accuracy, "images": 400})

    images = np.zeros((5, 20, 28, 28), np.uint8)
    arrays = {
        "images": store.put_array(images),
        "labels": store.put_array(np.arange(20, dtype=np.uint8) % 10),
    }
    altered = {f"alter by {name}": Findings(arrays=arrays) for name in ALTERATIONS}
    return altered | {f"read by {name}": read(name) for name in ALGORITHMS}


def test_who_keeps_least_what_does_most_harm_and_every_level_are_said(compose, found):
    chapter = compose("robustness", found)
    first, second = chapter.findings
    # Seven alterations at 90 or 50 %, and the mean of the four levels of noise, 25 %.
    kept, tree = (7 * 90 + 25) / 8, (7 * 50 + 25) / 8
    assert first.startswith(
        f"Over all alterations logistic keeps most ({kept:.1f} % read right)"
    )
    assert first.endswith(f"tree least ({tree:.1f} %).")
    assert second.startswith("Noise does most harm: 25.0 % are still read right")
    (table,) = (part for part in chapter.parts if isinstance(part, Table))
    levels = sum(len(chosen.levels) for chosen in ALTERATIONS.values())
    assert len(table.rows) == levels * len(ALGORITHMS)
    assert ("noise", ALTERATIONS["noise"].unit, 30.0, "svm", 0.4) in table.rows
