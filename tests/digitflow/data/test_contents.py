"""What was saved in a file's place is called by its name."""

import gzip

import pytest

from digitflow.data.contents import require_data
from digitflow.errors import InputError

PAGE = b"\n<!DOCTYPE html>\n<html><head><title>403\x1b[31m Forbidden</title></head></html>"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("page", [PAGE, b"<HTML>", b"<?xml version='1.0'?><Error>", PAGE[1:]])
def test_a_web_page_is_called_one(tmp_path, pack, page):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(pack(page))
    with pytest.raises(InputError, match=r"is a web page.*again, from here$") as caught:
        require_data(path, "from here")
    assert str(path) in str(caught.value)


def test_its_title_is_shown_without_what_a_terminal_takes_for_a_command(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(PAGE)
    with pytest.raises(InputError, match=r'web page \("403\[31m Forbidden"\)'):
        require_data(path)


def test_a_pointer_of_git_is_called_one(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(InputError, match="git lfs pull"):
        require_data(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"label,pixel0\n1,2\n", gzip.compress(PAGE)[:20]],
    # Not by their bytes: gzip's hold the second at which a process collects its tests.
    ids=["empty", "table", "cut off"],
)
def test_other_files_pass(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    require_data(path)
    require_data(tmp_path / "gone")
