"""What the pages share: the store, loaded models, who may write, and how a lack is shown."""

import hmac
import logging
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from time import sleep
from typing import TYPE_CHECKING, Literal

import streamlit as st

from digitflow.app.widgets import to_markdown
from digitflow.data.facts import TableFacts
from digitflow.data.sets import LabelledImages, SampleSet, open_set
from digitflow.errors import DamagedArtifact, DigitflowError, InputError, StorageError
from digitflow.feedback.predictions import PredictionLog
from digitflow.formatting import format_moment
from digitflow.models.golden import load_bundle
from digitflow.models.persistence import load_model
from digitflow.predict.explaining import LearntImages
from digitflow.predict.predictor import Predictor
from digitflow.predict.rows import RowPredictor
from digitflow.registry.history import find_champion, read_last
from digitflow.registry.listing import find_registration
from digitflow.registry.listing import list_models as list_registered
from digitflow.registry.versions import DEFAULT_MODELS, Champion
from digitflow.reports.records import Training, find_sets, list_trainings
from digitflow.store.artifacts import Store, open_store

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

logger = logging.getLogger(__name__)

Workload = Literal["digits", "table"]

ADMIN_OPTION, PRIVATE_OPTION = "--admin", "--private"
PASSWORD_VARIABLE = "DIGITFLOW_APP_PASSWORD"  # noqa: S105
TRAIN, DIAGNOSE = "make run", "digitflow doctor"
PAGES_FOR: dict[Workload, tuple[str, str]] = {
    "digits": ("pictures of digits", "the pages Read, Batch and Review are"),
    "table": ("rows of a table", "the page Predict is"),
}
# A model and its detector take some 50 MB; people compare two.
MODELS_KEPT = 4
# What guessing a password costs.
WRONG_SECONDS = 1.0


def open_project_store() -> Store:
    """Return the project's store; opening it costs nothing, and nothing of it is kept."""
    return open_store()


def list_models(store: Store, workload: Workload | None = None) -> list[str]:
    """Return the registered models: of a workload first, then those meant without a name."""

    def find_turn(name: str) -> tuple[bool, bool, str]:
        is_other = workload is not None and find_workload(store, name) != workload
        return is_other, name not in DEFAULT_MODELS, name

    return sorted(list_registered(store), key=find_turn)


def find_workload(store: Store, model: str) -> Workload | None:
    """Return what a model's champion takes; None where there is none."""
    last = read_last(store, model)
    return None if last is None else last.champion.bundle.workload


def find_table(store: Store, model: str) -> TableFacts | None:
    """Return what a model's champion knows of its rows; None where it takes pictures."""
    last = read_last(store, model)
    return None if last is None else last.champion.bundle.table


def find_default(store: Store, workload: Workload) -> Champion:
    """Return the champion that a page begins with: one of its workload, if there is any.

    Raises
    ------
    InputError
        If no model has one.
    """
    found = (read_last(store, name) for name in list_models(store, workload))
    first = next((last.champion for last in found if last is not None), None)
    return find_champion(store) if first is None else first


def choose_model(
    store: Store, page: str, lack: str, command: str, workload: Workload | None = None
) -> str | None:
    """Ask which registered model a page is about; None, and the lack shown, without one.

    Parameters
    ----------
    workload : "digits" or "table", optional
        Models of this one are offered first.
    """
    models = list_models(store, workload)
    if not models:
        show_missing(lack, command)
        return None
    return st.selectbox("Registered model", models, key=f"{page}-model")


def fits_page(champion: Champion, workload: Workload) -> bool:
    """Tell whether a page is for a champion; if not, say which pages are."""
    found = champion.bundle.workload
    if found == workload:
        return True
    takes, pages = PAGES_FOR[found]
    st.info(to_markdown(f"{champion.name} takes {takes}: {pages} for it."))
    return False


def choose_training(
    store: Store, page: str, model: str, label: str, lack: str
) -> Training | None:
    """Ask which training of a model; None, and the lack shown, where no record is left."""
    found = {each.run: each for each in list_trainings(store, model)}
    if not found:
        show_missing(lack, "digitflow train")
        return None
    run = st.selectbox(
        label,
        list(found),
        format_func=lambda run: f"{format_moment(found[run].started)} · {run}",
        key=f"{page}-run",
    )
    return found[run]


def find_version(
    store: Store, model: str | None = None, version: str | None = None
) -> Champion:
    """Return the champion of a model, or another version of it as if it were champion.

    Parameters
    ----------
    version : str, optional
        A number or an alias.

    Raises
    ------
    InputError
        If there is none.
    """
    if version is None or model is None:
        return find_champion(store, model)
    found = find_registration(store, model, version)
    return found.make_champion(found.score, found.registered_at)


