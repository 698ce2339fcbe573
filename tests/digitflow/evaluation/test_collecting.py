"""Which evidence is asked for, of whom, and in which order; whoever is asked."""

import numpy as np
import pytest

from digitflow.config.gate import DigitsLimits
from digitflow.data.sets import SampleSet
from digitflow.evaluation.collecting import Baseline, Challenger, collect_evidence
from digitflow.evaluation.evidence import Costs, ScoredSet, Share, TestResult, score_predictions
from digitflow.models.bundle import Golden, LoadCheck, ModelBundle
from digitflow.store.references import ArrayRef, ModelRef

LIMITS = DigitsLimits()
READ = ScoredSet(np.array([1]), np.array([[0.0, 1.0]]), None)


def _array(digest):
    return ArrayRef(digest=digest, path=digest, bytes=1, dtype="uint8", shape=(1,))


def _images(digest):
    return SampleSet(samples=_array(digest), targets=_array(f"{digest} labels"))


def _bundle(digest):
    golden = Golden(
        samples=_array("golden"), predictions=_array("p"), libraries={}, machine="here"
    )
    model = ModelRef(digest=digest, path=digest, bytes=1)
    return ModelBundle(model=model, reject_option=None, golden=golden)


CHALLENGER = Challenger(_bundle("new"), _images("test"), _images("feedback"), 7.0)
CHAMPION = Baseline(version="3", bundle=_bundle("old"), entry=5)


class Asked:
    """Answers at once, and remembers what was asked and what was waited for."""

    def __init__(self, **missing):
        self.steps = []
        self.missing = missing

    def _ask(self, name, answer):
        self.steps.append(f"ask {name}")

        def wait():
            self.steps.append(f"wait {name}")
            return self.missing.get(name.split()[0], answer)

        return wait

    def score(self, who, on, model, images):
        score = score_predictions(model.digest, on, READ, READ.challenger)
        result = TestResult(score=score, predictions=_array(f"{model.digest} {on}"))
        return self._ask(f"score {who} on {on}", result)

    def alter(self, model, test, limits, seed):
        return self._ask(f"alter {model.digest}", {"noise": Share(correct=1, n=1)})

    def load(self, bundle):
        facts = {"exact": True, "n": 1, "labels_differ": 0, "largest_difference": 0.0}
        return self._ask(f"load {bundle.model.digest}", LoadCheck(**facts, memory_mb=90.0))

    def time(self, models, test):
        costs = [Costs(latency_ms=i, latency_p95_ms=i, bytes=i) for i, _ in enumerate(models)]
        return self._ask(f"time {' and '.join(model.digest for model in models)}", costs)


def test_both_models_read_the_same_images_and_only_the_challenger_is_tried_further():
    asked = Asked()
    refs = collect_evidence(asked, CHALLENGER, CHAMPION, LIMITS, 42)
    wanted = {step.removeprefix("ask ") for step in asked.steps if step.startswith("ask")}
    assert wanted == {
        "score challenger on test",
        "score champion version 3 on test",
        "score challenger on feedback",
        "score champion version 3 on feedback",
        "alter new",
        "load new",
        "time new and old",
    }
    assert refs.test.samples == CHALLENGER.test
    assert refs.feedback.champion.score.model_digest == "old"
    assert (refs.costs.latency_ms, refs.champion_costs.latency_ms) == (0, 1)
    assert (refs.costs.memory_mb, refs.costs.fit_cpu_seconds) == (90.0, 7.0)


def test_all_is_asked_at_once_but_the_costs_which_are_measured_alone():
    asked = Asked()
    collect_evidence(asked, CHALLENGER, CHAMPION, LIMITS, 42)
    kinds = [step.split()[0] for step in asked.steps]
    assert kinds == ["ask"] * 6 + ["wait"] * 6 + ["ask", "wait"]


class Hurried(Asked):
    """Measures a latency over its budget that is steady only at the last of some tries."""

    def __init__(self, *latencies):
        super().__init__()
        self.left = list(latencies)

    def time(self, models, test):
        def measure():
            latency = self.left.pop(0)
            facts = {"latency_ms": latency, "latency_p95_ms": latency, "bytes": 1}
            return [Costs(**facts, steady=not self.left) for _ in models]

        return measure


@pytest.mark.parametrize("latencies", [(90.0,), (90.0, 70.0), (90.0, 40.0, 60.0)])
def test_what_decides_and_was_not_measured_well_is_measured_again(latencies):
    asked = Hurried(*latencies)
    refs = collect_evidence(asked, CHALLENGER, CHAMPION, LIMITS, 42)
    # Once it is within the budget, nothing is decided by more.
    assert refs.costs.latency_p95_ms == min(latencies)
    assert asked.left == ([60.0] if len(latencies) == 3 else [])


def test_of_the_champion_itself_nothing_more_is_asked_than_its_readings():
    asked = Asked()
    refs = collect_evidence(
        asked, CHALLENGER, Baseline(version="3", bundle=CHALLENGER.bundle), LIMITS, 42
    )
    assert [step for step in asked.steps if "score" not in step] == []
    assert refs.feedback is None
    assert refs.costs is None


def test_without_a_champion_there_is_nobody_to_compare_with():
    refs = collect_evidence(Asked(), CHALLENGER._replace(feedback=None), None, LIMITS, 42)
    assert refs.test.champion is None
    assert refs.feedback is None
    assert refs.champion_costs is None
    assert refs.costs is not None


def test_altered_images_are_asked_for_where_a_check_wants_them():
    without = DigitsLimits(checks=tuple(c for c in LIMITS.checks if c != "robustness"))
    asked = Asked()
    assert collect_evidence(asked, CHALLENGER, CHAMPION, without, 42).robustness == {}
    assert not any("alter" in step for step in asked.steps)


@pytest.mark.parametrize("name", ["alter", "load", "time"])
def test_evidence_that_could_not_be_had_is_missing_and_no_error(name):
    refs = collect_evidence(Asked(**{name: None}), CHALLENGER, CHAMPION, LIMITS, 42)
    missing = {"alter": refs.robustness == {}, "load": refs.loads is None,
               "time": refs.costs is refs.champion_costs is None}  # fmt: skip
    assert missing == {each: each == name for each in missing}
