"""Images that a model learnt from: sets, samples, values, what was set aside, wrong labels."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from digitflow.app.resources import show_missing
from digitflow.app.widgets import enlarge
from digitflow.data.inspection import Reason
from digitflow.data.sets import LabelledImages, SampleSet, open_set
from digitflow.errors import DamagedArtifact
from digitflow.formatting import format_bytes, format_cell, format_count
from digitflow.monitoring.attribution import find_nearest
from digitflow.reports.charts import draw_gallery, draw_histogram, draw_image_rows
from digitflow.reports.digits import REASONS
from digitflow.reports.figures import draw_classes, draw_samples
from digitflow.reports.records import Training, find_sets
from digitflow.reports.training import PURPOSES
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef
from digitflow.store.runs import find_outputs
from digitflow.studies.digits.experiments.errors import find_suspects
from digitflow.studies.digits.experiments.explore import measure_columns, summarise_stages

PARTS = ("Sets", "Samples", "Values", "Quarantine", "Duplicates", "Label errors")
STAGES = {
    "raw": "as stored: 0 is no ink, 255 is full ink",
    "normalised": "divided by 255: from 0 to 1",
    "standardised": (
        "less the pixel's mean over the training images, over its standard deviation: 0 is "
        "usual at this place"
    ),
}
TRAIN, DIGITS = "train", tuple(range(10))
# Of the others the table has the counts: five bars a digit would be a screen of bars.
DRAWN = (TRAIN, "test")
PER_PAGE, SHOWN, PAIRS = 48, 40, 10
# Of standardised values: enough to draw how they are spread.
SPREAD_IMAGES = 1000
COPIES: tuple[Reason, ...] = ("duplicate", "conflicting duplicate", "duplicate of a test image")
REFILL = "The images of this run are not here any more: a training brings them back."


def show_images(store: Store, training: Training, part: str) -> None:
    """Show one of `PARTS` of what a training on images read."""
    if part == "Sets":
        _show_sets(store, training)
    elif part == "Quarantine":
        _show_quarantine(store, training)
    elif part == "Duplicates":
        _show_duplicates(store, training)
    elif not (sets := find_sets(store, training.run)):
        show_missing(REFILL, "digitflow train")
    elif part == "Samples":
        _show_samples(store, sets)
    elif part == "Values":
        _show_values(store, sets[TRAIN])
    else:
        _show_suspects(store, training, sets["validation"])


def _show_sets(store: Store, training: Training) -> None:
    card = training.data
    st.subheader("Dimensions")
    st.text(card.origin)
    sets = find_sets(store, training.run)
    st.dataframe(
        [
            {
                "set": part.name,
                "images": part.rows,
                "shape": " x ".join(f"{side:,}" for side in sets[part.name].samples.shape)
                if part.name in sets
                else f"{part.rows:,} x 28 x 28",
                "pixels": sets[part.name].samples.dtype if part.name in sets else "uint8",
                "size": format_bytes(784 * part.rows),
                "writers": "unknown" if part.writers is None else f"{part.writers:,}",
                "what for": PURPOSES.get(part.name, ""),
            }
            for part in card.splits
        ],
        hide_index=True,
        column_config={
            "writers": st.column_config.TextColumn(
                help="People who wrote the digits. No writer is in two of the sets."
            )
        },
    )
    st.subheader("Class distribution")
    counts = {part.name: part.class_counts for part in card.splits}
    st.image(
        _draw_classes({name: counts[name] for name in DRAWN if name in counts}),
        alt="Which share each digit has",
    )
    st.dataframe(
        [
            {"set": name} | {str(digit): count for digit, count in enumerate(found)}
            for name, found in counts.items()
        ],
        hide_index=True,
    )
    if card.sources:
        st.subheader("Images of each source")
        st.dataframe(
            [
                {"set": part.name} | dict(zip(card.sources, part.source_counts, strict=False))
                for part in card.splits
            ],
            hide_index=True,
        )


@st.cache_data(max_entries=20, show_spinner="drawing")
def _draw_classes(counts: Mapping[str, Sequence[int]]) -> bytes:
    return draw_classes("How often each digit occurs", counts)


def _show_samples(store: Store, sets: Mapping[str, SampleSet]) -> None:
    st.subheader("Samples by class")
    part = st.selectbox("Set", list(sets), key="data-set")
    digit = st.segmented_control(
        "Digit",
        ("all", *map(str, DIGITS)),
        default="all",
        key="data-digit",
        help="All: some of each. One digit: every image of it, page by page.",
    )
    images = open_set(store, sets[part])
    if digit in (None, "all"):
        st.image(
            _draw_samples(sets[part].samples.digest, images), alt="Some images of each digit"
        )
        return
    rows = np.flatnonzero(images.labels == int(digit or 0))
    pages = max(1, -(-len(rows) // PER_PAGE))
    page = st.number_input(
        f"Page (of {pages})", 1, pages, key=f"data-page-{digit}", help=f"{PER_PAGE} images each"
    )
    shown = rows[(page - 1) * PER_PAGE : page * PER_PAGE]
    key = f"{sets[part].samples.digest} {digit} {page}"
    st.caption(
        f"{format_count(len(rows), 'image')} of {digit}; the row's number is above each."
    )
    st.image(
        _draw_rows(key, f"Images of {digit}", images.images, shown), alt="Images of one digit"
    )


@st.cache_data(max_entries=20, show_spinner="drawing")
def _draw_samples(digest: str, _images: LabelledImages) -> bytes:
    return draw_samples(_images.images, _images.labels)


@st.cache_data(max_entries=50, show_spinner="drawing")
def _draw_rows(key: str, title: str, _images: np.ndarray, rows: np.ndarray) -> bytes:
    return draw_gallery(title, _images[rows], [str(row) for row in rows])


def _show_values(store: Store, train: SampleSet) -> None:
    st.subheader("Raw, normalised and standardised values")
    images = store.open_array(train.samples)
    row = st.number_input(
        "Training image", 0, len(images) - 1, key="data-row", help="Its row in the set."
    )
    stage = st.segmented_control("Values", list(STAGES), default="raw", key="data-stage")
    stage = stage or "raw"
    st.caption(f"{stage.capitalize()}: {STAGES[stage]}.")
    picture, numbers = st.columns([1, 3])
    picture.image(
        enlarge(images[row]),
        caption=f"label {store.open_array(train.targets)[row]}",
        alt="The image",
    )
    numbers.dataframe(
        _scale(train.samples.digest, images, images[row : row + 1], stage)[0],
        column_config={
            str(place): st.column_config.NumberColumn(width=52) for place in range(28)
        },
        height=420,
    )
    st.subheader("All pixels of the training images")
    stages = _summarise(train.samples.digest, images)
    st.dataframe(
        [
            {"values": name}
            | {what: format_cell(value, 4) for what, value in stages[name].items()}
            for name in STAGES
        ],
        hide_index=True,
    )
    st.image(_draw_spread(train.samples.digest, stage, images), alt="How the values are spread")


@st.cache_data(max_entries=10, show_spinner="measuring all pixels")
def _summarise(digest: str, _images: np.ndarray) -> dict[str, dict[str, float | None]]:
    return summarise_stages(_images)


@st.cache_data(max_entries=10, show_spinner="measuring all pixels")
def _measure(digest: str, _images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return measure_columns(_images)


def _scale(digest: str, images: np.ndarray, asked: np.ndarray, stage: str) -> np.ndarray:
    """Return some images at one of the `STAGES`."""
    if stage == "raw":
        return asked
    if stage == "normalised":
        return np.round(asked / 255, 3)
    mean, variance = (column.reshape(28, 28) for column in _measure(digest, images))
    # A pixel that never changes is only centred.
    return np.round((asked - mean) / np.where(variance > 0, np.sqrt(variance), 1), 2)


@st.cache_data(max_entries=20, show_spinner="drawing")
def _draw_spread(digest: str, stage: str, _images: np.ndarray) -> bytes:
    rows = np.linspace(0, len(_images) - 1, min(SPREAD_IMAGES, len(_images))).astype(int)
    values = _scale(digest, _images, _images[rows], stage).reshape(-1)
    ink = values[_images[rows].reshape(-1) > 0]
    return draw_histogram(
        f"Values where there is ink, {stage}, of {len(rows):,} training images",
        {stage: ink},
        "value (no unit)",
        "pixels",
    )


def _read_quarantine(
    store: Store, training: Training
) -> tuple[list[dict[str, str]], np.ndarray]:
    """Return the rows that were set aside, and their images; none of what is not kept."""
    outputs = find_outputs(store, training.run, "validate")
    table, pictures = outputs.get("quarantine"), outputs.get("quarantined_images")
    if table is None or not isinstance(pictures, ArrayRef):
        return [], np.empty((0, 28, 28), np.uint8)
    text = store.read_bytes(table).decode()
    images = np.nan_to_num(store.open_array(pictures)).clip(0, 255).astype(np.uint8)
    return list(csv.DictReader(io.StringIO(text))), images


def _show_quarantine(store: Store, training: Training) -> None:
    st.subheader("Quarantine: rows that are not used, and why")
    rows, images = _read_quarantine(store, training)
    if not training.data.problems:
        st.success("None: every row could be used.")
        return
    if not rows:
        show_missing(REFILL, "digitflow train")
        return
    counts = Counter(row["reason"] for row in rows)
    st.dataframe(
        [
            {"reason": reason, "rows": counts[reason], "which means": words}
            for reason, words in REASONS.items()
            if reason in counts
        ],
        hide_index=True,
    )
    reasons = st.multiselect("Reasons", list(counts), default=list(counts), key="data-reasons")
    chosen = [place for place, row in enumerate(rows) if row["reason"] in reasons]
    _show_rows(training.run, rows, images, chosen)


def _show_rows(
    run: str, rows: Sequence[Mapping[str, str]], images: np.ndarray, chosen: Sequence[int]
) -> None:
    if not chosen:
        st.info("Choose a reason above.")
        return
    st.dataframe([rows[place] for place in chosen], hide_index=True)
    if len(chosen) > SHOWN:
        st.caption(f"The pictures of the first {SHOWN}; the table has all.")
    st.image(
        _draw_quarantined(run, tuple(chosen[:SHOWN]), rows, images),
        alt="Images that were set aside",
    )


@st.cache_data(max_entries=20, show_spinner="drawing")
def _draw_quarantined(
    run: str,
    chosen: Sequence[int],
    _rows: Sequence[Mapping[str, str]],
    _images: np.ndarray,
) -> bytes:
    captions = [
        f"{_rows[at]['split']} {_rows[at]['row']}\nlabel {_rows[at]['label']}" for at in chosen
    ]
    return draw_gallery("What was set aside", _images[list(chosen)], captions)


def _show_duplicates(store: Store, training: Training) -> None:
    st.subheader("Duplicates")
    for note in training.record.get("notes", ()):
        if "cop" in note:
            st.text(note)
    rows, images = _read_quarantine(store, training)
    places = [place for place, row in enumerate(rows) if row["reason"] in COPIES]
    if not places:
        st.success("No training image is a copy of another or of a test image.")
        return
    st.dataframe([rows[place] for place in places], hide_index=True)
    sets = find_sets(store, training.run, "validate")
    st.caption("Above what was left out; below the nearest image that stayed.")
    counts = Counter(rows[place]["reason"] for place in places)
    for column, reason in zip(st.columns(len(COPIES)), COPIES, strict=True):
        column.metric(reason, counts[reason], help=REASONS[reason])
    st.image(
        _draw_copies(training.run, store, images[places[:PAIRS]], sets),
        alt="Copies, and the nearest images that stayed",
    )


@st.cache_data(max_entries=20, show_spinner="looking for the originals")
def _draw_copies(
    run: str, _store: Store, _images: np.ndarray, _sets: Mapping[str, SampleSet]
) -> bytes:
    kept = [_store.open_array(part.samples) for part in _sets.values()]
    near = [find_nearest(part, _images, 1) for part in kept]
    best = np.argmin([distances[:, 0] for _, distances in near], axis=0)
    stayed = [kept[part][near[part][0][place, 0]] for place, part in enumerate(best)]
    return draw_image_rows(
        "Copies, and what is nearest to them",
        {"left out": _images, "stayed": np.array(stayed)},
    )


def _show_suspects(store: Store, training: Training, validation: SampleSet) -> None:
    st.subheader("Labels that are probably wrong")
    winner = training.entries[0]
    if winner.evaluation is None:
        raise DamagedArtifact(f"{training.run} has no candidate that was evaluated")
    st.caption(
        f"Validation images whose label {winner.candidate.name} contradicts although it is "
        "confident, the surest first; it was not fitted on them. Some are hard, not wrong: "
        "look at them."
    )
    labels = np.asarray(store.open_array(validation.targets))
    found = find_suspects(labels, store.open_array(winner.evaluation.predictions))
    if not len(found.rows):
        st.success("None: no label is confidently contradicted.")
        return
    rows, suggested = found.rows[:SHOWN], found.suggested[:SHOWN]
    st.dataframe(
        [
            {
                "validation row": int(row),
                "label": int(labels[row]),
                "looks like": int(digit),
                "margin": float(margin),
            }
            for row, digit, margin in zip(rows, suggested, found.margin, strict=False)
        ],
        hide_index=True,
        column_config={
            "margin": st.column_config.NumberColumn(
                format="%.3f",
                help="Probability of what it looks like less that of its label.",
            )
        },
    )
    captions = [
        f"{labels[row]}, looks like {digit}" for row, digit in zip(rows, suggested, strict=True)
    ]
    images = store.open_array(validation.samples)
    st.image(
        _draw_suspects(training.run, np.array(images[rows]), captions),
        alt="Images whose label is probably wrong",
    )
    st.markdown("The section `errors` of the studies looks for them among all images:")
    st.code("digitflow study errors", language=None)


@st.cache_data(max_entries=20, show_spinner="drawing")
def _draw_suspects(run: str, _images: np.ndarray, captions: Sequence[str]) -> bytes:
    return draw_gallery("Label, and what it looks like", _images, captions, columns=6)
