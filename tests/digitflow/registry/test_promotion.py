"""Registering, judging and promoting: by one process, by many, and killed between steps."""

import itertools
import json
import os
import signal
import time
from contextlib import nullcontext

import pytest

from digitflow.errors import ChampionMoved, InputError, StorageError
from digitflow.registry import champion as following
from digitflow.registry import history, listing, mlflow, mlflow_client, promotion
from digitflow.registry.history import HISTORY
from digitflow.registry.listing import find_registration
from digitflow.registry.promotion import promote, register

MOVED = 3
# Python from 3.12 on: a fork beside the threads of numeric libraries, which are idle here.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def test_the_first_champion_carries_all_that_it_is_known_by(project):
    champion = project.champion()
    assert (champion.name, champion.version, champion.run) == ("digits", "1", "run-1")
    assert champion.score.value == 0.96
    assert champion.libraries.keys() == {"numpy"}

    found = find_registration(project.store, "digits", "champion")
    assert found.bundle == champion.bundle
    assert found.facts.model_dump_json() == project.make_facts("run-1").model_dump_json()
    assert found.verdict.outcome == "bootstrap"
    assert found.aliases == ("challenger", "champion")


def test_mlflow_keeps_every_file_of_a_version(project):
    with mlflow_client.open_client(project.store) as client:
        version = client.get_model_version("digits", "1")
        run = client.get_run(version.run_id)
        folder = project.store.root / "registry" / "artifacts" / version.run_id / "artifacts"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    assert found >= {
        "model/model.skops",
        "bundle/golden-samples.npy",
        "bundle/golden-predictions.npy",
        "bundle/bundle.json",
        "config.yaml",
        "facts.json",
        "verdict.json",
    }
    assert json.loads((folder / "verdict.json").read_text())["reason"] == "a test says so"
    assert run.data.metrics["test_accuracy"] == 0.96
    assert run.data.params["seed"] == "42"
    assert run.info.status == "FINISHED"


def test_others_load_the_champion_with_mlflow_alone_and_find_its_signature(
    first_project, run_python
):
    code = (
        "import mlflow.pyfunc, numpy, sys; mlflow.set_tracking_uri(sys.argv[1]);"
        "model = mlflow.pyfunc.load_model('models:/digits@champion');"
        "(images,) = model.metadata.signature.inputs; assert images.shape == (-1, 28, 28);"
        "read = model.predict(numpy.zeros((3, 28, 28), 'uint8'));"
        "assert read.shape == (3, 10), read"
    )
    root = first_project.store.root
    process = run_python(code, f"sqlite:///{root}/registry/mlflow.db")
    assert process.returncode == 0, process.stderr


def test_a_better_challenger_replaces_the_champion(project):
    first = project.champion()
    second = project.promote(2, first)
    assert (second.version, second.entry) == ("2", first.entry + 1)
    assert project.champion() == project.predicting() == second
    assert project.versions() == {"2": ("challenger", "champion"), "1": ("previous",)}
    assert project.mirrored() == {"champion": "2", "challenger": "2", "previous": "1"}
    assert project.chain() == ["1", "2"]


def test_the_history_says_who_when_why_and_by_which_verdict(project):
    project.promote(2, project.champion(), why="approved by Ada: reads my sevens")
    second, first = listing.list_history(project.store, "digits")
    assert (second.kind, first.kind) == ("promote", "bootstrap")
    assert second.why == "approved by Ada: reads my sevens"
    assert first.why == first.verdict.reason == "a test says so"
    assert "@" in second.who
    assert second.at.endswith("+00:00")
    assert second.verdict.comparison.champion_entry == first.id


def test_the_same_promotion_again_adds_nothing(project):
    first = project.champion()
    second = project.promote(2, first)
    assert project.promote(2, first) == second
    assert project.chain() == ["1", "2"]
    assert len(project.versions()) == 2


def test_a_rejected_challenger_is_kept_with_its_verdict_and_promotes_nobody(project):
    version, verdict = project.register(2, project.champion(), outcome="keep")
    assert project.versions() == {"2": ("challenger",), "1": ("champion",)}
    assert find_registration(project.store, "digits", "challenger").verdict.outcome == "keep"
    with pytest.raises(ValueError, match="no promotion"):
        promote(project.store, "digits", version, verdict)
    assert project.chain() == ["1"]


def test_a_version_that_is_judged_again_is_the_same_version_with_the_newer_verdict(project):
    first = project.champion()
    assert project.register(2, first, outcome="keep")[0] == "2"
    assert project.register(3, first, outcome="keep")[0] == "3"
    assert project.register(2, first)[0] == "2"
    assert find_registration(project.store, "digits", "2").verdict.outcome == "promote"
    assert project.versions()["2"] == ("challenger",)


@pytest.mark.parametrize("judged_against", [None, 77])
def test_a_champion_that_moved_since_the_verdict_is_not_replaced(project, judged_against):
    first = project.champion()
    version, verdict = project.register(2, first)
    comparison = verdict.comparison.model_copy(update={"champion_entry": judged_against})
    other = verdict.model_copy(update={"comparison": comparison})
    with pytest.raises(ChampionMoved, match=rf"champion is version 1 \(entry {first.entry}\)"):
        promote(project.store, "digits", version, other)
    assert project.champion() == first


