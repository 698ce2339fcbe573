"""Fit a recipe and compute its features, in bounded memory, whatever the recipe.

Steps that need no fit, or learn from chunks, are applied on the way. Only a step that
must see all rows at once gets them, as a memory-mapped scratch array.
"""

import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from digitflow.catalogue import RECIPES
from digitflow.errors import InputError
from digitflow.project.code import ProjectCode
from digitflow.project.importing import is_path, load_object
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

logger = logging.getLogger(__name__)

CHUNK_ROWS = 1024


def fit_recipe(
    name: str,
    images: np.ndarray,
    seed: int,
    store: Store,
    threads: int,
    params: Mapping[str, Any] | None = None,
    code: ProjectCode | None = None,
) -> tuple["Pipeline", ArrayRef]:
    """Fit a recipe's steps on images and compute the images' features.

    The result doesn't depend on `threads`: rows are always handled in the same chunks,
    and linear algebra runs in one thread a chunk. That limit holds for the process.

    Parameters
    ----------
    name, params, code
        As `build_steps` takes them.
    images : ndarray of shape (n, 28, 28), uint8
        May be memory-mapped; read in chunks.
    seed : int
        For steps that draw at random.
    store : Store
        Where the features and the scratch arrays go.
    threads : int
        Chunks at the same time.

    Returns
    -------
    Pipeline, ArrayRef
        The fitted steps, and features (n, d): float32, or uint8 where pixels stay as they are.

    Raises
    ------
    InputError
        If there is no such recipe, or it can't be fitted on these images.
    """
    from sklearn.pipeline import Pipeline
    from threadpoolctl import threadpool_limits

    steps = build_steps(name, seed, params, code)
    with threadpool_limits(1), ExitStack() as scratch:
        rows, ready = images, list[Any]()
        for label, step in steps:
            logger.debug("recipe %s: %s on %d images", name, label, len(images))
            if ready and _needs_all_rows(step):
                rows, ready = _write_scratch(ready, rows, store, threads, scratch), []
            try:
                _fit_step(step, ready, rows)
            except ValueError as exc:
                raise InputError(
                    f"recipe {name} can't be fitted on {len(images)} images: {exc}"
                ) from exc
            ready.append(step)
        return Pipeline(steps), _store_features(ready, rows, store, threads)


def transform_images(
    pipeline: "Pipeline", images: np.ndarray, store: Store, threads: int
) -> ArrayRef:
    """Compute the features of images by a fitted recipe, chunk by chunk.

    Parameters
    ----------
    pipeline : Pipeline
        The fitted steps, as `fit_recipe` returns them.
    images : ndarray of shape (n, 28, 28), uint8
        May be memory-mapped.
    store : Store
        Where the features go.
    threads : int
        Chunks at the same time.

    Returns
    -------
    ArrayRef
        As `fit_recipe` returns them.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return _store_features([step for _, step in pipeline.steps], images, store, threads)


def _needs_all_rows(step: Any) -> bool:
    return _learns(step) and not hasattr(step, "partial_fit")


def _learns(step: Any) -> bool:
    from sklearn.utils import get_tags

    return bool(get_tags(step).requires_fit)


def _fit_step(step: Any, ready: Sequence[Any], rows: np.ndarray) -> None:
    if _needs_all_rows(step):
        step.fit(np.asarray(rows))  # not as a memory map, which the model would keep
    elif _learns(step):
        for chunk in _iterate_chunks(len(rows)):
            step.partial_fit(_apply(ready, rows[chunk]))


def _write_scratch(
    ready: Sequence[Any], rows: np.ndarray, store: Store, threads: int, scratch: ExitStack
) -> np.ndarray:
    shape, dtype = _measure(ready, rows)
    array = scratch.enter_context(store.scratch_array(shape, dtype))
    _transform_into(ready, rows, array, threads)
    return array


def _store_features(
    ready: Sequence[Any], rows: np.ndarray, store: Store, threads: int
) -> ArrayRef:
    with store.new_array(*_measure(ready, rows)) as pending:
        _transform_into(ready, rows, pending.array, threads)
    return pending.ref


def _measure(ready: Sequence[Any], rows: np.ndarray) -> tuple[tuple[int, ...], type]:
    """Return shape and dtype of what the steps make of the rows, by the first or an empty one.

    Pixels stay pixels, a quarter as large; all else becomes float32.
    """
    # An empty row is none that a recipe of a table could say much of, but has its width.
    row = rows[:1] if len(rows) else np.zeros((1, *rows.shape[1:]), rows.dtype)
    made = _apply(ready, row)
    return (len(rows), *made.shape[1:]), np.uint8 if made.dtype == np.uint8 else np.float32


def _transform_into(
    ready: Sequence[Any], rows: np.ndarray, out: np.ndarray, threads: int
) -> None:
    def transform(chunk: slice) -> None:
        out[chunk] = _apply(ready, rows[chunk])

    # Threads are enough: numpy lets go of the interpreter while it computes.
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(transform, _iterate_chunks(len(rows))))


def _apply(ready: Sequence[Any], rows: np.ndarray) -> np.ndarray:
    for step in ready:
        rows = step.transform(rows)
    return rows


def _iterate_chunks(n: int) -> Iterator[slice]:
    return (slice(start, start + CHUNK_ROWS) for start in range(0, n, CHUNK_ROWS))


def build_steps(
    name: str,
    seed: int,
    params: Mapping[str, Any] | None = None,
    code: ProjectCode | None = None,
) -> list[tuple[str, Any]]:
    """Return a recipe's named, unfitted transformers.

    Parameters
    ----------
    name : str
        A recipe of the catalogue, or the import path of a function like its `build_steps`.
    seed : int
        For steps that draw at random.
    params : mapping, optional
        What else the function takes, by name.
    code : ProjectCode, optional
        Where the import path leads, if into a project.

    Raises
    ------
    InputError
        If there is no such recipe (it lists the known ones), it takes no such parameters,
        or gives no list of names and transformers.
    """
    build = load_object(name, code) if is_path(name) else RECIPES.load(name).build_steps
    given = {} if params is None else params
    try:
        inspect.signature(build).bind(seed, **given)
    except TypeError as exc:
        raise InputError(
            f"the recipe {name} can't be built of the seed and {dict(given)}: {exc}; "
            f"it is {name}{inspect.signature(build) if callable(build) else ''}"
        ) from exc
    return _require_steps(name, build(seed, **given))


def _require_steps(name: str, steps: Any) -> list[tuple[str, Any]]:
    try:
        named = [(str(label), step) for label, step in steps]
    except (TypeError, ValueError):
        named = []
    if not named or not all(hasattr(step, "transform") for _, step in named):
        raise InputError(
            f"the recipe {name} must give a list of (name, transformer), got {steps!r:.200}"
        )
    return named
