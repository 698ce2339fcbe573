"""`digitflow serve`: one picture a request, sixteen clients, and a champion promoted meanwhile.

Contract, in one run on one machine, by a real server process and clients over the loopback:

- sixteen clients, each of which sends a 28x28 PNG of a digit when its last one was
  answered, get 400 answers a second or more, 99 of 100 within 100 ms, none of them an error;
- the same while another version is promoted: no error, and the new version answers at the end.

Printed beside: processor seconds of the server and of the clients for a thousand requests,
how many requests were answered together, and the same figures for drawings of 280x280
pixels, in which digits are found first (no target).

The champion is that of the current store, with its files copied into a folder that goes
again; without one, a small model is fitted on the digits of scikit-learn.

    python benchmarks/bench_serve.py
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import psutil
from bench_predict import crown_small_model
from measuring import COMMAND, find_mnist

from digitflow.config.data import BuiltinSource, MnistSource
from digitflow.data.sources import builtin, mnist
from digitflow.errors import InputError
from digitflow.registry.history import append_entry, find_champion
from digitflow.registry.versions import list_files
from digitflow.store.artifacts import ARTIFACTS_VARIABLE, Store, open_store
from digitflow.workers.local import count_cores

CLIENTS, SECONDS, WARM_SECONDS = 16, 10.0, 2.0
MIN_RATE, MAX_P99_MS = 400, 100.0
PICTURES, ENLARGED = 1000, 10
CLIENT = "--client"


def main() -> int:
    """Measure all and return the number of missed targets."""
    print(f"cores: {count_cores()}, clients: {CLIENTS}")
    with tempfile.TemporaryDirectory() as work:
        store = copy_champion(Path(work) / "artifacts")
        champion = find_champion(store)
        print(
            f"model: {champion.name} version {champion.version}, {champion.model.bytes:,} bytes"
        )
        digits = load_digits()
        lone = write_requests(Path(work) / "lone", digits)
        drawn = write_requests(Path(work) / "drawn", [enlarge(digit) for digit in digits])
        with Served(store) as served:
            missed = measure(served, "28x28, one digit", lone)
            missed += measure_promotion(served, store, lone)
            measure(served, "280x280, digits found", drawn, has_target=False)
    return missed


def copy_champion(root: Path) -> Store:
    """Return a store of our own with the current store's champion, or with a small model."""
    ours = Store(root)
    ours.check_writable()
    try:
        theirs = open_store()
        champion = find_champion(theirs)
    except InputError as exc:
        print(f"{exc} A small one is fitted for this.")
        return crown_small_model(ours)
    for ref in list_files(champion.bundle).values():
        ours.path_of(ref).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(theirs.path_of(ref), ours.path_of(ref))
    append_entry(ours, champion, 0, "bootstrap", "copied for a measurement")
    return ours


def load_digits() -> np.ndarray:
    """Return MNIST's first test images, or scikit-learn's digits, uint8 (n, 28, 28)."""
    folder = find_mnist()
    if folder is None:
        return builtin.load(BuiltinSource()).train.images[:PICTURES]
    return mnist.load(MnistSource(folder=folder)).test.images[:PICTURES]


def enlarge(digit: np.ndarray) -> np.ndarray:
    """Return a digit as people draw it: dark on white, ten times as large."""
    return 255 - cv2.resize(digit, None, fx=ENLARGED, fy=ENLARGED)


def write_requests(folder: Path, pictures) -> Path:
    """Write each picture's PNG; return the folder."""
    folder.mkdir()
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder


