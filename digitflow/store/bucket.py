"""A bucket on S3, or on a server that speaks its protocol: bytes under names.

Address and credentials are what the AWS variables, files and roles say (AWS_ENDPOINT_URL,
AWS_ACCESS_KEY_ID, AWS_PROFILE, ...). All waiting is bounded, and said in one sentence.
"""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from digitflow.errors import InputError, StorageError
from digitflow.store.files import ARTIFACTS_VARIABLE

Answer = TypeVar("Answer")

SCHEME = "s3://"
# What is larger goes up, and comes down, in parts of this size, so many at a time.
PART_BYTES, PARTS_AT_ONCE = 16 << 20, 4
CONNECT_SECONDS, READ_SECONDS = 5, 60
# A server that is started again is back by then.
PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
_TRANSIENT = {errno.EBUSY, errno.EREMOTEIO, errno.EAGAIN, errno.ECONNRESET, errno.EPIPE}
# Of two conditional puts at once, the second may have to come again.
_CONFLICT = "ConditionalRequestConflict"


class Listed(NamedTuple):
    """An object of a bucket: name, size in bytes, and a tag that changes with its content."""

    name: str
    bytes: int
    tag: str


class Traffic:
    """How many bytes this process has sent to buckets and got from them."""

    def __init__(self) -> None:
        self.sent = self.got = 0
        self._adding = threading.Lock()

    def add(self, sent: int = 0, got: int = 0) -> None:
        """Count what has just been moved."""
        with self._adding:
            self.sent += sent
            self.got += got


traffic = Traffic()


