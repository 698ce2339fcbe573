"""What a training left behind is read again as it was written."""

from digitflow.data.sets import SampleSet
from digitflow.reports.records import find_sets, find_training, list_trainings
from digitflow.store.references import ArrayRef, FileRef
from digitflow.store.runs import find_outputs, open_run
from tasks.caching import describe_outputs


def write(store, run, report, model="digits"):
    with open_run(store, run, job="train", model=model) as log:
        log.update(
            leaderboard=[entry.model_dump(mode="json") for entry in report.entries],
            data=report.data.model_dump(mode="json"),
        )


def test_trainings_are_read_the_newest_first(store, report):
    for run in ("digits-1", "digits-2"):
        write(store, run, report)
    write(store, "other", report, model="others")
    with open_run(store, "digits-3", job="train", model="digits"):
        pass  # it came to no report
    found = list_trainings(store, "digits")
    assert {each.run for each in found} == {"digits-1", "digits-2"}
    told = [entry.model_dump(mode="json") for entry in report.entries]
    assert [entry.model_dump(mode="json") for entry in found[0].entries] == told
    assert found[0].data == report.data
    assert find_training(store, "digits-1").run == "digits-1"
    assert find_training(store, "digits-3") is find_training(store, "nobody") is None


def make_ref(name, shape):
    return ArrayRef(digest=name, path=f"arrays/{name}.npy", bytes=9, dtype="uint8", shape=shape)


def test_the_sets_of_a_split_are_found_by_name(store):
    images, labels = make_ref("a", (3, 28, 28)), make_ref("b", (3,))
    part = SampleSet(samples=images, targets=labels)
    quarantine = FileRef(digest="q", path="quarantine/q.csv", bytes=3)
    with open_run(store, "r") as log:
        outputs = describe_outputs({"train": part, "test": part, "quarantine": quarantine})
        log.note("cached", "split", outputs=outputs)
    assert find_sets(store, "r") == {"train": part, "test": part}
    assert find_outputs(store, "r", "split")["quarantine"] == quarantine
    assert find_sets(store, "r", "validate") == find_sets(store, "s") == {}
