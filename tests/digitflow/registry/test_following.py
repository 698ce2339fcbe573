import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from digitflow import registry, tracking
from digitflow.artifacts import Store
from digitflow.champions import read_pointer
from digitflow.config import GateLimits
from digitflow.errors import ChampionMoved, DamagedArtifact, InputError, StorageError
from digitflow.evaluation.scoring import TestScore
from digitflow.gates import judge
from digitflow.models.persistence import dump_model, load_model
from digitflow.registry import Facts, list_versions, promote, read_champion, record_score

N = 1000
MOVED = 3
# Python from 3.12 on: a fork beside the threads of numeric libraries, which are idle here.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def make_model(store, strength):
    """Store a model of its own for each strength."""
    rows = np.array([[0.0], [1.0], [2.0]])
    return dump_model(LogisticRegression(C=strength).fit(rows, [0, 1, 1]), store)


def make_score(digest, correct, test="test"):
    return TestScore(
        model_digest=digest, test_digest=test, n=N, correct=correct, interval=(0.1, 0.99)
    )


def make_facts(run):
    return Facts(
        run=run,
        config="model: digits\nseed: 42\n",
        seed=42,
        data={"train": "aa", "test": "bb"},
        code="cc",
        libraries={"numpy": np.__version__},
        metrics={"validation_accuracy": 0.97, "validation_log_loss": float("nan")},
    )


def judged(challenger, correct, champion):
    score = None if champion is None else champion.score
    version = None if champion is None else champion.version
    return judge(make_score(challenger.digest, correct), score, GateLimits(), version)


def promote_model(store, strength, correct, champion, model="digits"):
    challenger = make_model(store, strength)
    verdict = judged(challenger, correct, champion)
    return promote(store, model, challenger, verdict, make_facts(f"run-{strength}"))


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def first_project(tmp_path_factory):
    """A project with version 1 as its champion; only read."""
    store = Store(tmp_path_factory.mktemp("project") / "artifacts")
    promote_model(store, 1, 950, None)
    return store.root.parent


@pytest.fixture
def store(first_project, tmp_path):
    """A copy of the first project: its files have other inodes and another place."""
    shutil.copytree(first_project, tmp_path / "copy")
    return Store(tmp_path / "copy" / "artifacts")