class Bucket:
    """A bucket, or what lies under a prefix in it.

    Parameters
    ----------
    url : str
        "s3://bucket" or "s3://bucket/prefix".
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
        self._prefix = f"{prefix}/" if prefix else ""

    def read(self, name: str) -> bytes | None:
        """Return the bytes under a name; None where there are none."""
        try:
            content: bytes = self._ask(
                "read", lambda system: system.cat_file(self._at(name), max_concurrency=1)
            )
        except FileNotFoundError:
            return None
        traffic.add(got=len(content))
        return content

    def read_into(self, name: str, path: Path, size: int) -> bool:
        """Fill a file of `size` bytes with those under a name; False where they are fewer."""
        starts = list(range(0, size, PART_BYTES))
        with path.open("r+b") as file:
            for first in range(0, len(starts), PARTS_AT_ONCE):
                batch = starts[first : first + PARTS_AT_ONCE]
                try:
                    parts = self._read_ranges(name, batch, size)
                except OSError as exc:
                    if isinstance(exc, FileNotFoundError) or exc.errno == errno.EINVAL:
                        return False  # gone, or it ends before the range begins
                    raise
                file.writelines(parts)
                traffic.add(got=sum(map(len, parts)))
            return file.tell() == size

    def _read_ranges(self, name: str, starts: list[int], size: int) -> list[bytes]:
        ends = [min(start + PART_BYTES, size) for start in starts]
        names = [self._at(name)] * len(starts)
        parts: list[bytes] = self._ask(
            "read",
            lambda system: system.cat_ranges(names, starts, ends, on_error="raise"),
            refusable=True,
        )
        return parts

    def write(self, name: str, content: bytes, kind: str = "application/octet-stream") -> str:
        """Put bytes under a name, whatever was there; return the tag of what is there now."""
        where = {"Bucket": self._bucket, "Key": self._prefix + name, "ContentType": kind}
        answer = self._ask(
            "written", lambda system: system.call_s3("put_object", **where, Body=content)
        )
        traffic.add(sent=len(content))
        return str(answer["ETag"])

    def create(self, name: str, source: Path) -> bool:
        """Put a file under a name that is free; False, and nothing done, where it is taken.

        Of several that try at once one wins (If-None-Match).
        """

        def put(system: Any) -> None:
            system.put_file(
                str(source),
                self._at(name),
                mode="create",
                chunksize=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )

        try:
            self._ask("written", put, refusable=True)
        except FileExistsError:
            return False
        except OSError as exc:
            # How s3fs tells of If-None-Match where a server says no more than 412.
            if exc.errno == errno.EINVAL and self.size_of(name) is not None:
                return False
            raise self._explain(exc, "written") from exc
        traffic.add(sent=source.stat().st_size)
        return True

    def size_of(self, name: str) -> int | None:
        """Return the size in bytes of what is under a name; None where nothing is."""
        where = {"Bucket": self._bucket, "Key": self._prefix + name}
        try:
            answer = self._ask(
                "looked at", lambda system: system.call_s3("head_object", **where)
            )
        except FileNotFoundError:
            return None
        return int(answer["ContentLength"])

    def list_objects(self, start: str) -> Iterator[Listed]:
        """Yield what there is under names that begin so, by name."""
        where = {"Bucket": self._bucket, "Prefix": self._prefix + start}
        more: dict[str, str] = {}
        while True:
            page = self._list_page(where | more)
            for each in page.get("Contents", ()):
                name = each["Key"].removeprefix(self._prefix)
                yield Listed(name, each["Size"], each["ETag"])
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _list_page(self, where: dict[str, str]) -> dict[str, Any]:
        page: dict[str, Any] = self._ask(
            "listed", lambda system: system.call_s3("list_objects_v2", **where)
        )
        return page

    def remove(self, name: str) -> None:
        """Remove what is under a name; nothing happens where nothing is."""
        where = {"Bucket": self._bucket, "Key": self._prefix + name}
        with suppress(FileNotFoundError):
            self._ask("removed", lambda system: system.call_s3("delete_object", **where))

    def check_writable(self) -> None:
        """Raise `StorageError` unless the bucket is there and takes an object now."""
        name = f"tmp/{os.getpid()}-{time.time_ns()}"
        self.write(name, b"")
        self.remove(name)

    def _at(self, name: str) -> str:
        return f"{self._bucket}/{self._prefix}{name}"

    def _ask(
        self, what: str, request: Callable[[Any], Answer], refusable: bool = False
    ) -> Answer:
        """Send a request, again after a while where the server could not answer.

        Parameters
        ----------
        refusable : bool
            Whether the server may refuse it for what it asks.

        Raises
        ------
        FileNotFoundError
            If nothing is under its name.
        FileExistsError, OSError of EINVAL
            If it is refused for what it asks, and `refusable`.
        StorageError
            If there is no such bucket, it refuses us, or nobody answers.
        """
        system = _open_file_system(os.getpid(), *_list_variables())
        for pause in (*PAUSES, None):
            try:
                return request(system)
            except FileNotFoundError as exc:
                if _read_code(exc) == "NoSuchBucket":
                    raise self._explain(exc, what) from exc
                raise
            except Exception as exc:
                if pause is not None and _is_transient(exc):
                    time.sleep(pause)
                elif refusable and _is_refusal(exc):
                    raise
                else:
                    raise self._explain(exc, what) from exc
        raise AssertionError("the last pause is None")

    def _explain(self, exc: Exception, what: str) -> StorageError:
        """Say in one sentence what is wrong with the bucket, and what to do."""
        kind, said = type(exc).__name__, str(exc) or type(exc).__name__
        if isinstance(exc, FileNotFoundError):
            hint = "there is no such bucket: make it, or name another"
        elif isinstance(exc, PermissionError):
            hint = (
                f"it refuses us ({said}): check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "and that they may list the bucket, and get, put and delete its objects"
            )
        elif "Credentials" in kind or "Profile" in kind:
            hint = f"{said}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        elif _is_transient(exc):
            hint = (
                f"its server doesn't answer ({said}): look at AWS_ENDPOINT_URL, and try again; "
                "what was finished is kept"
            )
        else:
            hint = said
        return StorageError(f"{self.url} ({ARTIFACTS_VARIABLE}) could not be {what}: {hint}")


def _is_transient(exc: Exception) -> bool:
    """Tell whether the same request may be answered a little later."""
    from botocore.exceptions import ConnectionError as Unreachable
    from botocore.exceptions import HTTPClientError
    from fsspec.exceptions import FSTimeoutError

    if isinstance(exc, (Unreachable, HTTPClientError, FSTimeoutError, ConnectionError)):
        return True
    if isinstance(exc, PermissionError):
        return False
    if isinstance(exc, TimeoutError) or _read_code(exc) == _CONFLICT:
        return True
    return getattr(exc, "errno", None) in _TRANSIENT


def _list_variables() -> list[tuple[str, str]]:
    return sorted(pair for pair in os.environ.items() if pair[0].startswith("AWS_"))


def _is_refusal(exc: Exception) -> bool:
    return isinstance(exc, FileExistsError) or getattr(exc, "errno", None) == errno.EINVAL


def _read_code(exc: BaseException) -> str:
    """Return the server's own name of an error."""
    answer = getattr(exc.__cause__, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))


@lru_cache(maxsize=1)
def _open_file_system(process: int, *variables: tuple[str, str]) -> Any:
    """Return the connection of a process, which does not survive a fork, to what is named."""
    try:
        from s3fs import S3FileSystem
    except ImportError as exc:
        raise InputError(
            f"{ARTIFACTS_VARIABLE}={SCHEME}... needs the extra s3: pip install 'digitflow[s3]'"
        ) from exc
    # How often is asked again is said here alone, see `PAUSES`.
    system = S3FileSystem(
        anon=False,
        skip_instance_cache=True,
        use_listings_cache=False,
        config_kwargs={
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": READ_SECONDS,
            "retries": {"total_max_attempts": 1, "mode": "standard"},
            "max_pool_connections": 64,
        },
    )
    system.retries = 1
    return system
