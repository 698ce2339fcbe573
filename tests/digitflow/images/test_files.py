"""Real files, pipes and pages; Pillow writes the documents."""

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digitflow.errors import InputError
from digitflow.images import files
from digitflow.images.files import Document, decode_picture, find_files, read_content
from digitflow.images.pictures import MAX_FILE_BYTES, MAX_PAGES


@pytest.fixture
def pages(draw_digit):
    return [
        Image.fromarray(255 - draw_digit(digit, side=80 + 10 * int(digit))) for digit in "123"
    ]


def save(pages, kind, **options):
    file = io.BytesIO()
    pages[0].save(file, kind, save_all=True, append_images=pages[1:], **options)
    return file.getvalue()


def test_a_missing_file_a_folder_and_no_name_are_refused(tmp_path):
    for path in (tmp_path / "nothing.png", tmp_path):
        with pytest.raises(InputError, match="can't read the picture") as caught:
            read_content(path)
        assert str(path) in str(caught.value)
    with pytest.raises(InputError, match="path is empty: name a file"):
        read_content("")
    with pytest.raises(InputError, match=r"can't read the picture .*null"):
        read_content("a\0b")


def test_a_file_of_too_many_bytes_is_refused_by_name(tmp_path):
    path = tmp_path / "long.png"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(InputError, match=r"long.png has more than 64 MB"):
        files.read_picture(path)
    if Path("/dev/zero").exists():
        with pytest.raises(InputError, match=r"/dev/zero has more than 64 MB"):
            files.read_picture(Path("/dev/zero"))
    pdf = b"%PDF-1.7" + bytes(MAX_FILE_BYTES)
    with pytest.raises(InputError, match=r"it has more than 64 MB"):
        Document(pdf, "it")


@pytest.fixture
def pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_pipe_that_nobody_writes_ends_with_a_word(pipe, monkeypatch):
    monkeypatch.setattr(files, "PIPE_SECONDS", 0.1)
    with pytest.raises(InputError, match=r"pipe: nothing was written into it for 0.1 s"):
        read_content(pipe)


def test_a_pipe_is_read_to_its_end(pipe):
    content = np.random.default_rng(0).bytes(300_000)
    writer = threading.Thread(target=lambda: pipe.write_bytes(content))
    writer.start()
    assert read_content(pipe) == content
    writer.join()


def test_a_terminal_is_not_waited_for(monkeypatch):
    main, terminal = os.openpty()
    with os.fdopen(terminal) as typed:
        monkeypatch.setattr("sys.stdin", typed)
        with pytest.raises(InputError, match="standard input is a terminal"):
            read_content("-")
    os.close(main)


def test_a_device_without_content_is_no_picture():
    with pytest.raises(InputError, match="it is empty"):
        files.read_picture("/dev/null")


@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_every_page_is_read(pages, kind):
    document = Document(save(pages, kind, resolution=200), "it")
    assert document.pages == 3
    for number, page in enumerate(pages, start=1):
        gray, reduction = document.read(number)
        assert reduction == 1
        # A page of a PDF is as large as paper, not as pixels.
        shown = np.asarray(page.resize(gray.shape[::-1])).astype(int)
        assert np.abs(np.subtract(gray.shape, page.size[::-1])).max() <= 1
        assert np.abs(gray - shown).mean() < 4


def test_one_page_alone_is_one_picture(pages):
    assert Document(save(pages[:1], "TIFF"), "it").pages is None
    assert Document(save(pages[:1], "PDF"), "it").pages == 1
    for kind in ("TIFF", "PDF"):
        assert max(decode_picture(save(pages[:1], kind, resolution=200), "it").shape) in (
            90,
            91,
        )


@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_where_one_picture_is_expected_pages_are_refused(pages, kind):
    with pytest.raises(InputError, match="it has 3 pages, one picture is expected here"):
        decode_picture(save(pages, kind), "it")


def test_the_small_copy_that_a_camera_adds_is_no_page(pages):
    content = bytearray(save(pages[:2], "TIFF", tiffinfo={254: 1}))
    # Pillow marks both; the first is a page whatever it says.
    assert content.count(b"\xfe\x00\x04\x00\x01\x00\x00\x00\x01\x00\x00\x00") == 2
    assert Document(bytes(content), "it").pages is None


def test_too_many_pages_are_refused():
    page = Image.new("L", (1, 1))
    with pytest.raises(InputError, match="it has more than 1,000 pages: split it"):
        Document(save([page] * (MAX_PAGES + 1), "TIFF"), "it")


def test_a_large_page_gets_fewer_dots(monkeypatch, pages):
    monkeypatch.setattr(files, "_PAGE_PIXELS", 2500)
    assert decode_picture(save(pages[:1], "PDF", resolution=200), "it").size <= 2601


def test_a_damaged_pdf_is_refused():
    with pytest.raises(InputError, match="it is a PDF that can't be read, damaged or locked"):
        Document(b"%PDF-1.7 and nothing more", "it")


def test_without_its_extra_a_pdf_is_refused_with_the_way_out(tmp_path, pages):
    (tmp_path / "pypdfium2.py").write_text("raise ImportError")
    (tmp_path / "a.pdf").write_bytes(save(pages, "PDF"))
    code = (
        "import sys; from digitflow.images.files import read_picture; read_picture(sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.pdf"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "a.pdf is a PDF, which needs the extra pdf: pip install" in done.stderr


def test_folders_and_patterns_stand_for_the_pictures_in_them(tmp_path):
    names = ["a.png", "b.JPG", "notes.txt", ".hidden.png", "sub/c.pdf", ".git/d.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [str(tmp_path / name) for name in ("a.png", "b.JPG", "sub/c.pdf")]
    assert find_files(str(tmp_path)) == found
    assert find_files(f"{tmp_path}/*.png") == found[:1]
    assert find_files(f"{tmp_path}/s*") == found[2:]
    assert find_files(f"{tmp_path}/**/*.pdf") == found[2:]
    for name in (str(tmp_path / "notes.txt"), str(tmp_path / "nothing.png"), "-", ""):
        assert find_files(name) == [name]


def test_a_pattern_is_relative_to_where_one_is(tmp_path, monkeypatch):
    (tmp_path / "a.png").touch()
    monkeypatch.chdir(tmp_path)
    assert find_files("?.png") == ["a.png"]
    assert find_files(".") == ["a.png"]


def test_a_name_that_looks_like_a_pattern_is_a_file_if_there_is_one(tmp_path):
    (tmp_path / "scan[1].png").touch()
    assert find_files(str(tmp_path / "scan[1].png")) == [str(tmp_path / "scan[1].png")]


def test_a_folder_or_pattern_without_pictures_is_refused(tmp_path):
    for name in (str(tmp_path), f"{tmp_path}/*.png"):
        with pytest.raises(InputError, match=r"no file there that ends in .png, .jpg"):
            find_files(name)