def load_predictor(
    store: Store,
    model: str | None = None,
    version: str | None = None,
    log: PredictionLog | None = None,
) -> Predictor:
    """Return the champion of a model, or another version, ready to read.

    Who is champion is asked each time, so that a new one is used from the next look on; the
    loaded files are kept by their digests, for all people.

    Raises
    ------
    InputError
        If there is none.
    DamagedArtifact
        If one of its files is missing or changed.
    """
    champion = find_version(store, model, version)
    pipeline, detector = _load_files(store.place, champion.bundle.model.digest, champion, store)
    return Predictor(champion, pipeline, detector, log)


def load_row_predictor(store: Store, champion: Champion) -> RowPredictor:
    """Return the champion of a table, ready to predict; its file is kept by its digest.

    Raises
    ------
    InputError
        If it takes pictures.
    DamagedArtifact
        If its file is missing or changed.
    """
    pipeline, _ = _load_files(store.place, champion.bundle.model.digest, champion, store)
    return RowPredictor(champion, pipeline)


@st.cache_resource(max_entries=MODELS_KEPT, show_spinner="Loading the model …")
def _load_files(
    place: str, digest: str, _champion: Champion, _store: Store
) -> tuple[object, object]:
    bundle = _champion.bundle
    detector = bundle.reject_option.detector if bundle.reject_option else None
    pipeline = load_bundle(bundle, _store)
    return pipeline, None if detector is None else load_model(detector, _store)


def open_tested(store: Store, champion: Champion) -> LabelledImages | None:
    """Return the images that a version was judged on; None where they are not known."""
    try:
        found = find_registration(store, champion.name, champion.version)
        return open_set(store, found.facts.test)
    except (InputError, DamagedArtifact):
        return None


def find_learnt(store: Store, predictor: Predictor) -> Future[LearntImages] | None:
    """Begin to compute, once for each version, what is compared with the images it learnt.

    None where those are not in the store any more.
    """
    champion = predictor.champion
    train = find_sets(store, champion.run).get("train")
    if train is None:
        return None
    return _prepare_learnt(store.place, champion.model.digest, predictor, train, store)


@st.cache_resource(max_entries=MODELS_KEPT, show_spinner=False)
def _prepare_learnt(
    place: str, digest: str, _predictor: Predictor, _train: SampleSet, _store: Store
) -> Future[LearntImages]:
    """Compute it beside the pages: nobody who draws waits for it."""

    def compute() -> LearntImages:
        known = open_set(_store, _train)
        return LearntImages.compute(_predictor, known.images, known.labels)

    with_one = ThreadPoolExecutor(1)
    try:
        return with_one.submit(compute)
    finally:
        with_one.shutdown(wait=False)


def show_missing(why: Exception | str, command: str) -> None:
    """Show what is missing and the command that mends it, where the page would have been."""
    st.warning(to_markdown(str(why)), icon=":material/build:")
    st.markdown("This mends it:")
    st.code(command, language=None)


@contextmanager
def mending() -> Iterator[None]:
    """Turn what is missing or broken into a box that says so; the rest of the page stays."""
    try:
        yield
    except InputError as exc:
        text = str(exc)
        show_missing(exc, TRAIN if "digitflow train" in text else DIAGNOSE)
    except DamagedArtifact as exc:
        show_missing(exc, f"{DIAGNOSE} --verify")
    except (StorageError, DigitflowError) as exc:
        show_missing(exc, DIAGNOSE)
    except ModuleNotFoundError as exc:
        show_missing(f"{exc.name} is not installed", "pip install 'digitflow[app]'")


def is_started_by_admin() -> bool:
    """Tell whether the app was started with --admin."""
    return ADMIN_OPTION in sys.argv


def is_admin() -> bool:
    """Tell whether this person may retrain and roll back: by --admin, and the password."""
    return is_started_by_admin() and bool(st.session_state.get("admin"))


def is_shut_out() -> bool:
    """Tell whether others can reach the app, and this person has not said the password."""
    return PRIVATE_OPTION in sys.argv and not st.session_state.get("admin")


def require_login() -> None:
    """Ask for the password, instead of any page, where others can reach the app."""
    st.header("digitflow")
    _ask_password(st.form("login", clear_on_submit=True), "Open")


def offer_login() -> None:
    """Ask for the password in the sidebar where the app was started with --admin."""
    if is_started_by_admin() and not is_admin():
        form = st.sidebar.form("login", clear_on_submit=True)
        _ask_password(form, "Allow retraining and rollback")


def _ask_password(form: "DeltaGenerator", consequence: str) -> None:
    with form:
        given = st.text_input(
            "Password",
            type="password",
            help=f"What {PASSWORD_VARIABLE} was when the app was started.",
        )
        if st.form_submit_button(consequence):
            st.session_state["admin"] = check_password(given)
            if st.session_state["admin"]:
                st.rerun()
            st.error("That is not the password.")


def check_password(given: str) -> bool:
    """Compare with the environment's password, in constant time; a wrong one waits."""
    wanted = os.environ.get(PASSWORD_VARIABLE, "")
    right = bool(wanted) and hmac.compare_digest(given.encode(), wanted.encode())
    if not right:
        sleep(WRONG_SECONDS)
    return right