def test_a_verdict_on_another_model_promotes_nothing(project):
    first = project.champion()
    _, verdict = project.register(2, first)
    version, _ = project.register(3, first)
    with pytest.raises(ValueError, match="is not the model"):
        promote(project.store, "digits", version, verdict)
    with pytest.raises(InputError, match="no version '9'; versions and aliases: 3, 2, 1"):
        promote(project.store, "digits", "9", verdict)


def test_models_have_champions_of_their_own(project):
    other = type(project)(project.store, "digits-sample")
    other.promote(3, None)
    assert (project.champion().run, other.champion().run) == ("run-1", "run-3")
    assert listing.list_models(project.store) == ["digits", "digits-sample"]


def test_a_score_on_new_test_images_is_an_entry_of_its_own(project):
    champion = project.champion()
    new = project.make_score(champion.model.digest, 900, test="new images")
    again = promotion.record_score(project.store, champion, new)
    assert again.score == project.champion().score == new
    assert project.chain() == ["1", "1"]
    # Whoever judged against the champion's old score judges again.
    with pytest.raises(ChampionMoved):
        project.promote(2, champion)
    assert promotion.record_score(project.store, again, new) == again
    assert project.promote(2, again).version == "2"
    assert project.versions()["1"] == ("previous",)


def test_every_judgement_is_noted_and_challengers_are_counted_once(project):
    store, first = project.store, project.champion()
    for strength in (2, 3, 2):
        version, verdict = project.register(strength, first, outcome="keep")
        history.add_judgement(store, "digits", version, verdict, "run-9")
    found = history.list_judgements(store, "digits")
    assert [judgement.version for judgement in found] == ["2", "3", "2"]
    assert {judgement.champion_entry for judgement in found} == {first.entry}
    judged = found[0].challenger_digest
    assert listing.count_looks(store, "digits", "test", judged) == 2
    assert listing.count_looks(store, "digits", "test", "another") == 3
    assert listing.count_looks(store, "digits", "other images", judged) == 1
    assert project.predicting() == first


def test_a_report_is_kept_with_its_version(project, tmp_path):
    report = tmp_path / "page.html"
    with pytest.raises(InputError, match=r"page\.html"):
        promotion.attach_report(project.store, "digits", "1", report)
    report.write_text("<html>")
    promotion.attach_report(project.store, "digits", "champion", report)
    (kept,) = (project.store.root / "registry" / "artifacts").glob("*/artifacts/report/*")
    assert (kept.name, kept.read_text()) == ("index.html", "<html>")


def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def before(module, name, call=1):
    """Return what to patch so that the process dies instead of a call of a function."""
    calls, real = itertools.count(1), getattr(module, name)

    def step(*args, **kwargs):
        return die() if next(calls) == call else real(*args, **kwargs)

    return module, name, step


def after(module, name, call=1):
    """Return what to patch so that the process dies right after a call of a function."""
    calls, real = itertools.count(1), getattr(module, name)

    def step(*args, **kwargs):
        done = real(*args, **kwargs)
        return die() if next(calls) == call else done

    return module, name, step


KILLS = {
    "within the upload": ("1", lambda: before(mlflow, "put_bundle")),
    "before the version": ("1", lambda: after(mlflow, "put_bundle")),
    "after the version": ("1", lambda: after(mlflow, "create_version")),
    "before it is noted": ("1", lambda: before(history, "add_registration")),
    "after it is noted": ("1", lambda: after(history, "add_registration")),
    "after the alias challenger": ("1", lambda: after(mlflow, "set_alias")),
    "before the entry": ("1", lambda: before(history, "append_entry")),
    "after the entry": ("2", lambda: after(history, "append_entry")),
    "after the alias champion": ("2", lambda: after(mlflow, "set_alias", 2)),
    "after the alias previous": ("2", lambda: after(mlflow, "set_alias", 3)),
}


@pytest.mark.parametrize(("champion", "patch"), KILLS.values(), ids=KILLS)
def test_killed_between_any_two_steps_a_promotion_goes_on(
    project, fork, wait_for, champion, patch
):
    first = project.predicting()

    def promote_and_die():
        setattr(*patch())
        version, verdict = project.register(2, first)
        promote(project.store, "digits", version, verdict)

    assert wait_for(fork(promote_and_die)) == -signal.SIGKILL

    # Whoever only predicts finds a whole champion, whatever happened.
    assert project.predicting().version in {"1", champion}
    assert project.champion().version == champion
    second = project.promote(2, first)
    assert second.version == "2"
    assert project.champion() == project.predicting() == second
    assert project.versions() == {"2": ("challenger", "champion"), "1": ("previous",)}
    assert project.mirrored() == {"champion": "2", "challenger": "2", "previous": "1"}
    assert project.chain() == ["1", "2"]