def run_python(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def fork(action):
    """Start a process that does `action`; it shares what is imported, and nothing opened."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        action()
        code = 0
    except ChampionMoved:
        code = MOVED
    finally:
        os._exit(code)


def wait_for(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def die_after(call):
    """Return `_set_alias` that dies after its n-th call."""
    calls, real = iter(range(1, 10)), registry._set_alias

    def set_alias(*args):
        real(*args)
        if next(calls) == call:
            die()

    return set_alias


def die_after_registering(*args):
    registered = REGISTER(*args)
    die()
    return registered


def test_before_the_first_promotion_there_is_nothing_and_mlflow_is_not_asked(tmp_path):
    code = (
        "import sys; from pathlib import Path; from digitflow.artifacts import Store;"
        "from digitflow.registry import read_champion, list_versions;"
        "store = Store(Path(sys.argv[1]));"
        "assert read_champion(store, 'digits') is None; assert list_versions(store) == [];"
        "assert 'mlflow' not in sys.modules"
    )
    process = run_python(code, tmp_path)
    assert process.returncode == 0, process.stderr
    assert not list(tmp_path.iterdir())


def test_the_first_champion_is_registered_with_all_that_it_is_known_by(store):
    champion = read_champion(store, "digits")
    assert (champion.name, champion.version, champion.run) == ("digits", "1", "run-1")
    assert champion.score.correct == 950
    assert load_model(champion.model, store).C == 1

    with tracking.open_client(store) as client:
        version = client.get_model_version_by_alias("digits", "champion")
        run = client.get_run(version.run_id)
    tags = {name.removeprefix("digitflow."): value for name, value in version.tags.items()}
    assert tags["config"] == "model: digits\nseed: 42\n"
    assert json.loads(tags["data"]) == {"train": "aa", "test": "bb"}
    assert json.loads(tags["model"])["path"] == champion.model.path
    assert json.loads(tags["verdict"])["outcome"] == "bootstrap"
    assert (tags["code"], tags["seed"], tags["run"]) == ("cc", "42", "run-1")
    assert run.data.metrics["test_accuracy"] == 0.95
    assert run.data.params["seed"] == "42"
    assert run.info.status == "FINISHED"


def test_others_load_the_champion_with_mlflow_alone(first_project):
    code = (
        "import mlflow.sklearn, sys; mlflow.set_tracking_uri(sys.argv[1]);"
        "assert mlflow.sklearn.load_model('models:/digits@champion').C == 1"
    )
    process = run_python(code, f"sqlite:///{first_project}/artifacts/registry/mlflow.db")
    assert process.returncode == 0, process.stderr


def test_a_better_challenger_replaces_the_champion(store):
    first = read_champion(store, "digits")
    second = promote_model(store, 2, 960, first)
    assert (second.version, second.score.correct) == ("2", 960)
    assert read_champion(store, "digits") == second
    assert [(v.version, v.aliases, v.outcome) for v in list_versions(store, "digits")] == [
        ("2", ("champion",), "promote"),
        ("1", ("previous",), "bootstrap"),
    ]


def test_the_same_promotion_again_registers_nothing(store):
    first = read_champion(store, "digits")
    second = promote_model(store, 2, 960, first)
    assert promote_model(store, 2, 960, first) == second
    assert len(list_versions(store)) == 2


def test_a_verdict_that_is_no_promotion_is_refused(store):
    first = read_champion(store, "digits")
    with pytest.raises(ValueError, match="no promotion"):
        promote_model(store, 2, 950, first)
    assert len(list_versions(store)) == 1


@pytest.mark.parametrize("judged_against", [None, "7"])
def test_a_champion_that_moved_since_the_verdict_is_not_replaced(store, judged_against):
    first = read_champion(store, "digits")
    other = judged_against and first.model_copy(update={"version": judged_against})
    with pytest.raises(ChampionMoved, match="champion is version 1 by now"):
        promote_model(store, 2, 960, other)
    assert read_champion(store, "digits") == first
    assert len(list_versions(store)) == 1


def test_models_have_champions_of_their_own(store):
    promote_model(store, 3, 910, None, model="digits-sample")
    assert read_champion(store, "digits").run == "run-1"
    assert read_champion(store, "digits-sample").run == "run-3"
    assert [v.model for v in list_versions(store)] == ["digits", "digits-sample"]


REGISTER = registry._register
KILLS = {
    "within the upload": (tracking, "_upload_model", die),
    "after the version": (registry, "_register", die_after_registering),
    "after the alias previous": (registry, "_set_alias", die_after(1)),
    "after the alias champion": (registry, "_set_alias", die_after(2)),
    "before the pointer": (registry, "_point", die),
}


@pytest.mark.parametrize("patch", KILLS.values(), ids=KILLS)
def test_killed_at_any_point_the_same_promotion_goes_on(store, patch):
    first = read_pointer(store, "digits").champion

    def promote_and_die():
        setattr(*patch)
        promote_model(store, 2, 960, first)

    assert wait_for(fork(promote_and_die)) == -signal.SIGKILL

    # Whoever only predicts still finds a whole champion, the old one.
    assert read_pointer(store, "digits").champion == first
    moved = patch in (KILLS["after the alias champion"], KILLS["before the pointer"])
    assert read_champion(store, "digits").version == ("2" if moved else "1")
    second = promote_model(store, 2, 960, first)
    assert second.version == "2"
    assert read_champion(store, "digits") == second
    assert [v.aliases for v in list_versions(store)] == [("champion",), ("previous",)]


def test_a_killed_registration_leaves_no_mlflow_run_that_runs_for_ever(store):
    first = read_pointer(store, "digits").champion

    def promote_and_die():
        tracking._upload_model = die
        promote_model(store, 2, 960, first)

    wait_for(fork(promote_and_die))
    promote_model(store, 2, 960, first)
    with tracking.open_client(store) as client:
        experiments = [e.experiment_id for e in client.search_experiments()]
        statuses = [run.info.status for run in client.search_runs(experiments)]
    assert sorted(statuses) == ["FINISHED", "FINISHED", "KILLED"]


def test_two_that_promote_at_once_leave_one_winner_and_a_clear_loser(store):
    first = read_pointer(store, "digits").champion
    pids = [
        fork(lambda strength=strength: promote_model(store, strength, 960, first))
        for strength in (2, 3)
    ]
    codes = [wait_for(pid) for pid in pids]
    assert sorted(codes) == [0, MOVED]
    assert [version.version for version in list_versions(store)] == ["2", "1"]
    assert read_champion(store, "digits").run == f"run-{2 + codes.index(0)}"


def test_three_that_initialise_the_registry_at_once_all_end_well(first_project, tmp_path):
    store = Store(tmp_path / "artifacts")
    pids = [fork(lambda: promote_model(store, 1, 950, None)) for _ in range(3)]
    assert [wait_for(pid) for pid in pids] == [0, 0, 0]
    assert [version.version for version in list_versions(store)] == ["1"]


def test_an_unchanged_registry_is_read_without_mlflow(store):
    read_champion(store, "digits")  # the copy's inode is new: mended here
    code = (
        "import sys; from pathlib import Path; from digitflow.artifacts import Store;"
        "from digitflow.registry import read_champion;"
        "assert read_champion(Store(Path(sys.argv[1])), 'digits').version == '1';"
        "assert 'mlflow' not in sys.modules"
    )
    process = run_python(code, store.root)
    assert process.returncode == 0, process.stderr


def test_an_alias_that_somebody_moved_is_followed_with_a_warning(store, caplog):
    second = promote_model(store, 2, 960, read_champion(store, "digits"))
    assert read_pointer(store, "digits").champion == second
    with tracking.open_client(store) as client:
        client.set_registered_model_alias("digits", "champion", "1")
    caplog.clear()
    assert read_champion(store, "digits").version == "1"
    assert "named version 2, the registry says version 1: mended" in caplog.text
    assert read_pointer(store, "digits").champion.version == "1"


def test_a_champion_that_lost_its_alias_is_none(store, caplog):
    with tracking.open_client(store) as client:
        client.delete_registered_model_alias("digits", "champion")
    assert read_champion(store, "digits") is None
    assert "the registry says None" in caplog.text
    assert read_pointer(store, "digits") is None


@pytest.mark.parametrize("content", [None, "", "{}", '{"champion": 1', "\0" * 10])
def test_a_pointer_that_is_missing_or_damaged_is_written_again(store, content, caplog):
    champion = read_champion(store, "digits")
    path = store.root / "models/champions/digits.json"
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
        with pytest.raises(DamagedArtifact, match=r"digits\.json"):
            read_pointer(store, "digits")
    assert read_champion(store, "digits") == champion
    assert "mended" in caplog.text
    assert read_pointer(store, "digits").champion == champion


def test_an_alias_on_a_version_of_somebody_else_is_a_clear_error(store):
    with tracking.open_client(store) as client:
        client.create_model_version("digits", "file:///nowhere")
        client.set_registered_model_alias("digits", "champion", "2")
    with pytest.raises(InputError, match="version 2 of digits was not registered by digitflow"):
        read_champion(store, "digits")
    assert [version.version for version in list_versions(store)] == ["1"]


def test_a_lost_registry_is_an_error_and_not_a_first_run(store):
    shutil.rmtree(store.root / "registry")
    for read in (lambda: read_champion(store, "digits"), lambda: list_versions(store)):
        with pytest.raises(DamagedArtifact, match="version 1 of digits was champion"):
            read()
    (store.root / "models/champions/digits.json").unlink()
    assert read_champion(store, "digits") is None


def test_a_lost_model_file_comes_back_from_mlflow(store, caplog):
    champion = read_champion(store, "digits")
    store.path_of(champion.model).unlink()
    assert read_champion(store, "digits") == champion
    assert "brought back from MLflow" in caplog.text
    assert load_model(champion.model, store).C == 1


def test_a_moved_folder_still_loads_its_champion_and_goes_on(store, tmp_path):
    first = read_champion(store, "digits")
    moved = Store(tmp_path / "elsewhere" / "artifacts")
    shutil.move(store.root.parent, tmp_path / "elsewhere")
    assert load_model(read_pointer(moved, "digits").champion.model, moved).C == 1
    assert read_champion(moved, "digits") == first

    assert promote_model(moved, 2, 960, first).version == "2"
    assert not store.root.exists()  # nothing was written to the old place
    with tracking.open_client(moved) as client:
        source = client.get_model_version("digits", "2").source
    assert source.startswith(moved.root.resolve().as_uri())


def test_a_score_on_new_test_images_is_recorded(store):
    champion = read_champion(store, "digits")
    new = make_score(champion.model.digest, 900, test="new images")
    again = record_score(store, champion, new)
    assert again.score == new
    assert read_champion(store, "digits") == again
    with pytest.raises(ChampionMoved):
        record_score(store, champion.model_copy(update={"version": "7"}), new)


def test_another_registry_is_asked_every_time(store, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    monkeypatch.chdir(tmp_path)
    (store.root / "models/champions/digits.json").unlink()
    assert read_champion(store, "digits") is None
    champion = promote_model(store, 5, 970, None)
    assert champion.version == "1"
    assert read_pointer(store, "digits").database is None
    with tracking.open_client(store) as client:
        client.delete_registered_model_alias("digits", "champion")
    assert read_champion(store, "digits") is None


def test_a_registry_that_cannot_be_read_is_one_clear_error(store):
    (store.root / tracking.DATABASE).write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError, match=r"mlflow\.db can't be used"):
        read_champion(store, "digits")
