"""Can the probabilities be believed, and as far as the champion's?"""

from collections.abc import Iterator

from digitflow.config.gate import ClassificationLimits
from digitflow.evaluation.comparison import Difference, compare_calibration, make_bootstrap
from digitflow.evaluation.evidence import Evidence
from digitflow.evaluation.metrics import measure_calibration
from digitflow.gate.check import Answer, Check

NAMES = {"ece": "calibration error", "brier": "Brier score", "log_loss": "log loss"}


def run(evidence: Evidence, limits: ClassificationLimits, seed: int) -> list[Check]:
    """Hold ECE, Brier score and log loss to a limit, and to the champion's by a margin."""
    test = evidence.test
    figures = measure_calibration(test.targets, test.challenger)
    checks = list(_check_limits(figures, len(test.targets), limits))
    if test.champion is None:
        return checks
    drawn = make_bootstrap(limits.better, seed)
    compared = compare_calibration(
        test.targets, test.challenger, test.champion, test.writers, drawn
    )
    return [*checks, *(_check_margin(name, compared[name], limits) for name in NAMES)]


def _check_limits(
    figures: dict[str, float], n: int, limits: ClassificationLimits
) -> Iterator[Check]:
    for name, words in NAMES.items():
        figure, limit = figures[name], getattr(limits.calibration, f"max_{name}")
        held = figure <= limit
        place = "at or under" if held else "over"
        yield Check(
            id=f"calibration.max_{name}",
            slice="test",
            n=n,
            challenger=figure,
            limit=limit,
            verdict="pass" if held else "fail",
            detail=f"the {words} is {figure:.4f}, {place} {limit:g}",
        )


def _check_margin(name: str, found: Difference, limits: ClassificationLimits) -> Check:
    margin = getattr(limits.calibration, f"{name}_margin")
    verdict, word = _answer(found, margin)
    figures = f"{found.challenger:.4f}, the champion's {found.champion:.4f}"
    detail = f"the {NAMES[name]} is {figures}: {word}"
    return Check.compare(
        f"calibration.{name}_margin", "test", found, verdict, detail, limit=margin
    )


def _answer(found: Difference, margin: float) -> tuple[Answer, str]:
    if found.delta > margin:
        return "fail", f"higher by more than {margin:g}"
    if found.upper <= margin:
        return "pass", f"not higher by more than {margin:g}"
    return "insufficient", f"{found.n:,} samples can't rule out more than {margin:g} above it"