def test_a_killed_registration_leaves_no_mlflow_run_that_runs_for_ever(project, fork, wait_for):
    first = project.predicting()

    def register_and_die():
        mlflow.put_bundle = die
        project.register(2, first)

    wait_for(fork(register_and_die))
    project.promote(2, first)
    with mlflow_client.open_client(project.store) as client:
        experiments = [e.experiment_id for e in client.search_experiments()]
        statuses = [run.info.status for run in client.search_runs(experiments)]
    assert sorted(statuses) == ["FINISHED", "FINISHED", "KILLED"]


def test_a_disk_that_is_full_while_promoting_leaves_the_champion(project, monkeypatch):
    first = project.champion()
    version, verdict = project.register(2, first)

    def fail(*args):
        raise StorageError("no space left")

    monkeypatch.setattr(HISTORY, "insert_rows", fail)
    with pytest.raises(StorageError, match="no space"):
        promote(project.store, "digits", version, verdict)
    monkeypatch.undo()
    assert project.champion() == first


PROCESSES = 10


def promote_until_won(project, version, bundle):
    """Judge against the champion of the moment and promote, again until it is won."""
    while True:
        champion = project.champion()
        verdict = project.judge(bundle, champion)
        try:
            return promote(project.store, project.model, version, verdict)
        except ChampionMoved:
            continue


def poll_champion(project, stop):
    """Read the champion all the time; it is always there and never an older one."""
    seen = 0
    while not stop.exists():
        champion = project.champion()
        assert champion is not None
        assert champion.entry >= seen
        seen = champion.entry
        time.sleep(0.002)


@pytest.mark.parametrize("locked", [True, False], ids=["locked", "by the history alone"])
def test_ten_that_promote_at_once_win_one_after_another(
    project, fork, wait_for, tmp_path, locked
):
    bundles = [project.make_bundle(2 + number) for number in range(PROCESSES)]
    first, start, stop = project.predicting(), tmp_path / "start", tmp_path / "stop"

    def register_all():
        for number, bundle in enumerate(bundles):
            verdict = project.judge(bundle, first)
            facts = project.make_facts(f"run-{number}")
            register(project.store, "digits", bundle, verdict, facts)

    assert wait_for(fork(register_all)) == 0

    def compete(number):
        if not locked:
            following.lock_model = promotion.lock_model = lambda *_: nullcontext()
        while not start.exists():
            time.sleep(0.001)
        promote_until_won(project, str(2 + number), bundles[number])

    pids = [fork(lambda number=number: compete(number)) for number in range(PROCESSES)]
    poller = fork(lambda: poll_champion(project, stop))
    start.touch()
    assert [wait_for(pid) for pid in pids] == [0] * PROCESSES
    stop.touch()
    assert wait_for(poller) == 0

    chain = project.chain()  # every entry follows the one before
    assert chain[0] == "1"
    assert sorted(map(int, chain)) == list(range(1, PROCESSES + 2))
    entries = listing.list_history(project.store, "digits")
    for entry in entries[:-1]:
        assert entry.verdict.comparison.champion_entry == entry.predecessor
    assert project.champion().version == chain[-1]
    aliases = project.versions()
    assert "champion" in aliases[chain[-1]]
    assert "previous" in aliases[chain[-2]]


def test_of_ten_judged_against_the_same_champion_one_wins(project, fork, wait_for):
    first = project.predicting()
    bundles = [project.make_bundle(2 + number) for number in range(PROCESSES)]

    def promote_once(number):
        bundle = bundles[number]
        verdict = project.judge(bundle, first)
        facts = project.make_facts(f"run-{number}")
        version = register(project.store, "digits", bundle, verdict, facts)
        promote(project.store, "digits", version, verdict)

    pids = [fork(lambda number=number: promote_once(number)) for number in range(PROCESSES)]
    codes = [wait_for(pid) for pid in pids]
    assert sorted(codes) == [0] + [MOVED] * (PROCESSES - 1)
    assert len(project.chain()) == 2
    assert project.champion().run == f"run-{codes.index(0)}"
    assert len(project.versions()) == PROCESSES + 1


def test_three_that_initialise_the_databases_at_once_all_end_well(
    empty_project, first_project, fork, wait_for
):
    project = empty_project
    pids = [fork(lambda: project.promote(1, None)) for _ in range(3)]
    assert [wait_for(pid) for pid in pids] == [0, 0, 0]
    assert project.chain() == ["1"]
    assert len(project.versions()) == 1


def test_of_two_runs_that_made_the_same_model_one_promotes_it(project):
    version, verdict = project.register(2, project.champion())
    arguments = (project.store, "digits", version, verdict, "")
    assert promote(*arguments, run="twin-1").run == "twin-1"
    # The one that did may be killed and say so again; the other judges again.
    assert promote(*arguments, run="twin-1").version == version
    with pytest.raises(ChampionMoved, match="twin-1 has promoted version 2"):
        promote(*arguments, run="twin-2")
    assert project.chain() == ["1", "2"]
