"""Review: pictures that are worth a label, one after the other, one key a digit."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import streamlit as st
import yaml

from digitflow.app.resources import (
    find_default,
    find_version,
    fits_page,
    list_models,
    load_predictor,
    mending,
    open_project_store,
)
from digitflow.app.widgets import enlarge, to_markdown
from digitflow.config.reading import parse_config
from digitflow.data.sets import CLASSES
from digitflow.errors import DigitflowError
from digitflow.feedback.corrections import (
    DIGITS,
    add_corrections,
    list_corrections,
    withdraw_correction,
)
from digitflow.feedback.learning import count_new
from digitflow.feedback.reviewing import LATEST, Measure, Question, choose_questions
from digitflow.models.bundle import Reference
from digitflow.monitoring.drift import measure_distances
from digitflow.monitoring.reference import COLUMNS
from digitflow.registry.history import CHALLENGER, find_aliases
from digitflow.registry.listing import find_registration
from digitflow.registry.versions import Champion
from digitflow.store.artifacts import Store
from digitflow.store.runs import name_user

SOURCE = "the app: review"
SIDE = 224
# So long a queue may be old: what others label meanwhile is left out at once.
FRESH_SECONDS = 120
_COLUMN_WORDS = dict(
    zip(
        COLUMNS,
        (
            "the amount of ink", "where it is from left to right", "how high it is",
            "the width of its strokes", "its slant", "its size", "its shape",
        ),
        strict=True,
    )
)  # fmt: skip
_REASONS = {
    "unsure": "the model was unsure",
    "not a digit": "the model took it for no digit",
    "read differently": "champion and challenger read it differently",
    "drifted": "it is unlike what the model learnt from, by",
}
# A digit's key is its name: no need to say it twice.
_NO_HINT = "<style>[class*='st-key-digit-'] kbd { display: none }</style>"
_USES = {
    "training": "A label will be **learnt from** by the next training.",
    "gate": "A label will **judge** the next model, and is never learnt from.",
}
_WHY_TWO_USES = (
    "What a model learnt from can't judge it fairly. So a picture belongs for ever to one use, "
    "by its content: two thirds are learnt from, one third judges."
)


@dataclass
class Progress:
    """What one person did with the queue of a model.

    Attributes
    ----------
    questions : list of Question
        The queue as it was when the page was opened.
    skipped : set of str
        Digests of pictures to ask about no more.
    done : list of (str, bool)
        Digests in the order they were left, and whether they were skipped.
    failure : DigitflowError or None
        Why the last label could not be kept.
    """

    model: str
    questions: list[Question] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)
    done: list[tuple[str, bool]] = field(default_factory=list)
    failure: DigitflowError | None = None


def show() -> None:
    """Show the page."""
    st.title("Review")
    st.markdown(
        "The pictures from which a label teaches most. Press the digit that you see, "
        "**0** to **9**; **s** skips what shows none; **u** takes the last one back."
    )
    store = open_project_store()
    champion = find_default(store, "digits")
    models = list_models(store, "digits")
    if len(models) > 1:
        place = models.index(champion.name)
        chosen = st.selectbox("Model", models, place, help="Whose predictions are reviewed.")
        champion = find_version(store, chosen)
    if not fits_page(champion, "digits"):
        return
    progress = st.session_state.get("review")
    if progress is None or progress.model != champion.name:
        progress = st.session_state["review"] = Progress(champion.name)
    progress.questions = _find_questions(
        store.place, champion.name, champion.entry, champion, store
    )
    _review(store, champion, progress)


@st.fragment
@mending()
def _review(store: Store, champion: Champion, progress: Progress) -> None:
    if progress.failure is not None:
        with mending():
            raise progress.failure
    pending = list_pending(store, progress.questions, progress)
    picture, rest = st.columns([1, 3])
    if pending:
        with picture:
            st.image(enlarge(pending[0].image, SIDE), caption="What the model sees")
    # Before the words, which are longer or shorter: the keys stay where they are.
    with rest:
        _draw_keys(store, progress, pending)
        if pending:
            _explain_question(pending[0], champion)
        else:
            _show_end(bool(progress.questions))
    st.caption(f"{len(pending)} more in the queue; {len(progress.done)} done by you.")
    _show_due(store, champion)


def list_pending(
    store: Store, questions: Sequence[Question], progress: Progress
) -> list[Question]:
    """Return the questions that nobody answered meanwhile and this person did not skip."""
    left = {row.sample for row in list_corrections(store, DIGITS)} | progress.skipped
    return [question for question in questions if question.picture not in left]


def keep_answer(store: Store, progress: Progress, question: Question, digit: int) -> None:
    """Keep a label; what can't be kept is noted and asked again."""
    try:
        add_corrections(store, [question.image], [digit], name_user(), SOURCE)
        progress.done.append((question.picture, False))
        progress.failure = None
    except DigitflowError as exc:
        progress.failure = exc


