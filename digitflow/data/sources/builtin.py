"""The handwriting that comes with scikit-learn: 1,797 real digits, no network needed."""

from digitflow.config.data import BuiltinSource
from digitflow.data.handwriting import read_handwriting
from digitflow.data.sets import Digits, LabelledImages
from digitflow.store.lineage import installed_version


def fingerprint(source: BuiltinSource) -> str:
    """Return what changes when other digits would be read: scikit-learn's version."""
    return f"scikit-learn load_digits {installed_version('scikit-learn')}"


def load(source: BuiltinSource) -> Digits:
    """Return the digits in the MNIST frame; they have no writers and no test of their own.

    Returns
    -------
    Digits
        Training images uint8 (1797, 28, 28), labels uint8.
    """
    return Digits(
        train=LabelledImages(*read_handwriting()),
        test=None,
        origin="1,797 handwritten digits that come with scikit-learn, brought from 8x8 "
        "to the MNIST frame",
    )
