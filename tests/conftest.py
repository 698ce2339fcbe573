"""Fixtures that tests of several parts use."""

import contextlib
import importlib.util
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pytest
from xdist.scheduler import LoadScopeScheduling

from digitflow.config.data import BuiltinSource
from digitflow.data.sets import LabelledImages
from digitflow.data.sources import builtin
from digitflow.store.artifacts import Store
from digitflow.store.locks import acquire_lock, release_lock

PROCESS_FILE = "process.pid"
VARIABLE = "DIGITFLOW_DATABASE_URL"
# In this order: the last one ends it.
SHARING_A_SERVICE = ("test_by_itself", "test_unattended", "test_service")
BESIDE = Path(__file__).parents[1] / "../shared/data"
# As whoever starts the tests names them; what tests don't ask for, they don't find either.
MNIST_FOLDER = os.environ.get("DIGITFLOW_MNIST_DIR") or BESIDE / "mnist"
HOUSING_FILE = os.environ.get("DIGITFLOW_HOUSING_FILE") or BESIDE / "housing" / "housing.csv"


@pytest.fixture(scope="session", autouse=True)
def nobodys_data() -> Iterator[None]:
    """Take the data that a user has named out of the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DIGITFLOW_MNIST_DIR", "DIGITFLOW_HOUSING_FILE"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True)
def own_main() -> Iterator[None]:
    """Put `__main__` back: Streamlit's scripts take its place, and processes begin with it."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder of MNIST's IDX files; the test is skipped where there is none."""
    folder = Path(MNIST_FOLDER).resolve()
    if not folder.is_dir():
        pytest.skip(f"MNIST's IDX files are not in {folder}; DIGITFLOW_MNIST_DIR names another")
    return folder


@pytest.fixture(scope="session")
def housing_file() -> Path:
    """The CSV of California's districts; the test is skipped where there is none."""
    file = Path(HOUSING_FILE).resolve()
    if not file.is_file():
        pytest.skip(f"the districts' CSV is not {file}; DIGITFLOW_HOUSING_FILE names another")
    return file


@pytest.fixture(scope="session")
def make_shared(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a folder once, for all processes of the tests: make_shared(name, fill).

    The process whose number `fill` returns is ended after the last test.
    """
    own = tmp_path_factory.getbasetemp()
    root = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def make(name: str, fill: Callable[[Path], int | None]) -> Path:
        folder, made, lock = (root / f"{name}{end}" for end in ("", ".made", ".lock"))
        descriptor = acquire_lock(lock)
        try:
            if not made.exists():
                folder.mkdir()
                if process := fill(folder):
                    (folder / PROCESS_FILE).write_text(str(process))
                made.touch()
        finally:
            release_lock(lock, descriptor)
        return folder

    return make


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say something that stands at the end of the tests' output: what a long test has found."""
    return lambda text: request.node.user_properties.append(("told", text))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests had to tell, in whichever process they ran."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        told = [text for name, text in report.user_properties if name == "told"]
        if told and report.when == "call":
            terminalreporter.section(report.nodeid)
            terminalreporter.write_line("\n".join(told))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what was started for all processes of the tests, once all of them are done."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    for file in session.config._tmp_path_factory.getbasetemp().glob(f"*/{PROCESS_FILE}"):
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(file.read_text()))
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="session")
def handwriting() -> LabelledImages:
    """The 1,797 digits that come with scikit-learn, in the MNIST frame."""
    digits = builtin.load(BuiltinSource()).train
    digits.images.flags.writeable = False
    return digits


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store of the test's own."""
    return Store(tmp_path / "artifacts")


@pytest.fixture
def without_rights():
    """Run a command that may do only what a file's mode allows, also where we are root."""

    def run(command, **options):
        prefix = []
        if os.getuid() == 0:
            if shutil.which("setpriv") is None:
                pytest.skip("we are root, who may write all, and there is no setpriv")
            prefix = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
        return subprocess.run([*prefix, *command], capture_output=True, text=True, **options)

    return run


