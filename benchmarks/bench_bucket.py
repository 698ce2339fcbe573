"""How many bytes go through a run's own process when its arrays lie in a bucket.

Contract: `configs/mnist.yaml` is trained on a cluster of two workers of one slot, the store in
a bucket, the run and each worker with a folder of its own, as on three machines; then in a
folder, by processes of this machine. The digests of all that tasks put out are equal, and what
the run's process sends to the bucket and gets from it is at most 5 % of what the workers read:
the inputs of the tasks that they compute. They fetch less than that, since they keep copies;
what goes over the wire is counted by proxies between each of them and the server.

The server is SeaweedFS where `weed` is installed, else moto's. Without MNIST, or with
`--small`, `configs/digits.yaml` is trained, whose bytes are too few to tell.
"""

import argparse
import json
import os
import re
import socket
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from measuring import COMMAND, REPOSITORY, find_mnist, run_server
from s3_servers import CLIENT, WEED, find_port, make_bucket, run_process, run_s3

from digitflow.formatting import format_bytes
from digitflow.store.artifacts import Store
from digitflow.store.runs import list_runs, read_events, summarise_tasks

BUCKET, MAX_SHARE = "bench", 0.05
DASK = Path(sys.executable).with_name("dask")
START_SECONDS = 120


class CountingProxy:
    """Hands bytes on between clients and a port of this machine, and counts them."""

    def __init__(self, port):
        self.port, self.sent, self.got = port, 0, 0
        self._counting = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self.port))
            for source, target, name in ((client, server, "sent"), (server, client, "got")):
                threading.Thread(
                    target=self._hand_on, args=(source, target, name), daemon=True
                ).start()

    def _hand_on(self, source, target, name):
        try:
            while piece := source.recv(1 << 18):
                target.sendall(piece)
                with self._counting:
                    setattr(self, name, getattr(self, name) + len(piece))
            target.shutdown(socket.SHUT_WR)
        except OSError:
            target.close()


def read_outputs(store):
    """Return {task: digests of what it put out} of the newest run."""
    tasks = summarise_tasks(read_events(store, list_runs(store)[0]["run"]))
    return {
        name: [output["digest"] for output in facts.get("outputs", ())]
        for name, facts in tasks.items()
        if "key" in facts
    }


def count_read(store):
    """Return the bytes of the inputs of all tasks that workers computed in the newest run."""
    events = read_events(store, list_runs(store)[0]["run"])
    made = (output for event in events for output in event.get("outputs", ()))
    sizes = {output["digest"]: output["bytes"] for output in made}
    keys = {event["task"]: event for event in events if event["event"] == "key"}
    total = 0
    for event in events:
        if event["event"] == "computed" and "host" in event and event["task"] in keys:
            text = json.dumps(keys[event["task"]]["inputs"])
            digests = set(re.findall(r"\b[0-9a-f]{32}\b", text))
            total += sum(sizes.get(digest, 0) for digest in digests)
    return total


def train(config, environ, log):
    began = time.monotonic()
    with run_process([COMMAND, "train", "--config", str(config)], log, environ) as process:
        if process.wait():
            raise RuntimeError(log.read_text()[-2000:])
    return time.monotonic() - began


def wait_for_text(path, text):
    deadline = time.monotonic() + START_SECONDS
    while text not in path.read_text():
        if time.monotonic() > deadline:
            raise RuntimeError(path.read_text()[-2000:])
        time.sleep(0.1)


def train_on_cluster(folder, config, stack):
    """Train with the store in a bucket; return the store, the proxies and the seconds."""
    port = stack.enter_context(run_s3(folder / "s3"))
    make_bucket(port, BUCKET)
    flow, workers = CountingProxy(port), CountingProxy(port)
    scheduler = find_port()
    address = f"tcp://127.0.0.1:{scheduler}"
    stack.enter_context(run_process(
        [DASK, "scheduler", "--host", "127.0.0.1", "--port", str(scheduler), "--no-dashboard"],
        folder / "scheduler.log",
    ))  # fmt: skip
    wait_for_text(folder / "scheduler.log", "Scheduler at")
    for number in (1, 2):
        own = {
            "AWS_ENDPOINT_URL": workers.url, "DIGITFLOW_CACHE": str(folder / f"worker-{number}")
        }  # fmt: skip
        command = [
            DASK, "worker", address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny",
            "--no-dashboard", "--name", f"worker-{number}",
        ]  # fmt: skip
        log = folder / f"worker-{number}.log"
        stack.enter_context(run_process(command, log, os.environ | CLIENT | own))
        wait_for_text(log, "Registered to")
    os.environ.update(CLIENT | {"AWS_ENDPOINT_URL": flow.url})
    store = Store(folder / "flow", f"s3://{BUCKET}/store")
    environ = stack.enter_context(run_server(store))
    environ = environ | {"DIGITFLOW_CLUSTER": address}
    flow.sent = flow.got = 0
    return store, flow, workers, train(config, environ, folder / "train.log")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="configs/digits.yaml")
    parser.add_argument("--folder", type=Path, help="another place than a temporary one")
    arguments = parser.parse_args()
    small = arguments.small or find_mnist() is None
    config = REPOSITORY / "configs" / ("digits.yaml" if small else "mnist.yaml")
    with ExitStack() as stack:
        folder = arguments.folder
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(exist_ok=True)
        store, flow, workers, seconds = train_on_cluster(folder, config, stack)
        read = count_read(store)
        share = (flow.sent + flow.got) / read
        print(f"server                     {'SeaweedFS' if WEED.exists() else 'moto'}")
        print(f"trained on the cluster in  {seconds:.0f} s")
        print(f"run's process sent         {format_bytes(flow.sent)}")
        print(f"run's process got          {format_bytes(flow.got)}")
        print(f"workers sent               {format_bytes(workers.sent)}")
        print(f"workers got                {format_bytes(workers.got)}")
        print(f"workers read               {format_bytes(read)}")
        print(f"through the run's process  {share:.1%} of it (at most {MAX_SHARE:.0%})")
        outputs = read_outputs(store)
        local = Store(folder / "local")
        with run_server(local) as environ:
            seconds = train(config, environ, folder / "local.log")
        print(f"trained in a folder in     {seconds:.0f} s")
        equal = sum(
            outputs.get(name) == digests for name, digests in read_outputs(local).items()
        )
        print(f"equal outputs of tasks     {equal} of {len(outputs)}")
        sys.exit(equal != len(outputs) or (not small and share > MAX_SHARE))


if __name__ == "__main__":
    main()