class Served:
    """A server process of a store."""

    def __init__(self, store: Store) -> None:
        environment = os.environ | {ARTIFACTS_VARIABLE: str(store.root.resolve())}
        self.process = subprocess.Popen(
            [COMMAND, "serve", "--port", "0"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(re.search(r":(\d+);", self.process.stdout.readline())[1])

    def __enter__(self) -> "Served":
        while self.process.poll() is None:
            try:
                self.get("/ready")
            except OSError:
                time.sleep(0.2)
            else:
                return self
        raise RuntimeError("the server has ended")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}") as answer:
            return answer.read().decode()

    def count(self, metric: str) -> float:
        return float(re.search(rf"^{metric}(?:{{.*}})? (.*)$", self.get("/metrics"), re.M)[1])

    def used(self) -> float:
        """Return its processor seconds so far."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system


def measure(served: Served, name: str, folder: Path, has_target: bool = True) -> int:
    """Print what clients get in some seconds; return the number of missed targets."""
    run_clients(served.port, folder, WARM_SECONDS)
    before = served.used(), served.count("digitflow_batch_requests_count")
    waits, errors, client_seconds = run_clients(served.port, folder, SECONDS)
    used = served.used() - before[0]
    batches = served.count("digitflow_batch_requests_count") - before[1]
    rate, p99 = len(waits) / SECONDS, 1000 * np.percentile(waits, 99)
    missed = has_target * ((rate < MIN_RATE) + bool(p99 > MAX_P99_MS) + bool(errors))
    word = ("MISSED" if missed else "ok") if has_target else ""
    print(
        f"{name}: {rate:,.0f} answers a second (at least {MIN_RATE}), "
        f"50 % within {1000 * np.percentile(waits, 50):.1f} ms, 99 % within {p99:.1f} ms "
        f"(at most {MAX_P99_MS:g} ms), {errors} errors {word}"
    )
    each = 1000 / max(1, len(waits))
    print(
        f"  processor seconds for 1,000 requests: server {used * each:.2f}, clients "
        f"{client_seconds * each:.2f}; together in a batch: {len(waits) / batches:.1f}"
    )
    return missed


def measure_promotion(served: Served, store: Store, folder: Path) -> int:
    """Promote another version while clients ask; return the number of missed targets."""
    champion = find_champion(store)
    following = champion.model_copy(update={"version": str(int(champion.version) + 1)})
    promoting = threading.Timer(
        SECONDS / 2, append_entry, (store, following, champion.entry, "promote", "measured")
    )
    promoting.start()
    missed = measure(served, "a champion promoted meanwhile", folder)
    promoting.join()
    answers = f'"version":"{following.version}"' in served.get("/ready")
    print(
        f"  version {following.version} {'answers' if answers else 'does not answer: MISSED'}"
    )
    return missed + (not answers)


def run_clients(port: int, folder: Path, seconds: float) -> tuple[np.ndarray, int, float]:
    """Ask from a process of its own; return waits (s), errors, its processor seconds."""
    command = [sys.executable, __file__, CLIENT, str(port), str(folder), str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    waits = np.frombuffer(done.stdout, float)
    return waits[2:], int(waits[0]), float(waits[1])


def be_clients(port: int, folder: Path, seconds: float) -> None:
    """Ask as all clients, a thread each; write errors, processor seconds and waits."""
    requests = [write_request(file.read_bytes()) for file in sorted(folder.iterdir())]
    waits: list[float] = []
    errors: list[str] = []
    began, ends = time.process_time(), time.perf_counter() + seconds
    clients = [
        threading.Thread(target=ask, args=(port, requests[n::CLIENTS], ends, waits, errors))
        for n in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    for error in errors[:3]:
        print(error, file=sys.stderr)
    found = [len(errors), time.process_time() - began, *waits]
    sys.stdout.buffer.write(np.array(found, float).tobytes())


def write_request(body: bytes) -> bytes:
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def ask(port: int, requests: list[bytes], ends: float, waits: list, errors: list) -> None:
    """Ask one thing after the other on one connection: bare sockets cost the least."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = 0
        while (began := time.perf_counter()) < ends:
            connection.sendall(requests[number % len(requests)])
            answer = receive(connection)
            waits.append(time.perf_counter() - began)
            if not answer.startswith(b"HTTP/1.1 200"):
                errors.append(answer.decode(errors="replace"))
            number += 1


def receive(connection: socket.socket) -> bytes:
    """Return a whole answer."""
    answer = connection.recv(1 << 16)
    head, _, body = answer.partition(b"\r\n\r\n")
    size = int(re.search(rb"content-length: (\d+)", head)[1])
    while len(body) < size:
        part = connection.recv(1 << 16)
        if not part:
            raise ConnectionError("the server has closed the connection")
        body += part
    return head + body


if __name__ == "__main__":
    if CLIENT in sys.argv:
        be_clients(int(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))
        sys.exit(0)
    sys.exit(1 if main() else 0)
