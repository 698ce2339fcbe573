"""Is a regression good enough, whatever the champion is?"""

from collections.abc import Iterator

from digitflow.config.gate import RegressionLimits
from digitflow.evaluation.evidence import Evidence
from digitflow.evaluation.regression import measure_values
from digitflow.formatting import format_figure
from digitflow.gate.check import Check


def run(evidence: Evidence, limits: RegressionLimits, seed: int) -> list[Check]:
    """Hold RMSE and R2 on the test samples to `max_error.max_rmse` and `max_error.min_r2`."""
    return list(_ask(evidence, limits))


def _ask(evidence: Evidence, limits: RegressionLimits) -> Iterator[Check]:
    test, rules = evidence.test, limits.max_error
    found = measure_values(test.targets, test.challenger, test.unit)
    rmse = format_figure("RMSE", found.rmse, test.unit)
    if rules.max_rmse is not None:
        held = found.rmse <= rules.max_rmse
        limit = format_figure("RMSE", rules.max_rmse, test.unit)
        yield Check(
            id="max_error.max_rmse",
            slice="test",
            n=found.n,
            challenger=found.rmse,
            interval=found.interval,
            limit=rules.max_rmse,
            verdict="pass" if held else "fail",
            detail=f"the RMSE on {found.n:,} test samples is {rmse}, "
            f"{'at or under' if held else 'over'} the limit of {limit}",
        )
    explained = found.r2 >= rules.min_r2
    yield Check(
        id="max_error.min_r2",
        slice="test",
        n=found.n,
        challenger=found.r2,
        limit=rules.min_r2,
        verdict="pass" if explained else "fail",
        detail=f"the RMSE on {found.n:,} test samples is {rmse}; {found.r2:.4f} of the "
        f"variance is explained, {'at or above' if explained else 'under'} the least of "
        f"{rules.min_r2:g}",
    )
