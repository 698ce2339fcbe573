"""Batch: many pictures at once, the most doubtful first, to correct and to take along."""

import base64
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np
import streamlit as st

from digitflow.app.resources import (
    find_default,
    find_version,
    fits_page,
    list_models,
    load_predictor,
    mending,
    open_project_store,
    show_missing,
)
from digitflow.app.widgets import to_markdown
from digitflow.data.sets import CLASSES
from digitflow.errors import InputError
from digitflow.feedback.corrections import add_corrections, withdraw_correction
from digitflow.feedback.predictions import PredictionLog
from digitflow.images.archives import count_files
from digitflow.predict.predictions import COLUMNS, Prediction, Reading, list_table_rows
from digitflow.store.artifacts import Store
from digitflow.store.runs import name_user

SOURCE = "the app: batch"
MAX_UPLOADS = 2000
MAX_BYTES = 256 << 20
MAX_DIGITS = 20_000
"""Of a session at most; the command reads any number."""
# A second's work or less: so often it shows how far it is, and can be cancelled.
AT_ONCE = 32
ROWS, ROW_HEIGHT = 100, 44
MOST_ERRORS = 50
DOUBTFUL, AS_READ = "Most doubtful first", "As they were read"


@dataclass
class Row:
    """A digit that was read: what the model saw, and what somebody said it is."""

    prediction: Prediction
    frame: np.ndarray
    said: int | None = None

    @property
    def doubt(self) -> float:
        """From 0, as sure as can be; above 1 the model itself says that it is not sure."""
        return (self.prediction.status != "read") + 1 - self.prediction.probability


