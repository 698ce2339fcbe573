"""A database that is damaged, locked or newer: which file, what is wrong, what mends it."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from digitflow.registry import listing
from digitflow.store.sqlite_files import read_revisions

FILES = {
    "history": "registry/history.db",
    "mlflow": "registry/mlflow.db",
    "feedback": "feedback/feedback.db",
    "prefect": "prefect/prefect.db",
}
HOLD = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.isolation_level = None;"
    "c.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read()"
)
DAMAGES = {
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: path.write_bytes(b""),
    "overwritten": lambda path: path.write_bytes(b"<html></html>" * 3000),
}


@pytest.fixture
def folder(project):
    """A project that has all four databases; Prefect's as a server leaves it."""
    path = project.store.root / FILES["prefect"]
    path.parent.mkdir(exist_ok=True)
    known = read_revisions("prefect", "server/database/_migrations/versions/sqlite")
    (newest,) = set(known) - {before for befores in known.values() for before in befores}
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES (?)", (newest,))
        connection.execute("CREATE TABLE flow_run (name TEXT)")
    from digitflow.feedback.tables import FEEDBACK

    FEEDBACK.initialise(project.store)
    return project


def list_rows(project):
    """Return what `digitflow models` lists, but when: MLflow registers seconds later."""
    listed = json.loads(project.run("models", "--json"))
    return [version | {"registered_at": None} for version in listed]


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        ("cut", ("history", "feedback")),
        ("empty", ("history", "feedback")),
        ("overwritten", ("mlflow", "prefect")),
    ],
)
def test_the_doctor_finds_what_is_damaged_and_repairs_it(folder, damage, names):
    before = list_rows(folder)
    paths = [folder.store.root / FILES[name] for name in names]
    for path in paths:
        DAMAGES[damage](path)
    told = folder.run("doctor", code=1, COLUMNS="2000")
    for path in paths:
        assert f"`digitflow doctor --repair {path}`" in told
        said = folder.run("doctor", "--repair", path)
        assert f"it is kept as {path}.damaged-" in said
    assert "error" not in folder.run("doctor")
    assert list_rows(folder) == before
    assert listing.list_history(folder.store, "digits-sample")[0].version == "1"


@pytest.mark.parametrize("name", ["history", "feedback"])
def test_an_empty_database_is_not_taken_for_a_new_one(folder, name):
    path = folder.store.root / FILES[name]
    path.write_bytes(b"")
    command = {"history": "models", "feedback": "corrections"}[name]
    folder.run(command, code=2)
    assert f"{path} is empty" in folder.errors
    assert f"`digitflow doctor --repair {path}`" in folder.errors
    assert path.read_bytes() == b""


def test_who_holds_a_locked_database_is_named(folder):
    path = folder.store.root / FILES["history"]
    command = [sys.executable, "-c", HOLD, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        folder.run("models", code=2, DIGITFLOW_DATABASE_PATIENCE="0.2")
        assert f"{path} is locked by another process" in folder.errors
        folder.run("doctor", "--repair", path, code=2)
        assert f"process {holder.pid} (" in folder.errors
        holder.stdin.close()
    assert "nothing is wrong" in folder.run("doctor", "--repair", path)


def test_what_a_newer_version_wrote_is_left_alone_and_no_upgrade_advised(folder):
    newer = {
        "history": "INSERT OR REPLACE INTO digitflow_schemas VALUES ('promotions', 99)",
        "mlflow": "UPDATE alembic_version SET version_num = 'ffffffffffff'",
        "prefect": "UPDATE alembic_version SET version_num = 'ffffffffffff'",
    }
    for name, statement in newer.items():
        with (
            closing(sqlite3.connect(folder.store.root / FILES[name])) as connection,
            connection,
        ):
            connection.execute(statement)
    told = folder.run("doctor", code=1, COLUMNS="2000")
    assert told.count("by a newer") == 3
    assert "upgrade" not in told
    for name in newer:
        path = folder.store.root / FILES[name]
        content = path.read_bytes()
        folder.run("doctor", "--repair", path, code=2)
        assert "newer" in folder.errors
        assert path.read_bytes() == content
    folder.run("models", code=2)
    assert "newer digitflow" in folder.errors


def test_what_may_not_be_written_is_made_writable(folder, without_rights):
    def run(*arguments):
        code = "from digitflow.cli.main import main; main()"
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return without_rights(
            command, cwd=folder.folder, env=folder.environment(COLUMNS="2000")
        )

    paths = [folder.store.root / file for file in FILES.values()]
    for path in paths:
        path.chmod(0o444)
    assert run("models").returncode == 0  # to read is enough
    told = run("doctor").stdout
    for path in paths:
        assert f"{path} can be read and not written. `digitflow doctor --repair {path}`" in told
        assert "it can be written again" in run("doctor", "--repair", path).stdout
    assert run("doctor").returncode == 0


@pytest.mark.slow
def test_what_an_older_mlflow_wrote_is_brought_up_to_date(folder):
    path = folder.store.root / FILES["mlflow"]
    known = read_revisions("mlflow", "store/db_migrations/versions")
    (newest,) = set(known) - {before for befores in known.values() for before in befores}
    code = (
        "import sys; from alembic import command; from alembic.config import Config;"
        "import mlflow; from pathlib import Path; c = Config();"
        "c.set_main_option('script_location',"
        " str(Path(mlflow.__file__).parent / 'store/db_migrations'));"
        "c.set_main_option('sqlalchemy.url', f'sqlite:///{sys.argv[1]}');"
        "command.downgrade(c, sys.argv[2])"
    )
    command = [sys.executable, "-c", code, path, known[newest][0]]
    subprocess.run(command, check=True, capture_output=True)
    assert "was written by an older MLflow" in folder.run("doctor", code=1, COLUMNS="2000")
    said = folder.run("doctor", "--repair", path)
    assert f"a copy is kept as {path}.before-" in said
    assert "up to date now" in said
    assert "error" not in folder.run("doctor")


def test_a_file_that_is_none_of_the_four_is_bad_input(folder):
    folder.run("doctor", "--repair", "config.yaml", code=2)
    assert "none of the databases" in folder.errors
    assert FILES["feedback"] in folder.errors


def train_by_itself(project, **variables):
    """Train with a temporary server, which does not come up."""
    variables = project.environment(**variables)
    del variables["PREFECT_API_URL"]
    code = "from digitflow.cli.main import main; main()"
    command = [sys.executable, "-c", code, "train", "--config", "config.yaml"]
    done = subprocess.run(
        command, cwd=project.folder, env=variables, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    return done


def test_no_server_is_waited_for_that_has_no_database(folder):
    folder.run("config", "schema")  # writes the config
    path = folder.store.root / FILES["prefect"]
    path.write_bytes(b"<html></html>" * 3000)
    done = train_by_itself(folder)
    assert done.returncode == 2
    assert f"Prefect's database {path} holds something else" in done.stderr
    folder.run("up", code=2)
    assert f"`digitflow doctor --repair {path}`" in folder.errors


def test_a_disk_without_room_for_prefect_is_named(folder):
    folder.run("config", "schema")
    disk = folder.folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine doesn't let us mount a small disk")
    try:
        done = train_by_itself(folder, PREFECT_HOME=str(disk))
        assert done.returncode == 2
        assert f"{disk}/prefect.db can't grow: 8.0 MB are free" in done.stderr
        assert "digitflow gc" in done.stderr
    finally:
        subprocess.run(["umount", disk], check=True)