@pytest.fixture(scope="session")
def postgres():
    """The folder of a PostgreSQL server's socket; skipped where none can be started."""
    programs = [shutil.which("initdb"), *Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found = [Path(program).resolve().parent for program in programs if program]
    if not found or importlib.util.find_spec("psycopg") is None:
        pytest.skip("PostgreSQL (Debian: postgresql) or psycopg is not installed")
    user = None
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        try:
            user = pwd.getpwnam("postgres").pw_name
        except KeyError:
            pytest.skip("we are root, and there is no user postgres to run the server")
    # Not in pytest's own folder, nor where ours is named: that user may not look into it.
    made = subprocess.check_output(
        ["mktemp", "-d", "/tmp/digitflow-XXXXXXXX"], user=user, text=True
    )
    folder = Path(made.strip())
    data, log = folder / "data", folder / "log"
    options = f"-k {folder} -c listen_addresses= -c fsync=off"

    def run(program, *arguments):
        command = [found[-1] / program, "-D", data, *arguments]
        subprocess.run(command, check=True, user=user, stdout=subprocess.DEVNULL, cwd="/")

    run("initdb", "-A", "trust", "-U", "digitflow", "-E", "UTF8", "--no-sync")
    run("pg_ctl", "start", "-w", "-l", log, "-o", options)
    yield folder
    run("pg_ctl", "stop", "-m", "immediate")
    shutil.rmtree(folder)


_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_server(make_shared: Callable[..., Path]) -> str:
    """The address of moto's S3, which all processes of the tests share."""
    return (make_shared("s3", _start_s3) / "url").read_text()


def _start_s3(folder: Path) -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    output = (os.POSIX_SPAWN_OPEN, 1, folder / "log", os.O_WRONLY | os.O_CREAT, 0o644)
    # Not subprocess.Popen, which wants to see the end of what outlives this process.
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, *arguments],
        os.environ,
        file_actions=[output, (os.POSIX_SPAWN_DUP2, 1, 2)],
    )
    _wait_for_port(port, folder / "log")
    (folder / "url").write_text(f"http://127.0.0.1:{port}")
    return process


def _wait_for_port(port: int, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    pytest.fail(f"moto's server did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def s3_variables(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What tells any client of the server, in this process's environment too."""
    variables = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "anybody",
        "AWS_SECRET_ACCESS_KEY": "anything",
        "AWS_DEFAULT_REGION": "us-east-1",
        # Nobody's files decide what tests do.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def bucket_url(s3_variables: dict[str, str]) -> str:
    """A prefix in a new, empty bucket."""
    name = f"tests-{os.getpid()}-{next(_numbers)}"
    address = f"{s3_variables['AWS_ENDPOINT_URL']}/{name}"
    with urlopen(Request(address, method="PUT"), timeout=60):
        return f"s3://{name}/a/prefix"


@pytest.fixture
def postgres_url(postgres):
    """A new, empty database of the server."""
    import psycopg

    name = f"digitflow{next(_numbers)}"
    with psycopg.connect(
        host=str(postgres), user="digitflow", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql://digitflow@/{name}?host={postgres}"


@pytest.fixture(params=["sqlite", "postgresql"])
def any_database(request, tmp_path, monkeypatch):
    """A store with its databases on SQLite, then one with them on PostgreSQL."""
    monkeypatch.delenv(VARIABLE, raising=False)
    if request.param == "postgresql":
        monkeypatch.setenv(VARIABLE, request.getfixturevalue("postgres_url"))
    return Store(tmp_path / "artifacts")


class ByWhatIsShared(LoadScopeScheduling):
    """Runs the tests of a file in one process, as they share what is dear.

    So do the files that share a service: xdist's own groups ask for what pytest 9.2 no longer
    has.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "service" if Path(file).stem in SHARING_A_SERVICE else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByWhatIsShared:
    """Say which tests go to the same process."""
    return ByWhatIsShared(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs MNIST; begin with the tests of flows, those of the service first.

    Begun last, the longest of them would leave one process alone at the end.
    """
    items.sort(key=_find_turn)
    for item in items:
        if "mnist_folder" in getattr(item, "fixturenames", ()):
            item.add_marker("mnist")


def _find_turn(item: pytest.Item) -> tuple[int, bool]:
    """Return what a test's file is sorted by."""
    sharing = [stem == item.path.stem for stem in (*SHARING_A_SERVICE, item.path.stem)]
    return sharing.index(True), "tests/flows/" not in item.path.as_posix()
