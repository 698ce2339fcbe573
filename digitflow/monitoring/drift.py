"""One look at what was predicted lately."""

from dataclasses import dataclass

import numpy as np

from digitflow.errors import InputError
from digitflow.models.bundle import Reference
from digitflow.monitoring.limits import Limits
from digitflow.monitoring.measures import MEASURES, Described, Ruler
from digitflow.monitoring.reference import describe_images, open_reference
from digitflow.store.artifacts import Store
from digitflow.store.references import Record

UNITS = {"domain": "area under the ROC curve"}
PSI_UNIT = "population stability index"


@dataclass(frozen=True)
class Window:
    """What was predicted lately, in random or any order.

    Attributes
    ----------
    images : ndarray of shape (n, 28, 28), uint8
    predicted : ndarray of shape (n,), integer
    confidence : ndarray of shape (n,), float
        The probability of what was read.
    """

    images: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray


class Finding(Record):
    """One measure of a window: how far, how far is too far, and how far is usual."""

    measure: str
    unit: str
    value: float
    limit: float
    clean: float
    alarm: bool


class DriftResult(Record):
    """What was found in a window; `drifted` where any finding alarms."""

    images: int
    findings: tuple[Finding, ...]

    @property
    def drifted(self) -> bool:
        """Whether any measure alarms."""
        return any(finding.alarm for finding in self.findings)

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """Those that alarm, the farthest beyond its limit first."""
        found = (finding for finding in self.findings if finding.alarm)
        return tuple(sorted(found, key=lambda finding: -finding.value / finding.limit))


def inspect_window(
    store: Store, reference: Reference, limits: Limits, window: Window, seed: int
) -> DriftResult:
    """Compare a window with the reference, measure by measure.

    Raises
    ------
    InputError
        If the window has another size than the limits are for.
    """
    if len(window.images) != limits.size:
        raise InputError(
            f"the limits are for windows of {limits.size} images, got {len(window.images)}"
        )
    ruler = Ruler(open_reference(store, reference))
    generator = np.random.default_rng(seed)
    # Neighbours in time are alike: in order, a fold of the classifier would be one writer.
    order = generator.permutation(limits.size)
    statistics, projected = describe_images(window.images[order], ruler.reference.components)
    described = Described(
        statistics, projected, window.predicted[order], window.confidence[order]
    )
    rows, read = (generator.permutation(count) for count in (ruler.rows, ruler.read))
    effects = ruler.measure(described, rows, read)
    return DriftResult(
        images=limits.size,
        findings=tuple(
            Finding(
                measure=name,
                unit=UNITS.get(name, PSI_UNIT),
                value=effects[name],
                limit=limits.limits[name],
                clean=limits.clean[name],
                alarm=effects[name] > limits.limits[name],
            )
            for name in MEASURES
        ),
    )