def skip_question(progress: Progress, question: Question) -> None:
    """Ask about it no more, as long as this page is open."""
    progress.skipped.add(question.picture)
    progress.done.append((question.picture, True))


def undo_last(store: Store, progress: Progress) -> None:
    """Take back the last label or skip: its picture is asked again."""
    picture, skipped = progress.done[-1]
    try:
        if skipped:
            progress.skipped.discard(picture)
        else:
            withdraw_correction(store, picture, name_user())
        progress.done.pop()
        progress.failure = None
    except DigitflowError as exc:
        progress.failure = exc


def _draw_keys(store: Store, progress: Progress, pending: Sequence[Question]) -> None:
    """Draw a button with a key for each answer.

    Each belongs to the picture above it: a key that is pressed before the next one is seen
    says nothing of that.
    """
    asked = pending[0] if pending else None
    name = asked.picture if asked else "none"
    st.html(_NO_HINT)
    with st.container(horizontal=True):
        for digit in range(CLASSES):
            st.button(
                str(digit),
                key=f"digit-{digit}-{name}",
                shortcut=str(digit),
                disabled=asked is None,
                on_click=keep_answer,
                args=(store, progress, asked, digit),
            )
    with st.container(horizontal=True):
        st.button(
            "Skip",
            key=f"skip-{name}",
            shortcut="s",
            disabled=asked is None,
            help="It shows no digit, or nobody can tell which.",
            on_click=skip_question,
            args=(progress, asked),
        )
        st.button(
            "Undo",
            key=f"undo-{len(progress.done)}",
            shortcut="u",
            disabled=not progress.done,
            help="Takes back your last label or skip.",
            on_click=undo_last,
            args=(store, progress),
        )


def _explain_question(question: Question, champion: Champion) -> None:
    for version, probabilities in question.probabilities.items():
        who = "The champion" if version == champion.version else "The challenger"
        st.markdown(f"{who}, version {to_markdown(version)}: {_describe(probabilities)}")
    st.markdown(f"Asked because {_name_reasons(question)}.")
    st.markdown(_USES[question.role], help=_WHY_TWO_USES)
    if question.file:
        st.caption(f"From {to_markdown(question.file)}")


def _describe(probabilities: np.ndarray) -> str:
    first, second = np.argsort(-probabilities, kind="stable")[:2]
    likely, next_likely = probabilities[first], probabilities[second]
    return f"**{first}** ({likely:.0%}), then {second} ({next_likely:.0%})"


def _name_reasons(question: Question) -> str:
    words = [
        f"{_REASONS[reason]} {question.drifted}" if reason == "drifted" else _REASONS[reason]
        for reason in question.reasons
    ]
    return " and ".join(words)


def _show_end(was_any: bool) -> None:
    if was_any:
        st.success("That was the last one: thank you.", icon=":material/done_all:")
    else:
        st.info(
            f"Nothing to review: of the latest {LATEST:,} predictions none is unlabelled that "
            "was unsure, drifted or read differently. Read some pictures, here or by "
            "`digitflow predict`.",
            icon=":material/done_all:",
        )
    if st.button("Look again", help="Looks through the predictions that came meanwhile."):
        _find_questions.clear()
        st.rerun()


def _show_due(store: Store, champion: Champion) -> None:
    """Show how many labels are missing until a retraining is due."""
    new, _ = count_new(store, champion.name)
    enough = _find_enough(store.place, champion.name, champion.version, store)
    missing = max(0, enough - new)
    said = f"{missing} are missing" if missing else "a retraining is due: `make run` begins one"
    st.progress(
        min(1.0, new / enough),
        f"{new} of {enough} new labels to learn from until a retraining is due: {said}.",
    )


@st.cache_data(max_entries=8, show_spinner=False)
def _find_enough(place: str, model: str, version: str, _store: Store) -> int:
    """Return how many new labels a model's own config takes for enough."""
    facts = find_registration(_store, model, version).facts
    return parse_config(yaml.safe_load(facts.config)).feedback.enough


@st.cache_data(
    ttl=FRESH_SECONDS, max_entries=4, show_spinner="Looking through the latest predictions …"
)
def _find_questions(
    place: str, model: str, entry: int, _champion: Champion, _store: Store
) -> list[Question]:
    """Return the queue, the same for all people; a new champion has a new one."""
    readers = {_champion.version: load_predictor(_store, model).pipeline.predict_proba}
    challenger = find_aliases(_store, model).get(CHALLENGER, _champion.version)
    if challenger != _champion.version:
        readers[challenger] = load_predictor(_store, model, challenger).pipeline.predict_proba
    reference = _champion.bundle.reference
    measure = None if reference is None else _make_measure(_store, reference)
    return choose_questions(_store, model, readers, measure)


def _make_measure(store: Store, reference: Reference) -> Measure:
    def measure(images: np.ndarray) -> tuple[np.ndarray, Sequence[str]]:
        distances, columns = measure_distances(store, reference, images)
        return distances, [_COLUMN_WORDS[COLUMNS[column]] for column in columns]

    return measure
