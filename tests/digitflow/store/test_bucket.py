"""A bucket on moto's server, by the real protocol."""

import os
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from digitflow.errors import InputError, StorageError
from digitflow.store import bucket as module
from digitflow.store.bucket import Bucket, Listed, traffic


@pytest.fixture
def bucket(bucket_url):
    return Bucket(bucket_url)


def test_bytes_come_back_under_their_name_and_nothing_under_others(bucket):
    tag = bucket.write("runs/a/run.json", b"one")
    assert bucket.read("runs/a/run.json") == b"one"
    assert bucket.size_of("runs/a/run.json") == 3
    assert bucket.write("runs/a/run.json", b"two!") != tag
    assert bucket.read("runs/a/run.json") == b"two!"
    assert bucket.read("runs/b/run.json") is None
    assert bucket.size_of("runs/a") is None
    bucket.remove("runs/a/run.json")
    bucket.remove("runs/a/run.json")
    assert bucket.read("runs/a/run.json") is None


def test_what_is_listed_begins_as_asked_and_has_its_size_and_tag(bucket):
    tags = {name: bucket.write(name, b"x" * 3) for name in ("a/1 ü", "a/2", "ab", "b/1")}
    assert list(bucket.list_objects("a/")) == [
        Listed("a/1 ü", 3, tags["a/1 ü"]),
        Listed("a/2", 3, tags["a/2"]),
    ]
    assert [each.name for each in bucket.list_objects("")] == sorted(tags)
    assert list(Bucket(f"{bucket.url}/c").list_objects("")) == []


def test_more_than_a_page_is_listed(bucket, monkeypatch):
    names = [f"many/{number}" for number in range(7)]
    for name in names:
        bucket.write(name, b"")
    ask = bucket._ask

    def ask_for_few(what, request, refusable=False):
        class Few:
            def __init__(self, system):
                self.system = system

            def call_s3(self, method, **where):
                return self.system.call_s3(method, MaxKeys=3, **where)

        return ask(what, lambda system: request(Few(system)), refusable)

    monkeypatch.setattr(bucket, "_ask", ask_for_few)
    assert [each.name for each in bucket.list_objects("many/")] == names


@pytest.mark.parametrize("size", [0, 5, 3000, 3001])
def test_a_file_comes_down_whole_or_in_parts(bucket, tmp_path, monkeypatch, size):
    content = os.urandom(size)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(content)
    target.write_bytes(bytes(size))
    assert bucket.create("x.npy", source)
    monkeypatch.setattr(module, "PART_BYTES", 1000)
    assert bucket.read_into("x.npy", target, size)
    assert target.read_bytes() == content


def test_a_file_above_s3s_smallest_part_goes_up_in_parts(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PART_BYTES", 5 << 20)
    source = tmp_path / "source"
    source.write_bytes(os.urandom(12 << 20))
    assert bucket.create("x.npy", source)
    assert not bucket.create("x.npy", source)
    assert bucket.read("x.npy") == source.read_bytes()


def test_fewer_bytes_than_were_wanted_are_told(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PART_BYTES", 10)
    target = tmp_path / "target"
    target.write_bytes(bytes(55))
    assert not bucket.read_into("gone", target, 55)
    bucket.write("short", bytes(20))
    assert not bucket.read_into("short", target, 55)
    bucket.write("short", bytes(54))
    assert not bucket.read_into("short", target, 55)


def test_of_sixteen_that_put_at_once_one_wins(bucket, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"same")
    ready = threading.Barrier(16)

    def put(_):
        ready.wait()
        return bucket.create("models/x", source)

    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(put, range(16))) == [False] * 15 + [True]
    assert bucket.read("models/x") == b"same"


@pytest.mark.parametrize("refusal", [FileExistsError("412"), OSError(22, "pre-conditions")])
def test_both_ways_of_refusing_a_second_put_are_known(bucket, tmp_path, monkeypatch, refusal):
    source = tmp_path / "source"
    source.write_bytes(b"same")
    bucket.create("x", source)

    class Server:
        def put_file(self, *_, **__):
            raise refusal

        def call_s3(self, *_, **__):
            return {"ContentLength": 4}

    monkeypatch.setattr(module, "_open_file_system", lambda *_: Server())
    assert not bucket.create("x", source)


def test_another_refusal_than_of_a_second_put_is_an_error(bucket, tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.write_bytes(b"same")

    class Server:
        def put_file(self, *_, **__):
            raise OSError(22, "the digest is bad")

        def call_s3(self, *_, **__):
            raise FileNotFoundError

    monkeypatch.setattr(module, "_open_file_system", lambda *_: Server())
    with pytest.raises(StorageError, match=r"s3://.*could not be written: .*digest is bad"):
        bucket.create("x", source)


def test_bytes_are_counted_both_ways(bucket, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(bytes(100))
    sent, got = traffic.sent, traffic.got
    bucket.create("x", source)
    bucket.create("x", source)
    bucket.write("y", bytes(10))
    bucket.read("y")
    bucket.read_into("x", source, 100)
    assert (traffic.sent - sent, traffic.got - got) == (110, 110)


def test_a_bucket_that_is_not_there_is_one_sentence(bucket):
    for use in (lambda b: b.write("x", b""), lambda b: list(b.list_objects(""))):
        with pytest.raises(StorageError, match=r"s3://nowhere.*there is no such bucket"):
            use(Bucket("s3://nowhere/x"))
    with pytest.raises(StorageError, match="no such bucket"):
        Bucket("s3://nowhere/x").check_writable()
    bucket.check_writable()
    assert list(bucket.list_objects("")) == []


def test_a_server_that_is_not_there_is_asked_for_a_while_and_then_named(bucket, monkeypatch):
    monkeypatch.setattr(module, "PAUSES", (0.01, 0.01))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    with pytest.raises(StorageError, match=rf"doesn't answer.*{address}.*AWS_ENDPOINT_URL"):
        bucket.read("x")


def test_without_credentials_it_is_said_which(bucket, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(StorageError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        bucket.write("x", b"")


def test_a_refusal_of_rights_names_them(bucket, monkeypatch):
    class Server:
        def call_s3(self, *_, **__):
            raise PermissionError("Access Denied")

    monkeypatch.setattr(module, "_open_file_system", lambda *_: Server())
    with pytest.raises(StorageError, match=r"refuses us \(Access Denied\).*may list"):
        bucket.write("x", b"")


def test_what_fails_for_a_moment_is_asked_again(bucket, monkeypatch):
    monkeypatch.setattr(module, "PAUSES", (0.01,) * 3)
    answers = [OSError(16, "SlowDown"), ConnectionResetError(), {"ContentLength": 7}]

    class Server:
        def call_s3(self, *_, **__):
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    monkeypatch.setattr(module, "_open_file_system", lambda *_: Server())
    assert bucket.size_of("x") == 7
    assert not answers


def test_without_the_extra_it_is_named(bucket, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setenv("AWS_PROFILE", "another-connection")
    with pytest.raises(InputError, match=r"needs the extra s3: pip install 'digitflow\[s3\]'"):
        bucket.read("x")
