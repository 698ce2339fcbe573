"""Commands in real processes that need not import everything first.

A training imports Prefect, MLflow and scikit-learn, six seconds of processor time, before it
does anything. Here one process has imported them, and each command is a fork of it: a process
of its own, that can be killed, with its own folder, environment, output and exit code.
"""

import atexit
import multiprocessing
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from multiprocessing import forkserver
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from joblib.externals.loky.backend import context

from digitflow.workers.child import THREAD_VARIABLES

PREFECT_COMMANDS = ("train", "study")
# What the commands import, and what they import later, inside functions.
IMPORTED = [
    "flows.train",
    "flows.study",
    "digitflow.cli.main",
    "digitflow.cli.console",
    "digitflow.cli.doctor",
    "digitflow.registry.mlflow",
    "digitflow.reports.figures",
    "alembic.context",
    "cv2",
    "joblib.externals.loky",
    "matplotlib.backends.backend_agg",
    "matplotlib.pyplot",
    "mlflow.store.db.utils",
    "mlflow.store.tracking.sqlalchemy_store",
    "skops.io",
    "sklearn.calibration",
    "sklearn.neighbors",
    "sklearn.svm",
    "sklearn.tree",
]

_context = multiprocessing.get_context("forkserver")


def prepare(environment):
    """Start the process that others are forked from, with an environment for its imports."""
    # What can't be imported there is left out without a word.
    assert all(find_spec(name) for name in IMPORTED if name.startswith(("digitflow", "flows")))
    _context.set_forkserver_preload(IMPORTED)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (dict.fromkeys(THREAD_VARIABLES, "1") | environment).items():
            patch.setenv(name, value)
        forkserver.ensure_running()


class ForkedCommand:
    """A running `digitflow` command; answers as subprocess.Popen does."""

    def __init__(self, arguments, folder, environment):
        self._output = TemporaryDirectory()
        self._files = [Path(self._output.name) / name for name in ("output", "errors")]
        for file in self._files:
            file.touch()
        self.args = ["digitflow", *arguments]
        self._process = _context.Process(
            target=_run, args=(self.args, folder, environment, self._files)
        )
        self._process.start()

    @property
    def pid(self):
        return self._process.pid

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self._process.exitcode

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout=None):
        """Wait for its end; return what it has written."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        with self._output:
            return tuple(file.read_text() for file in self._files)


def _run(arguments, folder, environment, files):
    """Be the command: in the forked process."""
    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    from digitflow.cli.main import main

    if arguments[1] in PREFECT_COMMANDS:
        _read_environment_again()
        _fork_workers_too()
    try:
        main()
    finally:
        # multiprocessing leaves them out.
        atexit._run_exitfuncs()


def _fork_workers_too():
    """Let what computes be a fork of the same process; it would import scikit-learn first."""
    # This process was made by that server, whose address it knows: none is to be started.
    forkserver._forkserver.ensure_running = lambda: None
    context.set_start_method("forkserver", force=True)


def _read_environment_again():
    """Let Prefect see this process's environment: it had read another when it was imported."""
    from prefect.context import refresh_global_settings_context

    from digitflow.service.environment import use_prefect_environment
    from digitflow.store.artifacts import open_store

    use_prefect_environment(open_store())
    refresh_global_settings_context()
