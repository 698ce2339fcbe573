"""A convolutional network: its loss and slopes over some images, and how it predicts."""

from collections.abc import Sequence

import numpy as np

from digitflow.models.convolution.layers import EPSILON, Patches, TrainedLayer, choose_group
from digitflow.models.convolution.shapes import (
    TAPS,
    LayerShape,
    LayerValues,
    NetworkShape,
    NetworkValues,
)

PIXEL = 1 / 255


class TrainedNetwork:
    """A network with all memory that some images need, forwards and backwards.

    Parameters
    ----------
    shape : NetworkShape
    values : NetworkValues
        What it has learnt; read in every pass, never written.
    rows : int
        Images of a pass: they are normalised together.

    Attributes
    ----------
    slopes : NetworkValues
        Of the loss, by all values.
    layers : list of TrainedLayer
    """

    def __init__(self, shape: NetworkShape, values: NetworkValues, rows: int) -> None:
        dtype = values.flat.dtype
        self._values, self._rows = values, rows
        self.slopes = NetworkValues.of(shape, dtype)
        self._features = np.zeros((rows, shape.features), dtype)
        last = shape.layers[-1]
        output = self._features.reshape(rows, *last.size, last.outputs)
        layers: list[TrainedLayer] = []
        for place in range(len(shape.layers) - 1, -1, -1):
            own = values.layers[place], self.slopes.layers[place]
            layers.append(TrainedLayer(shape.layers[place], *own, output, place == 0))
            output = layers[-1].input
        self.layers = layers[::-1]
        self._pixels = output[..., 0]

    def run_forward(self, images: np.ndarray) -> np.ndarray:
        """Return scores (rows, classes) of uint8 images (rows, height, width)."""
        np.multiply(images, self._pixels.dtype.type(PIXEL), out=self._pixels)
        for layer in self.layers:
            layer.forward()
        return self._features @ self._values.dense + self._values.bias

    def compute_slopes(self, images: np.ndarray, targets: np.ndarray, share: float) -> float:
        """Set `slopes` to those of `share` times the sum of the cross-entropies.

        Parameters
        ----------
        images : ndarray of shape (rows, height, width), uint8
        targets : ndarray of shape (rows, classes)
            Probabilities that would be right.

        Returns
        -------
        float
            `share` times the sum.
        """
        self.slopes.flat[...] = 0
        loss, error = compute_cross_entropy(self.run_forward(images), targets)
        error *= error.dtype.type(share)
        np.matmul(self._features.T, error, out=self.slopes.dense)
        self.slopes.bias[...] = error.sum(axis=0)
        last = self.layers[-1].above
        np.matmul(error, self._values.dense.T, out=last.reshape(self._rows, -1))
        for place in range(len(self.layers) - 1, -1, -1):
            self.layers[place].backward(self.layers[place - 1].above if place else None)
        return share * loss


def compute_cross_entropy(scores: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the sum of cross-entropies of all rows, and its slopes by the scores (n, k)."""
    scores = scores - scores.max(axis=1, keepdims=True)
    logarithms = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return -float((targets * logarithms).sum()), np.exp(logarithms) - targets


def fold_layer(values: LayerValues, mean: np.ndarray, variance: np.ndarray) -> LayerValues:
    """Return filters that normalise by these statistics, (outputs,) each; their scale is 1.

    Scales are over 0 (`train`), so that the maximum of a pool is the same one.
    """
    scale = values.scale / np.sqrt(variance + EPSILON)
    dtype = values.filters.dtype
    return LayerValues(
        (values.filters * scale).astype(dtype),
        np.ones_like(values.scale),
        (values.shift - mean * scale).astype(dtype),
    )


def fits_shape(
    shape: NetworkShape, filters: Sequence[np.ndarray], biases: Sequence[np.ndarray]
) -> bool:
    """Tell whether a `FoldedNetwork` can be made of these float32 arrays; all are finite."""
    sizes = [(TAPS * layer.inputs, layer.outputs) for layer in shape.layers]
    sizes.append((shape.features, shape.classes))
    arrays = [*filters, *biases]
    return (
        [array.shape for array in arrays] == sizes + [(outputs,) for _, outputs in sizes]
        and all(array.dtype == np.float32 for array in arrays)
        and all(np.isfinite(array).all() for array in arrays)
    )


class FoldedNetwork:
    """A trained network that predicts, its normalisation folded away; memory is made once.

    One thread at a time.

    Parameters
    ----------
    shape : NetworkShape
    filters, biases : sequence of ndarray
        Of each convolution (9 * inputs, outputs) and (outputs,), then of the dense layer
        (features, classes) and (classes,).
    rows : int
        Images that are predicted together.
    """

    def __init__(
        self,
        shape: NetworkShape,
        filters: Sequence[np.ndarray],
        biases: Sequence[np.ndarray],
        rows: int,
    ) -> None:
        dtype = filters[0].dtype
        self.rows, self._dense, self._bias = rows, filters[-1], biases[-1]
        self._features = np.zeros((rows, shape.features), dtype)
        last = shape.layers[-1]
        output = self._features.reshape(rows, *last.size, last.outputs)
        layers: list[_FoldedLayer] = []
        for place in range(len(shape.layers) - 1, -1, -1):
            own = shape.layers[place], filters[place], biases[place]
            layers.append(_FoldedLayer(*own, output))
            output = layers[-1].input
        self._layers = layers[::-1]
        self._pixels = output[..., 0]

    def score(self, images: np.ndarray) -> np.ndarray:
        """Return scores (n, classes) of at most `rows` uint8 images (n, height, width)."""
        n = len(images)
        np.multiply(images, self._pixels.dtype.type(PIXEL), out=self._pixels[:n])
        for layer in self._layers:
            layer.forward(n)
        return self._features[:n] @ self._dense + self._bias


class _FoldedLayer:
    """A convolution with a bias, pooled or not, and ReLU."""

    def __init__(
        self, shape: LayerShape, filters: np.ndarray, bias: np.ndarray, output: np.ndarray
    ) -> None:
        rows, dtype = len(output), filters.dtype
        self._shape, self._filters, self._output = shape, filters, output
        # numpy is slow in runs as short as the channels of one place.
        self._biases = np.tile(bias, shape.size[1])
        group = choose_group(TAPS * shape.inputs * shape.positions, dtype)
        self._patches = Patches(shape, rows, group, dtype)
        self.input = self._patches.interior
        self._raw = np.empty((min(group, rows) * shape.positions, shape.outputs), dtype)

    def forward(self, n: int) -> None:
        """Write what comes out of the first `n` images to the output."""
        for group in self._patches.list_groups(n):
            np.copyto(group.columns, group.patches)
            raw = self._raw[: len(group.matrix)]
            np.matmul(group.matrix, self._filters, out=raw)
            if self._shape.pooled:
                raw = raw.reshape(2, 2, -1, self._shape.outputs)
                np.maximum(raw[:, 0], raw[:, 1], out=raw[:, 0])
                raw = np.maximum(raw[0, 0], raw[1, 0], out=raw[0, 0])
            images = group.images.stop - group.images.start
            rows = raw.reshape(images, self._shape.size[0], -1)
            np.add(rows, self._biases, out=rows)
            out = self._output[group.images]
            np.maximum(rows, 0, out=out.reshape(rows.shape))
