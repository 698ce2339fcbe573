"""What ends a command from outside ends all of it, soon, and says that it can go on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml
from real_service import BETTER, wait_for

from digitflow.store.runs import list_runs, read_events

pytestmark = pytest.mark.slow

SENTENCE = "digitflow: interrupted; the same command continues from what was finished\n"
TRAIN = ("train", "--config", "config.yaml")
FIT = "train svm-strokes"
# Far less than what any client of Prefect's waits for a server that is gone.
SOON_SECONDS = 20


@pytest.fixture
def fitting(project, monkeypatch):
    """Start a training and wait until it is in a fit; give its process and its children."""
    # As a shell's: what is started in the background of a script ignores it.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    project.config["candidates"].append(BETTER)
    started = []

    def is_fitting():
        events = read_events(project.store, list_runs(project.store)[0]["run"])
        return any((e["event"], e["task"]) == ("started", FIT) for e in events)

    def start(begin=lambda: project.start(*TRAIN)):
        known = len(list_runs(project.store))
        process = begin()
        started.append(process)
        wait_for(lambda: len(list_runs(project.store)) > known, seconds=180)
        wait_for(is_fitting, seconds=60)
        return process, psutil.Process(process.pid).children(recursive=True)

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
    signal.signal(signal.SIGINT, previous)


def ends(process):
    """Return what a process wrote until it ended, which is soon."""
    output, errors = process.communicate(timeout=SOON_SECONDS)
    return process.returncode, output, errors


def test_ctrl_c_in_a_terminal_ends_all_of_it_and_a_kill_too(project, fitting):
    environment = project.environment()
    del environment["PREFECT_API_URL"]
    # Nobody is there: what went through it would not come back.
    environment["HTTP_PROXY"] = environment["ALL_PROXY"] = "http://127.0.0.1:9"
    (project.folder / "config.yaml").write_text(yaml.safe_dump(project.config))

    def begin():
        return subprocess.Popen(
            [Path(sys.executable).with_name("digitflow"), *TRAIN],
            cwd=project.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    process, children = fitting(begin)
    assert any("digitflow.service.server" in child.cmdline() for child in children)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    code, _, errors = ends(process)
    assert code == 130
    assert errors.endswith(SENTENCE)
    assert errors.count("interrupted") == 1
    assert "Traceback" not in errors
    assert "failed" not in errors
    assert psutil.wait_procs(children, 5)[1] == []
    assert list_runs(project.store)[0]["status"] == "interrupted"

    process, children = fitting(begin)
    process.kill()
    process.communicate()
    assert psutil.wait_procs(children, 30)[1] == []


def test_told_to_end_it_ends_as_by_ctrl_c(project, fitting):
    process, children = fitting()
    process.send_signal(signal.SIGTERM)
    code, _, errors = ends(process)
    assert code == 143
    assert errors.endswith(SENTENCE)
    assert psutil.wait_procs(children, 5)[1] == []
    assert list_runs(project.store)[0]["status"] == "interrupted"
    assert project.train()["verdict"]["outcome"] == "promote"
