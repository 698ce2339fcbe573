"""Read: draw, upload, paste or photograph digits, and see what is read in them, and why."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import streamlit as st

from digitflow.app.asking import DRAWN, PHOTO, UPLOADED, Picture, ask_kind, ask_picture
from digitflow.app.resources import (
    find_learnt,
    find_version,
    fits_page,
    list_models,
    load_predictor,
    mending,
    open_project_store,
)
from digitflow.app.widgets import (
    FRAME_SIDE,
    enlarge,
    paint_importance,
    show_frame,
    show_probabilities,
    show_state,
    to_markdown,
)
from digitflow.errors import DigitflowError, InputError
from digitflow.feedback.corrections import add_corrections, choose_role, withdraw_correction
from digitflow.feedback.predictions import PredictionLog
from digitflow.feedback.tables import name_images
from digitflow.images.frame import digest_image
from digitflow.predict.explaining import map_occlusion
from digitflow.predict.finding import count_passed
from digitflow.predict.predictions import SIGNS, Prediction, Reading, Unread
from digitflow.predict.predictor import Predictor
from digitflow.predict.showing import draw_reading
from digitflow.registry.listing import list_versions
from digitflow.store.artifacts import Store
from digitflow.store.runs import name_user

NEAREST = 8
NO_OTHER = "none"
# Of the page: places keep their heights, so that nothing moves while one draws.
NOTE_HEIGHT, PICTURE_HEIGHT, NEAREST_HEIGHT = 56, 430, 150


def show() -> None:
    """Show the page."""
    st.title("Read")
    read_pictures(_choose_versions(open_project_store()))


@dataclass(frozen=True)
class Choice:
    """Which versions read; None as the version is the champion, whichever that is."""

    model: str | None = None
    version: str | None = None
    other: str | None = None


def _choose_versions(store: Store) -> Choice:
    models = list_models(store, "digits")
    with st.expander("Model and version", icon=":material/model_training:"):
        chosen = st.selectbox("Model", models) if len(models) > 1 else next(iter(models), None)
        name = find_version(store, chosen).name
        found = {each.version: each.aliases for each in list_versions(store, name)}
        first, second = st.columns(2)
        version = first.selectbox(
            "Version",
            [None, *found],
            format_func=lambda number: _name_version(number, found),
            help="The champion is the version that predicts: the best so far, by its tests.",
        )
        against = second.selectbox(
            "Compare with",
            [NO_OTHER, *found],
            format_func=lambda number: (
                number if number == NO_OTHER else _name_version(number, found)
            ),
            help="A challenger is the version that was trained last.",
        )
    return Choice(name, version, None if against == NO_OTHER else against)


def _name_version(number: str | None, found: dict[str, tuple[str, ...]]) -> str:
    if number is None:
        return "the champion, whichever that is"
    aliases = ", ".join(found[number])
    return f"{number} ({aliases})" if aliases else number


@st.fragment
@mending()
def read_pictures(choice: Choice, full: bool = True) -> None:
    """Let somebody draw or choose a picture, and show what is read in it.

    A fragment: it asks at each stroke who is champion, and nothing else of the page runs.

    Parameters
    ----------
    full : bool
        Offer other sources than drawing, several digits, and why it was read so.
    """
    with mending():
        _read_pictures(choice, full)


def _read_pictures(choice: Choice, full: bool) -> None:
    store = open_project_store()
    champion = find_version(store, choice.model, choice.version)
    if not fits_page(champion, "digits"):
        return
    source, one, turn = ask_kind() if full else (DRAWN, True, False)
    given, outcome = st.columns([1, 1.3], gap="large")
    # Before the models are loaded: one can begin to draw.
    picture: Picture | None = None
    with given, mending():
        picture = ask_picture(store, champion, source, full)
    predictor = load_predictor(store, choice.model, choice.version)
    other = load_predictor(store, choice.model, choice.other) if choice.other else None
    reading: Reading | None = None
    view: _View | None = None
    with outcome, mending():
        reading, error = _read_once(store, predictor, picture, one, turn)
        if error:
            st.warning(to_markdown(error), icon=":material/image_not_supported:")
        place = _choose_digit(reading) if reading is not None and len(reading) > 1 else 0
        digit = reading[place] if reading else None
        if reading is not None and isinstance(digit, Prediction):
            view = _View(reading, place)
        _show_digit(store, predictor, other, picture, view, full)
    if not one and reading is not None:
        with given:
            _show_page(reading)
    if full:
        with mending():
            _show_nearest(store, predictor, view)


@dataclass(frozen=True)
class _View:
    """One digit of a reading."""

    reading: Reading
    place: int

    @property
    def digit(self) -> Prediction:
        found = self.reading[self.place]
        assert isinstance(found, Prediction)
        return found

    @property
    def frame(self) -> np.ndarray:
        assert self.reading.frames is not None
        return self.reading.frames[self.place]

    @property
    def probabilities(self) -> np.ndarray:
        assert self.reading.probabilities is not None
        return self.reading.probabilities[self.place]


def read_picture(
    predictor: Predictor, picture: Picture, one: bool, turn: bool = False
) -> Reading:
    """Read a picture as the page does, pixels or a file's content.

    Raises
    ------
    InputError
        If nothing in it could be read.
    """
    turned: Literal["no", "auto"] = "auto" if turn and not one else "no"
    if not isinstance(picture.content, bytes):
        if one:
            return predictor.read_one(picture.content, picture.name)
        return predictor.read_page(picture.content, picture.name, turned, keep=True)
    contents = [(picture.name, picture.content)]
    reading = next(predictor.read_contents(contents, one, not one, turned))
    if reading and isinstance(reading[0], Unread):
        raise InputError(reading[0].error)
    return reading


def _read_once(
    store: Store, predictor: Predictor, picture: Picture | None, one: bool, turn: bool
) -> tuple[Reading | None, str]:
    """Return what is read, or why nothing is; a picture is read and kept once."""
    if picture is None:
        return None, ""
    key = (picture.digest, predictor.champion.model.digest, one, turn)
    last = st.session_state.get("last_reading")
    if last is not None and last[0] == key:
        return last[1], last[2]
    reading, error = None, ""
    # Drawings are read at every stroke, and samples are no news: neither is kept.
    log = PredictionLog(store, strict=False) if picture.source in (UPLOADED, PHOTO) else None
    predictor.log = log
    try:
        reading = read_picture(predictor, picture, one, turn)
    except (InputError, MemoryError) as exc:
        error = str(exc) or "There is not enough memory for this picture."
    if log is not None:
        log.flush()
        predictor.log = None
    st.session_state["last_reading"] = (key, reading, error)
    return reading, error


def _choose_digit(reading: Reading) -> int:
    """Ask which digit of several to look at; the first unsure one, if nobody says."""
    unsure = (n for n, d in enumerate(reading) if isinstance(d, Prediction) and d.reasons)
    return int(
        st.selectbox(
            "Look at",
            range(len(reading)),
            index=next(unsure, 0),
            format_func=lambda place: _name_digit(reading, place),
            key=f"place-{st.session_state['last_reading'][0][0][:12]}",
        )
    )


def _name_digit(reading: Reading, place: int) -> str:
    digit = reading[place]
    if not isinstance(digit, Prediction):
        return str(place + 1)
    return f"digit {place + 1}, line {digit.line + 1}: {digit.digit}{SIGNS[digit.status]}"


def _show_digit(
    store: Store,
    predictor: Predictor,
    other: Predictor | None,
    picture: Picture | None,
    view: _View | None,
    full: bool,
) -> None:
    show_state(None if view is None else view.digit)
    shares = {_name(predictor): None if view is None else view.probabilities}
    if full:
        with st.container(horizontal=True, gap="small"):
            show_frame(None if view is None else view.frame)
            decided = st.container(width=FRAME_SIDE)
        if other is not None:
            shares[_name(other)] = None if view is None else _compare(other, view)
        show_probabilities(shares)
        _offer_labels(store, picture, view)
        # Last: it takes longest, and the rest is there by then.
        with decided:
            _show_occlusion(predictor, view)
        return
    seen, bars = st.columns([1, 1.4])
    with seen:
        show_frame(None if view is None else view.frame)
    with bars:
        show_probabilities(shares, 240)
    _offer_labels(store, picture, view)


def _name(predictor: Predictor) -> str:
    return f"version {predictor.champion.version}"


def _compare(other: Predictor, view: _View) -> np.ndarray:
    """Say what another version reads in the same frame; return its probabilities."""
    (digit,) = other.predict(view.frame[np.newaxis])
    probabilities, _ = other.predict_frames(view.frame[np.newaxis])
    if isinstance(digit, Prediction):
        agrees = digit.digit == view.digit.digit
        text = f"Version {other.champion.version} reads {digit.digit} ({digit.status})"
        sign = "agrees" if agrees else "**disagrees**"
        st.markdown(f"{to_markdown(text)}: it {sign}.")
    return np.asarray(probabilities[0])


def _show_occlusion(predictor: Predictor, view: _View | None) -> None:
    if view is None:
        picture = enlarge(np.zeros((28, 28), np.uint8))
    else:
        falls = map_occlusion(predictor, view.frame, view.digit.digit)
        picture = paint_importance(view.frame, falls)
    st.image(
        picture,
        caption="Which ink decided",
        width=FRAME_SIDE,
        alt="The ink, coloured by how much less sure the model is without it",
    )


def _show_page(reading: Reading) -> None:
    """Show a picture with boxes around what was found, and the digits line by line."""
    with st.container(height=PICTURE_HEIGHT, border=False):
        if isinstance(reading[0], Prediction) and reading[0].page is not None:
            st.caption("This is the first page. The page Batch reads all of them.")
        if reading.picture is not None:
            st.image(
                draw_reading(reading),
                channels="BGR",
                width="stretch",
                caption="Green: read. Orange, ?: unsure. Red, #: not a digit. Blue: no digit",
                alt="The picture with a box around each digit",
            )
        lines: dict[int, list[str]] = {}
        for digit in reading:
            if isinstance(digit, Prediction):
                shown = "" if digit.status == "not a digit" else str(digit.digit)
                lines.setdefault(digit.line, []).append(shown + SIGNS[digit.status])
        st.code("\n".join(" ".join(line) for line in lines.values()), language=None)
        if reading.passed_over:
            st.caption(to_markdown(count_passed(reading.passed_over)))


def _offer_labels(store: Store, picture: Picture | None, view: _View | None) -> None:
    """Offer to say what a digit really is, in one click, and to take it back."""
    drawn = picture is not None and picture.source == DRAWN
    st.markdown("**Wrong? It is a …**")
    with st.container(horizontal=True, gap="xsmall"):
        for digit in range(10):
            st.button(
                str(digit),
                key=f"label-{digit}",
                disabled=view is None or picture is None or picture.truth is not None,
                on_click=_keep_label,
                args=(store, view, digit, drawn),
            )
    with st.container(height=NOTE_HEIGHT, border=False, horizontal=True):
        said = st.session_state.get("said")
        if view is None or said is None or said[0] != view.digit.picture:
            st.caption("A click keeps the picture and what you say; it can be taken back.")
            return
        st.markdown(to_markdown(said[1]), width="content")
        if said[2]:
            st.button(
                "Undo", icon=":material/undo:", on_click=_take_back, args=(store, said[0])
            )


def _keep_label(store: Store, view: _View, digit: int, drawn: bool) -> None:
    picture = digest_image(view.frame)
    try:
        if drawn:
            _keep_prediction(store, view)
        add_corrections(store, [view.frame], [digit], name_user(), "the app")
    except DigitflowError as exc:
        st.session_state["said"] = (picture, f"Not kept: {exc}", False)
        return
    use = "training" if choose_role(picture) == "training" else "the gate"
    st.session_state["said"] = (picture, f"Kept as a {digit}: used for {use}.", True)


def _keep_prediction(store: Store, view: _View) -> None:
    """Keep what was read in a drawing, now that somebody says what it is."""
    digit = view.digit
    with PredictionLog(store) as log:
        log.add(
            name_images([view.frame]),
            view.probabilities[np.newaxis],
            [digit.status],
            digit.model,
            digit.version,
            digit.file,
        )


def _take_back(store: Store, picture: str) -> None:
    try:
        withdraw_correction(store, picture, name_user())
    except DigitflowError as exc:
        st.session_state["said"] = (picture, f"Not taken back: {exc}", True)
        return
    st.session_state["said"] = (picture, "Taken back.", False)


def _show_nearest(store: Store, predictor: Predictor, view: _View | None) -> None:
    """Show the learnt images that are most like a digit to the model."""
    st.markdown(
        "**Nearest images that it learnt from**",
        help="Of up to 10,000 training images, those whose features are most like it.",
    )
    with st.container(height=NEAREST_HEIGHT, border=False, horizontal=True):
        learnt = find_learnt(store, predictor)
        if view is None:
            st.caption("They are shown when something is read.")
            return
        if learnt is None:
            st.caption("What this version learnt from is not in the store any more.")
            return
        if not learnt.done():
            st.caption("They are being prepared, once for each version: draw on.")
            return
        images, labels = learnt.result().find_nearest(predictor, view.frame, NEAREST)
        for image, label in zip(images, labels.tolist(), strict=True):
            st.image(enlarge(image, 84), caption=f"{label}", alt=f"A learnt {label}")
