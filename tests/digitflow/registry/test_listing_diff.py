import pytest

from digitflow.gate.check import Check
from digitflow.registry import promotion
from digitflow.registry.listing import diff_versions

CONFIG = """
seed: {seed}
candidates:
- name: knn
  params: {{k: {k}}}
- name: svm
  estimator: svm
gate: {{checks: [floor, better]}}
"""


@pytest.fixture
def pair(project):
    """Two versions that differ in a seed, a parameter, a figure and a check."""
    champion = project.champion()
    for strength, seed, k, answer in ((2, 1, 3, "fail"), (3, 2, 5, "pass")):
        bundle = project.make_bundle(strength)
        check = Check(id="better.superior", slice="test", verdict=answer, detail="it's so")
        same = Check(id="floor", slice="test", verdict="pass", detail="above")
        verdict = project.judge(bundle, champion, "keep").model_copy(
            update={"checks": (check, same)}
        )
        config = CONFIG.format(seed=seed, k=k)
        metrics = {"accuracy": k / 10, "unknown": float("nan")}
        facts = project.make_facts("run", config=config, metrics=metrics)
        promotion.register(project.store, "digits", bundle, verdict, facts)
    return project


def test_only_what_differs_is_told(pair):
    found = diff_versions(pair.store, "digits", "2", "challenger")
    assert (found["first"]["version"], found["second"]["version"]) == ("2", "3")
    assert found["config"] == [
        {"key": "seed", "first": 1, "second": 2},
        {"key": "candidates.knn.params.k", "first": 3, "second": 5},
    ]
    (changed,) = (item for item in found["facts"] if item["key"] == "metrics.accuracy")
    assert (changed["first"], changed["second"]) == (0.3, 0.5)
    assert "metrics.unknown" not in {item["key"] for item in found["facts"]}
    assert found["checks"] == [
        {
            "key": "better.superior on test",
            "first": {"verdict": "fail", "detail": "it's so"},
            "second": {"verdict": "pass", "detail": "it's so"},
        }
    ]


def test_a_version_does_not_differ_from_itself(pair):
    found = diff_versions(pair.store, "digits", "3", "3")
    assert found["config"] == found["facts"] == found["checks"] == []


def test_what_only_one_has_stands_beside_none(pair):
    keys = {
        item["key"]: (item["first"], item["second"])
        for item in diff_versions(pair.store, "digits", "1", "2")["config"]
    }
    assert keys["model"] == ("digits", None)
    assert keys["candidates.svm.estimator"] == (None, "svm")
    assert keys["gate.checks.1"] == (None, "better")