@dataclass
class Job:
    """Some files that are being read, and what was read up to now.

    Attributes
    ----------
    readings : iterator of Reading or None
        What is still to come; None once it has ended.
    files, total : int
        How many files were read, and how many there are.
    rows : list of Row
        The digits, in the order they were read.
    table : list of dict
        The rows of the CSV; those of digits are corrected when it is written.
    errors : list of str
    log : PredictionLog
    ended : str
        Why it ended before the last file; empty if it did not.
    key : str
        Which job it is.
    """

    readings: Iterator[Reading] | None
    total: int
    log: PredictionLog
    files: int = 0
    file: str | None = None
    rows: list[Row] = field(default_factory=list)
    table: list[tuple[dict[str, Any], Row | None]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    ended: str = ""
    key: str = field(default_factory=lambda: uuid4().hex)

    def read_next(self) -> bool:
        """Read one more picture; return whether there was one."""
        reading = None if self.readings is None else next(self.readings, None)
        if reading is None:
            self.end()
            return False
        self.add(reading)
        if len(self.rows) >= MAX_DIGITS:
            self.end(
                f"It ended after {len(self.rows):,} digits, the most that a page may hold: "
                "`digitflow predict --csv` reads any number."
            )
        return True

    def add(self, reading: Reading) -> None:
        """Keep what was read in a picture or a page."""
        frames = iter(reading.frames if reading.frames is not None else ())
        rows = [
            Row(each, next(frames)) if isinstance(each, Prediction) else None
            for each in reading
        ]
        self.rows += (row for row in rows if row is not None)
        self.errors += (each.error for each in reading if not isinstance(each, Prediction))
        table = list(list_table_rows(reading))
        self.table += zip(table, [*rows, *[None] * (len(table) - len(rows))], strict=True)
        file = reading[0].file if reading else None
        self.files += file != self.file or not self.files
        self.file = file

    def end(self, why: str = "") -> None:
        """Read no more; what was read is kept in the log."""
        if self.readings is not None:
            self.readings, self.ended = None, why
            self.log.flush()


def show() -> None:
    """Show the page."""
    st.title("Batch")
    st.markdown(
        "Read many pictures at once, each with one digit or with many, and correct them in "
        "the table."
    )
    store = open_project_store()
    _offer_files(store)
    job: Job | None = st.session_state.get("batch")
    if job is None:
        return
    if job.readings is not None:
        _run(job)
    _show_outcome(store, job)


def _offer_files(store: Store) -> None:
    models = list_models(store, "digits")
    default = find_default(store, "digits").name
    uploads = st.file_uploader(
        "Pictures, PDFs, or ZIP archives of them",
        accept_multiple_files=True,
        help="PNG, JPEG, BMP, WebP, TIFF or PDF, by their content and whatever their names, or "
        "ZIP archives of these: up to 64 MB each. They are kept in memory only, and forgotten "
        "when you leave; of each digit the 28 x 28 pixels that the model saw are kept.",
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = default
        if len(models) > 1:
            model = st.selectbox(
                "Model", models, models.index(default), help="Its champion reads."
            )
        one = st.checkbox(
            "Each picture holds one digit", help="Otherwise the digits in it are found first."
        )
        fits = fits_page(find_version(store, model), "digits")
        if st.button("Read", type="primary", disabled=not (uploads and fits)):
            try:
                st.session_state["batch"] = begin(store, model, uploads, one)
            except InputError as exc:
                st.error(to_markdown(str(exc)))


def begin(store: Store, model: str, uploads: Sequence[Any], one: bool) -> Job:
    """Return a job that reads files; nothing is read yet.

    Raises
    ------
    InputError
        If they are too many or too large together, or an archive is none.
    """
    total = sum(upload.size for upload in uploads)
    if len(uploads) > MAX_UPLOADS or total > MAX_BYTES:
        raise InputError(
            f"{len(uploads):,} files of {total >> 20:,} MB, at most {MAX_UPLOADS:,} and "
            f"{MAX_BYTES >> 20} MB are read at once: read them in parts, or all of them by "
            "`digitflow predict`"
        )
    log = PredictionLog(store, strict=False)
    predictor = load_predictor(store, model, log=log)
    contents = ((upload.name, upload.getvalue()) for upload in uploads)
    files = sum(count_files(upload.getvalue()) for upload in uploads)
    return Job(predictor.read_contents(contents, one, at_once=AT_ONCE), files, log)


def _run(job: Job) -> None:
    """Read on, picture by picture; a click anywhere else interrupts it, and it goes on."""
    st.button("Cancel", on_click=job.end, args=("It was cancelled.",), icon=":material/stop:")
    bar = st.progress(0.0)
    while job.readings is not None:
        # Streamlit interrupts here, and what was read is kept.
        bar.progress(
            min(1.0, job.files / max(1, job.total)),
            f"{job.files:,} of {job.total:,} files, {len(job.rows):,} digits",
        )
        job.read_next()
    st.rerun()


def _show_outcome(store: Store, job: Job) -> None:
    unsure = sum(row.prediction.status != "read" for row in job.rows)
    st.markdown(
        f"**{len(job.rows):,}** digits in {job.files:,} files, **{unsure:,}** of them unsure."
    )
    if job.ended:
        st.warning(job.ended)
    if job.log.failure is not None:
        show_missing(f"The predictions are not kept: {job.log.failure}", "digitflow doctor")
    if job.errors:
        with st.expander(
            f"{len(job.errors):,} pictures could not be read", icon=":material/error:"
        ):
            for error in job.errors[:MOST_ERRORS]:
                st.markdown(to_markdown(error))
            if len(job.errors) > MOST_ERRORS:
                st.caption(f"and {len(job.errors) - MOST_ERRORS:,} more: all are in the CSV")
    if job.rows:
        _show_table(store, job)
    if job.table:
        st.download_button(
            "Download CSV",
            lambda: write_csv(job).encode(),
            "digits.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
            help="The columns of `digitflow predict --csv`; what you corrected is corrected.",
        )


@st.fragment
@mending()
def _show_table(store: Store, job: Job) -> None:
    order = st.segmented_control(
        "Order", [DOUBTFUL, AS_READ], default=DOUBTFUL, help="A click on a column sorts by it."
    )
    rows = job.rows if order == AS_READ else sorted(job.rows, key=lambda row: -row.doubt)
    pages = -(-len(rows) // ROWS)
    page = st.pagination(pages, key="batch-page") if pages > 1 else 1
    shown = rows[(page - 1) * ROWS : page * ROWS]
    key = f"batch-{job.key}-{order}-{page}"
    with mending():
        correct_rows(store, shown, st.session_state.get(key, {}).get("edited_rows", {}))
    st.data_editor(
        [_describe(row) for row in shown],
        key=key,
        hide_index=True,
        row_height=ROW_HEIGHT,
        placeholder="",
        column_order=["picture", "digit", "probability", "is_a", "status", "file", "place"],
        disabled=["picture", "digit", "probability", "status", "file", "place"],
        column_config=_describe_columns(),
    )
    corrected = sum(row.said is not None for row in job.rows)
    if corrected:
        st.caption(f"{corrected:,} corrected, and kept for the next training or its judge.")


def correct_rows(store: Store, rows: Sequence[Row], edited: dict[int, dict[str, Any]]) -> None:
    """Keep what was said of rows, by their places; what was emptied is taken back.

    Raises
    ------
    StorageError
        If the database can't be written.
    """
    for place, cells in edited.items():
        row, cell = rows[place], cells.get("is_a")
        said = None if cell is None else int(cell)
        if said == row.said:
            continue
        if row.said is not None:
            withdraw_correction(store, row.prediction.picture, name_user())
        if said is not None:
            add_corrections(store, [row.frame], [said], name_user(), SOURCE)
        row.said = said


def write_csv(job: Job) -> str:
    """Return the table of `digitflow predict --csv`, with what was corrected."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for values, row in job.table:
        if row is not None and row.said is not None:
            read = f"read as {row.prediction.digit}, {row.prediction.status}"
            values = values | {"digit": row.said, "status": "corrected", "reasons": read}
        writer.writerow(values)
    return text.getvalue()


def _describe(row: Row) -> dict[str, Any]:
    read = row.prediction
    where = [f"page {read.page}"] if read.page else []
    where += [f"line {read.line + 1}, {read.box[0]}, {read.box[1]}"] if read.box else []
    return {
        "picture": _draw_thumbnail(row.frame),
        "digit": read.digit,
        "probability": read.probability,
        "status": "; ".join((read.status, *read.reasons)),
        "is_a": None if row.said is None else str(row.said),
        "file": read.file,
        "place": "; ".join(where),
    }


def _draw_thumbnail(frame: np.ndarray) -> str:
    """Return a PNG of dark ink on white, as an address that holds it."""
    import cv2

    png = cv2.imencode(".png", 255 - frame)[1].tobytes()
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _describe_columns() -> dict[str, Any]:
    column = st.column_config
    return {
        "picture": column.ImageColumn("Picture", width=64, help="What the model saw."),
        "digit": column.NumberColumn("Read as", width=70),
        "probability": column.NumberColumn(
            "How surely", format="percent", width=90, help="The probability of what was read."
        ),
        "is_a": column.SelectboxColumn(
            "It is a",
            options=[str(digit) for digit in range(CLASSES)],
            width=80,
            help="Wrong? Choose what it shows; empty the cell to take that back.",
        ),
        "status": column.TextColumn("Status", help="Whether to rely on it, and why not."),
        "file": column.TextColumn("File"),
        "place": column.TextColumn("Where", help="Page, line, and pixels from left and top."),
    }
