"""Champions and verdicts for a history."""

import pytest

from digitflow.evaluation.evidence import TestScore
from digitflow.gate.verdict import Comparison, Verdict
from digitflow.models.bundle import Golden, ModelBundle
from digitflow.registry.versions import Champion
from digitflow.store.references import ArrayRef, ModelRef

ARRAY = ArrayRef(digest="g", path="arrays/g.npy", bytes=9, dtype="uint8", shape=(1, 28, 28))


@pytest.fixture
def store(any_database):
    """A store whose history is on SQLite, then one whose history is on PostgreSQL."""
    return any_database


@pytest.fixture
def make_champion():
    def make(version, name="digits"):
        model = ModelRef(digest=f"m{version}", path=f"models/m{version}.skops", bytes=10)
        golden = Golden(samples=ARRAY, predictions=ARRAY, libraries={}, machine="any")
        return Champion(
            name=name,
            version=str(version),
            entry=0,
            bundle=ModelBundle(model=model, reject_option=None, golden=golden),
            score=TestScore(
                model_digest=model.digest,
                test_digest="t",
                n=3,
                metric="accuracy",
                value=2 / 3,
                interval=(0, 1 / 3),
            ),
            run=f"run-{version}",
            promoted_at="2026-11-21T00:00:00+00:00",
            libraries={"numpy": "2.4"},
        )

    return make


@pytest.fixture
def make_verdict():
    def make(digest, test="t", outcome="keep"):
        score = TestScore(
            model_digest=digest,
            test_digest=test,
            n=0,
            metric="accuracy",
            value=float("nan"),
            interval=(float("nan"),) * 2,
        )
        comparison = Comparison(
            test_digest=test, n=0, challenger_digest=digest, champion_entry=7
        )
        return Verdict(
            outcome=outcome,
            reason="it's 100 % so",
            checks=(),
            comparison=comparison,
            challenger=score,
        )

    return make
