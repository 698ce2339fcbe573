"""The page Batch: what was uploaded is read, corrected in place and taken along."""

import csv
import io
import zipfile

import cv2
import pytest

from digitflow.app.pages import batch
from digitflow.errors import InputError
from digitflow.feedback.corrections import list_corrections
from digitflow.predict.predictions import COLUMNS
from digitflow.predict.predictor import Predictor


@pytest.fixture
def scans(handwriting):
    """(name, content, type) of three pictures of a digit each."""
    pictures = [cv2.resize(255 - each, (84, 84)) for each in handwriting.images[:3]]
    return [
        (f"{place}.png", cv2.imencode(".png", picture)[1].tobytes(), "image/png")
        for place, picture in enumerate(pictures)
    ]


def read(page, files):
    page.file_uploader[0].set_value(files)
    page.run()
    (button,) = [each for each in page.button if each.label == "Read"]
    button.click().run()
    assert not page.exception
    return page


def list_rows(page):
    return list(csv.DictReader(io.StringIO(batch.write_csv(page.session_state["batch"]))))


def test_pictures_are_read_as_the_command_reads_them(trained, scans, open_page, tmp_path):
    page = read(open_page("batch"), scans)
    paths = [tmp_path / name for name, _, _ in scans]
    for path, (_, content, _) in zip(paths, scans, strict=True):
        path.write_bytes(content)
    expected = [Predictor.load(trained).read_file(path)[0] for path in paths]
    rows = list_rows(page)
    assert list(rows[0]) == list(COLUMNS)
    assert [row["digit"] for row in rows] == [str(each.digit) for each in expected]
    assert [row["picture"] for row in rows] == [each.picture for each in expected]
    (table,) = page.dataframe
    assert table.value["picture"].str.startswith("data:image/png;base64,").all()
    assert table.value["probability"].is_monotonic_increasing  # the most doubtful first


def test_an_archive_is_read_and_its_errors_are_said(trained, scans, open_page, read_words):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content, _ in scans:
            archive.writestr(name, content)
        archive.writestr("../<b>evil</b>.png", scans[0][1])
    page = read(open_page("batch"), [("many.zip", file.getvalue(), "text/html")])
    assert "**3** digits in 4 files" in read_words(page)
    assert "leads out of the archive" in read_words(page)
    assert "\\<b\\>evil" in read_words(page)
    assert [bool(row["error"]) for row in list_rows(page)] == [False, False, False, True]


def test_what_a_file_is_is_told_by_its_content(trained, scans, open_page, read_words):
    page = read(
        open_page("batch"),
        [("page.html", scans[0][1], "text/html"), ("1.png", b"<script>", "image/png")],
    )
    assert "**1** digits in 2 files" in read_words(page)
    assert "no picture" in read_words(page)


def test_a_correction_in_the_table_is_kept_and_taken_back(trained, scans, open_page):
    job = read(open_page("batch"), scans).session_state["batch"]
    batch.correct_rows(trained, job.rows, {1: {"is_a": "7"}})
    (said,) = list_corrections(trained)
    assert (said.sample, said.target) == (job.rows[1].prediction.picture, "7")
    row = list(csv.DictReader(io.StringIO(batch.write_csv(job))))[1]
    assert (row["digit"], row["status"]) == ("7", "corrected")
    batch.correct_rows(trained, job.rows, {1: {"is_a": "7"}})
    batch.correct_rows(trained, job.rows, {1: {"is_a": "3"}})
    assert [row.target for row in list_corrections(trained)] == ["3"]
    batch.correct_rows(trained, job.rows, {1: {"is_a": None}})
    assert list_corrections(trained) == []


class Upload:
    """What Streamlit hands over for a file, of a size that need not be true."""

    def __init__(self, name, content, size=None):
        self.name, self.content, self.size = name, content, size or len(content)

    def getvalue(self):
        return self.content


def test_what_was_read_before_it_was_cancelled_is_kept(trained, scans):
    uploads = [Upload(name, content) for name, content, _ in scans]
    job = batch.begin(trained, "digits-sample", uploads, True)
    assert job.read_next()
    job.end("It was cancelled.")
    assert (len(job.rows), job.total) == (1, 3)
    assert not job.read_next()
    assert job.ended == "It was cancelled."


def test_no_more_digits_are_read_than_a_page_may_hold(trained, scans, monkeypatch):
    monkeypatch.setattr(batch, "MAX_DIGITS", 2)
    uploads = [Upload(name, content) for name, content, _ in scans]
    job = batch.begin(trained, "digits-sample", uploads, True)
    while job.read_next():
        pass
    assert len(job.rows) == 2
    assert "digitflow predict --csv" in job.ended


@pytest.mark.parametrize(
    "uploads",
    [[Upload("a", b"")] * (batch.MAX_UPLOADS + 1), [Upload("a", b"", batch.MAX_BYTES + 1)]],
)
def test_too_many_and_too_large_uploads_are_refused(trained, uploads):
    with pytest.raises(InputError, match="are read at once"):
        batch.begin(trained, "digits-sample", uploads, True)
