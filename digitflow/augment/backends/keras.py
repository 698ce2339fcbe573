"""Alter images by Keras' preprocessing layers, on JAX: the extra `keras`."""

import os
from typing import Any

import numpy as np

from digitflow.augment.copies import write_altered
from digitflow.config.data import KerasAugmentation
from digitflow.errors import InputError

# Above it, memory grows; below it, the call itself is what takes time.
BATCH_ROWS = 256


def count_copies(settings: KerasAugmentation) -> int:
    """Return how many images come out for one that goes in; the first is itself."""
    return 1 + settings.copies


def write_copies(
    images: np.ndarray, settings: KerasAugmentation, seed: int, out: np.ndarray
) -> None:
    """Write the images, then so many altered copies of all of them; see `write_altered`.

    Raises
    ------
    InputError
        If Keras or JAX is not installed, or as `write_altered` says.
    """
    keras = import_keras()

    def alter(chunk: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        layers = _build_layers(keras, settings, int(generator.integers(2**31)))
        return _apply(layers, chunk)

    write_altered(images, settings.copies, seed, out, alter)


def import_keras() -> Any:
    """Return the module keras, on JAX unless KERAS_BACKEND names another.

    Raises
    ------
    InputError
        If it is not installed.
    """
    os.environ.setdefault("KERAS_BACKEND", "jax")
    try:
        import keras
    except ImportError as exc:
        raise InputError(
            f"the backend keras needs Keras and JAX ({exc}): install digitflow with its extra, "
            f'pip install "digitflow[keras]"'
        ) from exc
    return keras


def _build_layers(keras: Any, settings: KerasAugmentation, seed: int) -> list[Any]:
    shift, lean = settings.shift / 28, settings.slant
    shared = {"fill_mode": "constant", "fill_value": 0.0, "data_format": "channels_last"}
    layers = keras.layers
    built = [
        layers.RandomRotation(settings.rotation / 360, seed=seed, **shared),
        layers.RandomZoom((-settings.zoom, settings.zoom), seed=seed + 1, **shared),
        layers.RandomTranslation(shift, shift, seed=seed + 2, **shared),
    ]
    if lean:
        built.append(layers.RandomShear(x_factor=lean, seed=seed + 3, **shared))
    return built


def _apply(layers: list[Any], images: np.ndarray) -> np.ndarray:
    out = np.empty_like(images)
    for start in range(0, len(images), BATCH_ROWS):
        batch: Any = images[start : start + BATCH_ROWS, ..., np.newaxis].astype(np.float32)
        for layer in layers:
            batch = layer(batch, training=True)
        altered = np.asarray(batch)[..., 0]
        out[start : start + BATCH_ROWS] = np.rint(altered.clip(0, 255)).astype(np.uint8)
    return out
