"""An hour left alone while everything dies: commands, workers, runs, servers, supervisors.

Runs begin every minute; what is killed, and when, is drawn from a seed. The disk is full twice,
proxies are named that nobody answers, and the clock is set where DIGITFLOW_SOAK_CLOCK allows it
(it is the whole machine's). DIGITFLOW_SOAK_MINUTES and DIGITFLOW_SOAK_SEED change both.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from real_service import CHECKOUT, CONFIG, Service, wait_for

from digitflow.errors import DigitflowError
from digitflow.feedback.corrections import add_corrections, list_corrections
from digitflow.feedback.predictions import PredictionLog, count_by_day
from digitflow.feedback.tables import name_images
from digitflow.predict.predictor import Predictor
from digitflow.registry.champion import read_champion
from digitflow.registry.listing import list_history
from digitflow.service.environment import read_state
from digitflow.service.processes import find_process, is_alive, read_environ
from digitflow.service.repairs import RUN_VARIABLE
from digitflow.store.artifacts import Store
from digitflow.store.files import ARTIFACTS_VARIABLE
from digitflow.store.runs import list_runs

pytestmark = [pytest.mark.soak, pytest.mark.slow]

MINUTES = float(os.environ.get("DIGITFLOW_SOAK_MINUTES", "60"))
SEED = int(os.environ.get("DIGITFLOW_SOAK_SEED", "0"))
MAY_SET_CLOCK = os.environ.get("DIGITFLOW_SOAK_CLOCK") == "1"
COMMAND = Path(sys.executable).with_name("digitflow")
VICTIMS = ("command", "worker", "run", "server", "supervisor")
MODEL = CONFIG["model"]
# Nobody listens there.
PROXIES = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
EVERY_MINUTE = ("train-digits-nightly", "monitor-digits", "watch-inbox")
DISK_GIGABYTES = 3
FULL_SECONDS = 30
# What an hour holds at least; on a busy machine it takes longer.
WHOLE_MINUTES, LEAST_KILLS, FULL_DISKS = 60, 10, 2
CLOCK_STEP_SECONDS = 30
# After the last kill: what was interrupted begins again, and ends.
QUIET_SECONDS = 600


@pytest.fixture
def disk(tmp_path):
    """A small disk, so that it can be full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={DISK_GIGABYTES}g"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root, and a machine that lets it")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def service(disk):
    """The service with runs every minute, on that disk."""
    for made in ("configs", "inbox"):
        (disk / made).mkdir()
    (disk / "configs" / "digits.yaml").write_text(yaml.safe_dump(CONFIG))
    deployments = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text())
    for each in deployments["deployments"]:
        every_minute = each["name"] in EVERY_MINUTE
        each["schedules"] = [{"interval": 60}] if every_minute else []
        if each["name"] == "train-digits-nightly":
            each["parameters"] = {"config": "configs/digits.yaml"}
    (disk / "prefect.yaml").write_text(yaml.safe_dump(deployments))
    service = Service(Store(disk / "artifacts"), disk, **PROXIES)
    yield service
    service.run("down")


def command(service, *arguments):
    """Run a command to its end, however busy the machine is; return how it ended."""
    return subprocess.run(
        [COMMAND, *arguments], env=service.environment(), capture_output=True, text=True
    )


