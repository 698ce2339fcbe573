"""Has the data drifted? A window of predictions against limits found by drawing clean ones."""

from dataclasses import dataclass

import numpy as np

from digitflow.errors import InputError
from digitflow.models.bundle import Reference
from digitflow.monitoring.measures import DescribedWindow, DriftMeter
from digitflow.monitoring.reference import describe_samples, open_reference
from digitflow.store.artifacts import Store
from digitflow.store.references import Record

DRAWS = 2000
# Of a measure that hardly ever moves, as the confidence of a model that is always certain:
# one that does would else be so many spreads away that no other had a limit.
LEAST_SPREAD = 0.01
RARE = 1000


class Limits(Record):
    """From where on each measure alarms, for windows of one size.

    Attributes
    ----------
    size : int
        Samples of a window.
    limits : dict of str to float
        By `DriftMeter.measures`; a window alarms where any measure is above its own.
    clean : dict of str to float
        The median of clean windows.
    false_alarms : float
        The share of the drawn clean windows that alarm.
    """

    size: int
    limits: dict[str, float]
    clean: dict[str, float]
    false_alarms: float


def calibrate_limits(
    store: Store,
    reference: Reference,
    size: int,
    rate: float,
    least_psi: float,
    least_auc: float,
    seed: int,
    threads: int = 1,
) -> Limits:
    """Draw clean windows from a reference; set limits that so few of them pass.

    Each measure is as many of its own spreads from its median as the others are, where it
    alarms: none has more of the false alarms than another.

    Parameters
    ----------
    size : int
        Samples of a window.
    rate : float
        Share of clean windows that may alarm, by all measures together.
    least_psi, least_auc : float
        Smaller effects never count, however sure they are.
    """
    from threadpoolctl import threadpool_limits

    meter = DriftMeter(open_reference(store, reference))
    generator = np.random.default_rng([seed, size])
    with threadpool_limits(threads):
        drawn = [_draw(meter, size, generator) for _ in range(DRAWS)]
    effects = np.array([list(found.values()) for found in drawn])
    median = np.median(effects, axis=0)
    spread = np.maximum(np.quantile(effects, 0.95, axis=0) - median, LEAST_SPREAD)
    worst = ((effects - median) / spread).max(axis=1)
    reach = np.quantile(worst, 1 - rate, method="higher")
    least = np.array([least_auc if name == "domain" else least_psi for name in meter.measures])
    limits = np.maximum(median + reach * spread, least)
    return Limits(
        size=size,
        limits=dict(zip(meter.measures, limits.tolist(), strict=True)),
        clean=dict(zip(meter.measures, median.tolist(), strict=True)),
        false_alarms=float((effects > limits).any(axis=1).mean()),
    )


def _draw(meter: DriftMeter, size: int, generator: np.random.Generator) -> dict[str, float]:
    """Measure a clean window: drawn from one half of the reference, compared with the other.

    Compared with what it was drawn from, it would be nearer than any new image can be.
    """
    rows, drawn = _halve(meter.rows, size, generator)
    read, said = _halve(meter.read, size, generator)
    return meter.measure(meter.describe_rows(drawn, said), rows, read)


def _halve(
    count: int, size: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return one half of so many rows, and `size` rows of the other."""
    order = generator.permutation(count)
    one, other = order[: count // 2], order[count // 2 :]
    return one, other[:size] if size <= len(other) else generator.choice(other, size)


def measure_distances(
    store: Store, reference: Reference, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Tell of each picture by itself how far it is from what a model learnt from.

    Of each statistic how far it is from the median, by how far the rarest learnt images are
    on that side; the farthest statistic counts.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8

    Returns
    -------
    distances : ndarray of shape (n,)
        1 is as far as the farthest of `RARE` learnt images; more is farther.
    columns : ndarray of shape (n,), integer
        Which statistic that is, a place in `COLUMNS`.
    """
    known = open_reference(store, reference)
    low, median, high = np.quantile(known.statistics, (1 / RARE, 0.5, 1 - 1 / RARE), axis=0)
    reach = np.maximum(np.stack([median - low, high - median]), LEAST_SPREAD)

    def scale(statistics: np.ndarray) -> np.ndarray:
        beyond = statistics - median
        return np.abs(beyond) / np.where(beyond < 0, reach[0], reach[1])

    # Of several statistics one is rare more often than each.
    usual = np.quantile(scale(known.statistics).max(axis=1), 1 - 1 / RARE)
    found = scale(describe_samples(images, known)[0]) / usual
    return found.max(axis=1), found.argmax(axis=1)


UNITS = {"domain": "area under the ROC curve"}
PSI_UNIT = "population stability index"


@dataclass(frozen=True)
class OpenWindow:
    """The arrays of a `PredictionWindow`, in any order.

    Attributes
    ----------
    samples : ndarray of shape (n, 28, 28), uint8, or (n,), structured
    predicted : ndarray of shape (n,), float64
        Numbers of classes, or values.
    confidence : ndarray of shape (n,), float, or None
        The probability of a class; None for values.
    """

    samples: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray | None


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

    size: int
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
    store: Store, reference: Reference, limits: Limits, window: OpenWindow, seed: int
) -> DriftResult:
    """Compare a window with the reference, measure by measure.

    Raises
    ------
    InputError
        If the window has another size than the limits are for.
    """
    if len(window.samples) != limits.size:
        raise InputError(
            f"the limits are for windows of {limits.size} samples, got {len(window.samples)}"
        )
    meter = DriftMeter(open_reference(store, reference))
    generator = np.random.default_rng(seed)
    # Neighbours in time are alike: in order, a fold of the classifier would be one writer.
    order = generator.permutation(limits.size)
    described = DescribedWindow(
        *describe_samples(window.samples[order], meter.reference),
        window.predicted[order],
        None if window.confidence is None else window.confidence[order],
    )
    rows, read = (generator.permutation(count) for count in (meter.rows, meter.read))
    effects = meter.measure(described, rows, read)
    return DriftResult(
        size=limits.size,
        findings=tuple(
            Finding(
                measure=name,
                unit=UNITS.get(name, PSI_UNIT),
                value=effects[name],
                limit=limits.limits[name],
                clean=limits.clean[name],
                alarm=effects[name] > limits.limits[name],
            )
            for name in meter.measures
        ),
    )
