"""Which evidence a verdict takes, said once, and how it is asked for.

A run asks by tasks, which are cached and go on at once; `digitflow gate` and a comparison of
two versions ask here, in their own process.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from digitflow.config.gate import GateLimits, RobustnessLimits
from digitflow.data.sets import SampleSet
from digitflow.evaluation.evidence import Costs, EvidenceRefs, ScoredRefs, Share, TestResult
from digitflow.evaluation.robustness import score_altered
from digitflow.evaluation.scoring import measure_costs, score_on_test
from digitflow.models.bundle import LoadCheck, ModelBundle
from digitflow.models.golden import check_golden
from digitflow.store.artifacts import Store
from digitflow.store.references import ModelRef, Record

# Rounds of measuring costs that decide and are not steady.
MEASURED_AGAIN = 2


class Baseline(Record):
    """Whom a challenger is judged against: a champion, or any other version.

    `entry` is the history's by which it is champion, None for any other version.
    """

    version: str
    bundle: ModelBundle
    entry: int | None = None


class Challenger(NamedTuple):
    """Who is judged, on what.

    Attributes
    ----------
    bundle : ModelBundle
    test : SampleSet
        The frozen test samples.
    feedback : SampleSet or None
        Corrections that it has not learnt from, where there are any.
    fit_cpu_seconds : float or None
        What its training took; None where that is not known.
    """

    bundle: ModelBundle
    test: SampleSet
    feedback: SampleSet | None
    fit_cpu_seconds: float | None


class Ask(Protocol):
    """How evidence is asked for. Each method asks, and returns what waits for the answer.

    None is an answer that could not be had: no check takes it for a pass.
    """

    def score(
        self, who: str, on: str, model: ModelRef, images: SampleSet
    ) -> Callable[[], TestResult]:
        """Let a model predict for samples; `who` and `on` say in words which."""

    def alter(
        self, model: ModelRef, test: SampleSet, limits: RobustnessLimits, seed: int
    ) -> Callable[[], dict[str, Share] | None]:
        """Let a model read altered test images."""

    def load(self, bundle: ModelBundle) -> Callable[[], LoadCheck | None]:
        """Let a fresh process repeat the golden predictions."""

    def time(
        self, models: tuple[ModelRef, ...], test: SampleSet
    ) -> Callable[[], list[Costs] | None]:
        """Measure what models cost, in turns."""


@dataclass(frozen=True)
class AskHere:
    """Whatever is asked for is computed in this process, when it is waited for."""

    store: Store
    threads: int

    def score(
        self, who: str, on: str, model: ModelRef, images: SampleSet
    ) -> Callable[[], TestResult]:
        """Let a model predict for samples."""
        return partial(score_on_test, self.store, model, images, self.threads)

    def alter(
        self, model: ModelRef, test: SampleSet, limits: RobustnessLimits, seed: int
    ) -> Callable[[], dict[str, Share]]:
        """Let a model read altered test images."""
        names = tuple(limits.floors)
        return partial(
            score_altered, self.store, model, test, names, limits.images, seed, self.threads
        )

    def load(self, bundle: ModelBundle) -> Callable[[], LoadCheck]:
        """Let a fresh process repeat the golden predictions."""
        return partial(check_golden, self.store, bundle.model, bundle.golden)

    def time(self, models: tuple[ModelRef, ...], test: SampleSet) -> Callable[[], list[Costs]]:
        """Measure what models cost."""
        return partial(measure_costs, self.store, models, test)


def collect_evidence(
    ask: Ask, challenger: Challenger, baseline: Baseline | None, limits: GateLimits, seed: int
) -> EvidenceRefs:
    """Collect what the gate's checks ask for; nothing more of a champion judged again."""
    model, test = challenger.bundle.model, challenger.test
    other = None if baseline is None else baseline.bundle.model
    scored = _score_both(ask, model, baseline, test, "test")
    if other is not None and other.digest == model.digest:
        return EvidenceRefs(test=scored())
    loads = ask.load(challenger.bundle)
    alterations = limits.find_alterations()
    altered = None if alterations is None else ask.alter(model, test, alterations, seed)
    feedback = challenger.feedback
    said = None if feedback is None else _score_both(ask, model, baseline, feedback, "feedback")
    refs = EvidenceRefs(
        test=scored(),
        feedback=None if said is None else said(),
        robustness=(altered and altered()) or {},
        loads=loads(),
        intervals=challenger.bundle.intervals,
    )
    # Alone at last: what is timed must not share the machine.
    measure = ask.time((model,) if other is None else (model, other), test)
    ours, *theirs = _measure_well(measure, limits.budgets.latency_p95_ms) or (None,)
    return refs.model_copy(
        update={
            "costs": ours and ours.complete(refs.loads, challenger.fit_cpu_seconds),
            "champion_costs": theirs[0] if theirs else None,
        }
    )


def _measure_well(
    measure: Callable[[], list[Costs] | None], budget: float
) -> list[Costs] | None:
    """Measure costs; again, where it decides and a busy machine left doubts."""
    costs = measure()
    for _ in range(MEASURED_AGAIN):
        if not costs or costs[0].steady or costs[0].latency_p95_ms <= budget:
            break
        again = measure()
        costs = again and [one.join(two) for one, two in zip(costs, again, strict=True)]
    return costs


def _score_both(
    ask: Ask, model: ModelRef, baseline: Baseline | None, images: SampleSet, on: str
) -> Callable[[], ScoredRefs]:
    """Let both models read the same samples, each with its own preprocessing."""
    ours, theirs = ask.score("challenger", on, model, images), None
    if baseline is not None:
        who = f"champion version {baseline.version}"
        theirs = ask.score(who, on, baseline.bundle.model, images)
    return lambda: ScoredRefs(
        samples=images, challenger=ours(), champion=None if theirs is None else theirs()
    )
