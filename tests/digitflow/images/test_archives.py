"""An archive is read by what it holds, not by what it claims; nothing of it reaches a disk."""

import contextlib
import io
import random
import struct
import zipfile
import zlib

import cv2
import numpy as np
import pytest

from digitflow.errors import InputError
from digitflow.images import archives
from digitflow.images.archives import count_files, is_archive, iterate_archive


def write_png(level=9):
    return cv2.imencode(".png", np.full((12, 12), level, np.uint8))[1].tobytes()


def pack(files, method=zipfile.ZIP_DEFLATED):
    """Return a ZIP archive of (name, content)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def read(content):
    return [(entry.name, entry.content, entry.error) for entry in iterate_archive(content, "z")]


def read_error(content):
    """Return the one error of an archive with one file."""
    ((_, content, error),) = read(content)
    assert content == b""
    return error


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_pictures_come_in_the_order_of_the_archive_with_their_names(method):
    files = [("b/2.png", write_png(2)), ("a/1.PNG", write_png(1)), ("0.png", write_png(0))]
    content = pack(files, method)
    assert is_archive(content)
    assert read(content) == [(f"z/{name}", png, None) for name, png in files]


def test_what_a_file_is_is_told_by_its_content_and_what_is_no_picture_is_passed_over():
    files = [("digit", write_png()), ("read.txt", b"me"), ("scan.png", b"text"), ("d/", b"")]
    assert [name for name, _, _ in read(pack(files))] == ["z/digit", "z/scan.png"]


def test_what_a_computer_hides_is_passed_over():
    hidden = ["__MACOSX/._1.png", ".thumbs/1.png", "a/.1.png"]
    files = [(name, write_png()) for name in [*hidden, "a/1.png"]]
    assert [name for name, _, _ in read(pack(files))] == ["z/a/1.png"]
    assert count_files(pack(files)) == 1


@pytest.mark.parametrize(
    "name",
    ["../1.png", "a/../../1.png", "/etc/1.png", "..\\1.png", "C:\\1.png", "\\\\h\\1.png"],
)
def test_a_name_that_leads_out_of_the_archive_is_refused(name):
    assert "leads out" in read_error(pack([(name, write_png())]))


def test_a_name_can_command_no_terminal():
    ((name, _, _),) = read(pack([("\x1b[31m\u202e1.png", write_png())]))
    assert name == "z/?[31m?1.png"


def test_an_archive_in_an_archive_is_refused_whatever_it_is_called():
    inner = pack([("1.png", write_png())])
    assert "archive in an archive" in read_error(pack([("inner.png", inner)]))


def test_a_bomb_is_unpacked_no_further_than_the_limit(monkeypatch):
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 1 << 20)
    zeros = write_png() + bytes(700_000)
    entries = iterate_archive(pack([("1.png", zeros), ("2.png", zeros)]), "z")
    assert next(entries).name == "z/1.png"
    with pytest.raises(InputError, match="unpacks to more than 1 MB"):
        next(entries)


def test_a_files_size_is_what_is_unpacked_not_what_is_claimed(monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 100_000)
    content = bytearray(pack([("1.png", write_png() + bytes(1 << 20))]))
    for place in (22, content.index(b"PK\1\2") + 24):
        content[place : place + 4] = struct.pack("<I", 10)
    ((_, unpacked, error),) = read(bytes(content))
    assert error or len(unpacked) <= 100_001
    ((_, unpacked, error),) = read(pack([("1.png", write_png() + bytes(1 << 20))]))
    assert len(unpacked) == 100_001


def test_files_that_share_their_bytes_count_each_time(monkeypatch):
    """The flat bomb: a list of files of which each is the same few bytes."""
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 1 << 20)
    one = pack([("1.png", write_png() + bytes(300_000))])
    start, end = one.index(b"PK\1\2"), one.rindex(b"PK\5\6")
    entry = one[start:end]
    record = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 9, 9, 9 * len(entry), start, 0)
    content = one[:start] + entry * 9 + record
    taken = 0
    with contextlib.suppress(InputError):
        for entry in iterate_archive(content, "z"):
            taken += len(entry.content)
    assert 0 < taken <= 1 << 20


def test_too_many_files_are_refused(monkeypatch):
    monkeypatch.setattr(archives, "MAX_ENTRIES", 3)
    with pytest.raises(InputError, match="holds 4 files"):
        read(pack([(f"{number}.png", write_png()) for number in range(4)]))


def test_a_list_of_files_is_not_read_that_is_larger_than_it_may_be(monkeypatch):
    monkeypatch.setattr(archives, "_MAX_DIRECTORY_BYTES", 100)
    with pytest.raises(InputError, match="list of files claims"):
        read(pack([(f"{number}.png", write_png()) for number in range(4)]))


def test_an_archive_larger_than_a_file_may_be_is_refused(monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 10)
    with pytest.raises(InputError, match="unpack it"):
        read(pack([("1.png", write_png())]))


def test_a_password_and_other_methods_are_said(tmp_path):
    content = bytearray(pack([("1.png", write_png())]))
    for place in (6, content.index(b"PK\1\2") + 8):
        content[place] |= 1
    assert "password" in read_error(bytes(content))
    assert "method 14" in read_error(pack([("1.png", write_png())], zipfile.ZIP_LZMA))


def test_a_damaged_entry_costs_only_itself():
    content = bytearray(pack([("1.png", bytes(range(256)) * 9), ("2.png", write_png())]))
    content[60] ^= 0xFF
    (_, _, error), (_, png, none) = read(bytes(content))
    assert "can't be unpacked" in error
    assert (png, none) == (write_png(), None)


def test_files_are_counted_before_they_are_read():
    content = pack([("a/1.png", b""), ("2.png", b""), ("a/", b"")])
    assert [count_files(each) for each in (content, write_png(), content[:40])] == [2, 1, 1]


def test_without_a_picture_it_is_an_error():
    for files in ([], [("read.txt", b"me")]):
        with pytest.raises(InputError, match="no picture file in it"):
            read(pack(files))


def test_whatever_is_broken_ends_in_an_error_of_ours():
    whole, rng = (
        pack([("1.png", write_png()), ("a/2.png", zlib.compress(b"x"))]),
        random.Random(0),
    )
    for _ in range(3000):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        with contextlib.suppress(InputError):
            read(bytes(content[: rng.choice([len(content), rng.randrange(len(content))])]))
