"""What mypy says of a flow's wiring: `make lint` checks this file, and nothing runs it.

Each comment is an error that mypy must see: one that it no longer sees is an unused comment,
which is an error too.
"""

from digitflow.data.sets import SampleSet
from digitflow.store.references import ModelRef
from tasks.judging import find_champion, score_on_test
from tasks.wiring import value_of


def wire(model: ModelRef, samples: SampleSet) -> None:
    """Hand on what the tasks take."""
    future = score_on_test.submit(model, samples)
    value: float = future.result().score.value
    find_champion("digits")

    score_on_test.submit(samples, model)  # type: ignore[call-overload]
    score_on_test(model)  # type: ignore[call-overload]
    find_champion(value)  # type: ignore[call-overload]
    find_champion(future.result().score.hits)  # type: ignore[attr-defined]
    score_on_test.submit(model, value_of(future))  # type: ignore[call-overload]