class Hour:
    """What happens to a service, counted."""

    def __init__(self, service):
        self.service, self.random = service, random.Random(SEED)
        self.counted, self.commands = Counter(), 0
        self.predicted = self.corrected = 0
        self.started, self.left = [], None

    def is_short(self):
        """Tell whether a busy machine has left no time for all that an hour holds."""
        seldom = any(self.counted[victim] < LEAST_KILLS for victim in VICTIMS)
        return MINUTES >= WHOLE_MINUTES and (seldom or self.counted["full disk"] < FULL_DISKS)

    def note(self, text):
        """Say what happens; `pytest -s` shows it."""
        print(time.strftime("%H:%M:%S"), text, flush=True)  # noqa: T201

    def up(self):
        """Start the service, as whoever finds it dead does."""
        self.note("up")
        ended = command(self.service, "up", "--project", self.service.project)
        if ended.returncode:
            self.note(f"up said {ended.returncode}: {ended.stderr.strip()[-300:]}")
        return ended.returncode == 0

    def kill(self, victim):
        """Let one thing begin and end it in the middle; false if there was none."""
        process = getattr(self, f"find_{victim}")()
        if process is None:
            return False
        with suppress(psutil.Error):
            process.kill()
            self.counted[victim] += 1
            self.note(f"killed {victim} {process.pid}")
        return True

    def find_command(self):
        """Start a training in a terminal and return it after some seconds."""
        self.commands += 1
        config = self.service.project / "configs" / f"command-{self.commands}.yaml"
        config.write_text(yaml.safe_dump(CONFIG | {"seed": self.commands}))
        started = subprocess.Popen(
            [COMMAND, "train", "--config", config],
            env=self.service.environment(),
            cwd=self.service.project,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.started.append(started)
        time.sleep(self.random.uniform(1, 25))
        return psutil.Process(started.pid) if started.poll() is None else None

    def find_run(self):
        """Return the process of a flow run, some seconds after it was seen."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            found = [p for p in psutil.process_iter() if self.is_run(p)]
            if found:
                time.sleep(self.random.uniform(0, 10))
                if alive := [p for p in found if is_alive(p)]:
                    return self.random.choice(alive)
            time.sleep(0.5)
        return None

    def is_run(self, process):
        environ = read_environ(process)
        root = str(self.service.store.root)
        return RUN_VARIABLE in environ and environ.get(ARTIFACTS_VARIABLE) == root

    def find_worker(self):
        return self.find_part("worker")

    def find_server(self):
        return self.find_part("server")

    def find_supervisor(self):
        return self.find_part("supervisor")

    def find_part(self, name):
        time.sleep(self.random.uniform(0, 15))
        return self.find_marked(name)

    def find_marked(self, name):
        """Return a process of the service, None where it is dead."""
        state = read_state(self.service.store)
        mark = state and state.processes.get(name)
        return mark and find_process(mark)

    def use(self):
        """Predict some digits and correct one, as people do all the time."""
        store = self.service.store
        images = np.array(self.images[self.random.sample(range(len(self.images)), 5)])
        predictor = Predictor.load(store, MODEL)
        with suppress(DigitflowError):  # a full disk: told, and not counted
            with PredictionLog(store) as log:
                found = predictor.pipeline.predict_proba(images)
                statuses = ["read"] * len(images)
                version = predictor.champion.version
                log.add(name_images(images), found, statuses, MODEL, version)
            self.predicted += len(images)
        with suppress(DigitflowError):
            digits = [self.random.randrange(10)]
            self.corrected += add_corrections(store, images[:1], digits, "soak", "test")

    def fill_disk(self):
        """Leave no space for a while."""
        ballast = self.service.project / "ballast"
        with suppress(OSError), ballast.open("wb") as file:
            while True:
                file.write(bytes(2**20))
        self.counted["full disk"] += 1
        self.note("the disk is full")
        time.sleep(FULL_SECONDS)
        ballast.unlink()
        self.note("the disk has space again")

    def set_clock(self):
        """Set the machine's clock, and set it right again."""
        for step in (CLOCK_STEP_SECONDS, -CLOCK_STEP_SECONDS):
            time.clock_settime(time.CLOCK_REALTIME, time.time() + step)
            self.counted["clock step"] += 1
            self.note(f"the clock was set by {step:+} s")
            time.sleep(20)


def test_nothing_is_lost_in_an_hour_of_kills(service, handwriting, tell):
    began = time.monotonic()
    hour = Hour(service)
    hour.images = handwriting.images
    assert hour.up()
    service.finish(service.start_run(), seconds=300)
    until, events = time.monotonic() + 60 * MINUTES, draw_events(hour.random)
    while time.monotonic() < until or hour.is_short():
        event = next(events)
        if event in VICTIMS:
            hour.kill(event)
        elif event == "full disk":
            hour.fill_disk()
        elif MAY_SET_CLOCK:
            hour.set_clock()
        if hour.find_marked("supervisor") is None:
            wait_for(hour.up, seconds=600)
        hour.use()
    settle(hour)
    tell(f"{(time.monotonic() - began) / 60:.0f} minutes, seed {SEED}")
    for line in report(hour):
        tell(line)
    assert [each for each in hour.findings if each["level"] == "error"] == []


def draw_events(drawn):
    """Yield what happens: each victim equally often, and twice a full disk."""
    number = 0
    while True:
        yield from drawn.sample(VICTIMS, len(VICTIMS))
        number += 1
        if number in (3, 7):
            yield "full disk"
        if number == 5:
            yield "clock step"


def settle(hour):
    """Kill nothing any more: all that goes on ends, and what is left is whole."""
    service, store = hour.service, hour.service.store

    def are_ended():
        unfinished = {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}
        found = service.api("/flow_runs/filter", {"flow_runs": unfinished})
        left = sorted(
            f"{run['name']} {run['state']['name']}, {run['work_pool_name'] or 'a command'}"
            for run in found
        )
        if left != hour.left:
            hour.left = left
            hour.note(f"not ended yet: {left}")
        return not left

    for each in service.api("/deployments/filter", {}):
        if each["name"] in EVERY_MINUTE:
            service.api(f"/deployments/{each['id']}/pause_deployment", {})
    wait_for(are_ended, QUIET_SECONDS)
    for each in hour.started:
        each.wait()
    ended = command(service, "down")
    assert ended.returncode == 0, ended.stderr
    left = [p for p in psutil.process_iter() if is_of(p, store)]
    assert left == [], [p.cmdline() for p in left]
    assert {run["status"] for run in list_runs(store)} <= {
        "completed", "interrupted", "failed", "cancelled",
    }  # fmt: skip
    hour.findings = json.loads(command(service, "doctor", "--verify", "--json").stdout)
    history = list_history(store, MODEL)
    # One chain: each champion followed the one before it.
    assert [entry.predecessor for entry in history] == [e.id for e in history[1:]] + [0]
    assert history[0].version == read_champion(store, MODEL).version
    days = count_by_day(store, MODEL).values()
    assert sum(sum(day.values()) for day in days) == hour.predicted
    assert len(list_corrections(store)) == hour.corrected


def is_of(process, store):
    environ = read_environ(process)
    return environ.get(ARTIFACTS_VARIABLE) == str(store.root) and process.pid != os.getpid()


def report(hour):
    """Yield what was done to it and what is left; docs/unattended.md has a table of it."""
    runs = Counter(run["status"] for run in list_runs(hour.service.store))
    wrong = [each for each in hour.findings if each["level"] == "error"]
    yield f"done: {dict(hour.counted)}"
    yield f"records of runs: {dict(runs)}"
    yield f"kept: {hour.predicted} predictions, {hour.corrected} corrections"
    yield f"doctor: {wrong or 'nothing is wrong'}"
