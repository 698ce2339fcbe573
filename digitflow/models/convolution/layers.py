"""3x3 convolution, max pooling, batch normalisation and ReLU, forwards and backwards.

Images lie in memory as (n, height, width, channels), with zeros around them, so that what a
filter sees of a row is one run of numbers. Those runs are copied into a matrix, some images at
a time, as many as fit the processor's second-level cache, and one matrix product makes the
convolution (K. Chellapilla, S. Puri and P. Simard, "High performance convolutional neural
networks for document processing", 2006). Every array is made once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from digitflow.models.convolution.shapes import KERNEL, TAPS, LayerShape, LayerValues

# A usual second-level cache.
GROUP_BYTES = 1 << 20
# Keeps a channel that never changes from being divided by nothing.
EPSILON = 1e-5


@dataclass(frozen=True)
class Group:
    """Some images whose patches are copied together.

    Attributes
    ----------
    images, places : slice
        These images, and their places in the layer's output.
    patches, columns : ndarray
        What the filters see, as a view of the images, and where it is copied to.
    matrix : ndarray of shape (m, 9 * channels)
        The copy as a matrix. A pooled layer's is of all upper left places of the 2x2, then of
        all upper right ones, the lower left and the lower right.
    """

    images: slice
    places: slice
    patches: np.ndarray
    columns: np.ndarray
    matrix: np.ndarray


class Patches:
    """The input of a convolution, and what filters see of it as matrices.

    Parameters
    ----------
    shape : LayerShape
    rows : int
        Images, at most.
    group : int
        Images of a group, at most.
    keeps : bool
        Whether the matrices of all groups stay, each in its own memory.

    Attributes
    ----------
    interior : ndarray of shape (rows, height, width, inputs)
        Where the input is written to; zeros are around it.
    """

    def __init__(
        self,
        shape: LayerShape,
        rows: int,
        group: int,
        dtype: np.dtype | type,
        keeps: bool = False,
    ) -> None:
        padded = (rows, shape.height + 2, shape.width + 2, shape.inputs)
        self._padded = np.zeros(padded, dtype)
        self.interior = self._padded[:, 1:-1, 1:-1]
        self._seen = _view_patches(self._padded, shape)
        self._shape, self._group, self._keeps = shape, min(group, rows), keeps
        self._each = shape.positions * TAPS * shape.inputs
        self._columns = np.empty((rows if keeps else self._group) * self._each, dtype)
        self._groups: dict[int, tuple[Group, ...]] = {}

    def list_groups(self, rows: int) -> tuple[Group, ...]:
        """Return the groups of the first `rows` images."""
        if rows not in self._groups:
            starts = range(0, rows, self._group)
            ends = (min(start + self._group, rows) for start in starts)
            self._groups[rows] = tuple(map(self._make_group, starts, ends))
        return self._groups[rows]

    def _make_group(self, start: int, end: int) -> Group:
        first = start * self._each if self._keeps else 0
        flat = self._columns[first : first + (end - start) * self._each]
        if self._shape.inputs == 1:
            patches = self._seen[..., start:end, :, :]
            matrix = flat.reshape(TAPS, -1).T
        else:
            patches = self._seen[..., start:end, :, :, :, :]
            matrix = flat.reshape(-1, TAPS * self._shape.inputs)
        places = slice(start * self._shape.places, end * self._shape.places)
        return Group(slice(start, end), places, patches, flat.reshape(patches.shape), matrix)


def _view_patches(padded: np.ndarray, shape: LayerShape) -> np.ndarray:
    """Return what filters see as a view: ([2, 2,] n, height, width, 3, 3 * channels).

    Of one channel the filters' places come first, (3, 3, [2, 2,] n, height, width): the runs
    that are copied would be of three numbers otherwise.
    """
    image, row, column, item = padded.strides
    step = 2 if shape.pooled else 1
    corners = ((2, row), (2, column)) if shape.pooled else ()
    height, width = shape.size
    places = ((len(padded), image), (height, step * row), (width, step * column))
    if shape.inputs == 1:
        seen = ((KERNEL, row), (KERNEL, column), *corners, *places)
    else:
        seen = (*corners, *places, (KERNEL, row), (KERNEL * shape.inputs, item))
    lengths, strides = zip(*seen, strict=True)
    return as_strided(padded, lengths, strides, writeable=False)


def choose_group(numbers: int, dtype: np.dtype | type) -> int:
    """Return how many images with so many numbers each fit the cache."""
    return max(1, GROUP_BYTES // (numbers * np.dtype(dtype).itemsize))


class TrainedLayer:
    """A layer with all that its slopes need.

    Parameters
    ----------
    shape : LayerShape
    values, slopes : LayerValues
        What it has learnt, and where the slopes of the loss are added.
    output : ndarray of shape (rows, *size, outputs)
        Where `forward` writes what comes out; its last two axes lie side by side.
    is_first : bool
        Whether nothing below it needs slopes.

    Attributes
    ----------
    input : ndarray of shape (rows, height, width, inputs)
        To be filled before `forward`.
    above : ndarray of shape (count, outputs)
        Slopes of the loss by the output, to be filled before `backward`.
    sums, squares : ndarray of shape (outputs,), float64
        Of what was normalised last, over all `count` places.
    """

    def __init__(
        self,
        shape: LayerShape,
        values: LayerValues,
        slopes: LayerValues,
        output: np.ndarray,
        is_first: bool,
    ) -> None:
        dtype, rows, outputs = values.filters.dtype, len(output), shape.outputs
        self._shape, self._values, self._slopes = shape, values, slopes
        self._output = output.reshape(rows, shape.size[0], -1)
        seen = TAPS * shape.inputs * shape.positions
        if not is_first:
            seen = max(seen, TAPS * outputs * shape.height * shape.width)
        group = min(rows, choose_group(seen, dtype))
        patches = Patches(shape, rows, group, dtype, keeps=is_first)
        self.input, self._groups = patches.interior, patches.list_groups(rows)
        self.count = rows * shape.places
        self.above = np.empty((self.count, outputs), dtype)
        self.sums, self.squares = np.zeros(outputs), np.zeros(outputs)
        self._before = np.empty((self.count, outputs), dtype)
        self._spare = np.empty((group * shape.places, outputs), dtype)
        self._ones = np.ones(group * shape.places, dtype)
        self._alive = np.empty((group * shape.places, outputs), bool)
        # numpy is slow in runs as short as the channels of one place: they are repeated for
        # a row of an image.
        self._tiled = [np.empty((shape.size[1], outputs), dtype) for _ in range(3)]
        self._pooling = _Pooling(self.count, group * shape.places, outputs, dtype)
        self._backwards = None if is_first else _Backwards(shape, group, dtype)

    def forward(self) -> None:
        """Convolve, pool, normalise by the mean and variance of these images, and rectify."""
        self.sums[...] = self.squares[...] = 0
        for group in self._groups:
            np.copyto(group.columns, group.patches)
            before = self._before[group.places]
            if self._shape.pooled:
                self._pooling.pool(group, self._values.filters, before)
            else:
                np.matmul(group.matrix, self._values.filters, out=before)
            ones, spare = self._ones[: len(before)], self._spare[: len(before)]
            self.sums += np.dot(ones, before)
            self.squares += np.dot(ones, np.multiply(before, before, out=spare))
        self._mean = self.sums / self.count
        variance = np.maximum(self.squares / self.count - self._mean**2, 0)
        self._inverse = 1 / np.sqrt(variance + EPSILON)
        scale = self._inverse * self._values.scale
        self._rectify(scale, self._values.shift - self._mean * scale)

    def _rectify(self, scale: np.ndarray, shift: np.ndarray) -> None:
        scales, shifts = self._tile(scale, shift)
        for group in self._groups:
            out = self._output[group.images]
            np.multiply(self._before[group.places].reshape(out.shape), scales, out=out)
            np.add(out, shifts, out=out)
            np.maximum(out, 0, out=out)

    def backward(self, below: np.ndarray | None) -> None:
        """Add to the slopes of the values, and write those of the input to `below`.

        `above` is written over, and so is what the layer kept of `forward`.

        Parameters
        ----------
        below : ndarray of shape (rows * height * width, inputs), optional
        """
        first, second = self._sum_slopes()
        by_scale = self._inverse * (second - self._mean * first)
        self._slopes.shift[...] += first
        self._slopes.scale[...] += by_scale
        # Through the normalisation: the slope itself, the value before, and a constant.
        own = self._inverse * self._values.scale
        by_value = -own * self._inverse * by_scale / self.count
        constant = -own * first / self.count - by_value * self._mean
        tiled = self._tile(own, by_value, constant)
        if self._backwards is not None:
            self._backwards.begin(self._values.filters)
        for group in self._groups:
            slopes = self._denormalise(group, *tiled)
            if self._backwards is None or below is None:
                corners = self._pooling.spread(group, slopes)
                self._slopes.filters[...] += group.matrix.T @ corners
            else:
                self._backwards.fill(group, slopes, self._pooling)
                self._backwards.multiply(group, self.input, below)
        if self._backwards is not None:
            self._backwards.add_to(self._slopes.filters)

    def _sum_slopes(self) -> tuple[np.ndarray, np.ndarray]:
        """Stop slopes where ReLU did; return their sums, and those times the value before."""
        first, second = np.zeros(self._shape.outputs), np.zeros(self._shape.outputs)
        for group in self._groups:
            slopes, out = self.above[group.places], self._output[group.images]
            alive, spare = self._alive[: len(slopes)], self._spare[: len(slopes)]
            np.greater(out, 0, out=alive.reshape(out.shape))
            np.multiply(slopes, alive, out=slopes)
            ones = self._ones[: len(slopes)]
            first += np.dot(ones, slopes)
            second += np.dot(ones, np.multiply(slopes, self._before[group.places], out=spare))
        return first, second

    def _denormalise(
        self, group: Group, own: np.ndarray, by_value: np.ndarray, constant: np.ndarray
    ) -> np.ndarray:
        slopes, before = self.above[group.places], self._before[group.places]
        rows, values = slopes.reshape(-1, len(own)), before.reshape(-1, len(own))
        np.multiply(rows, own, out=rows)
        np.multiply(values, by_value, out=values)
        np.add(rows, values, out=rows)
        np.add(rows, constant, out=rows)
        return slopes

    def _tile(self, *channels: np.ndarray) -> list[np.ndarray]:
        for tiled, values in zip(self._tiled, channels, strict=False):
            tiled[...] = values
        return [tiled.reshape(-1) for tiled in self._tiled[: len(channels)]]


class _Pooling:
    """Maxima of 2x2 places, and the way back of the slopes: to the first of the largest.

    Parameters
    ----------
    count, most : int
        Places of all images, and of a group's, after pooling.
    """

    def __init__(self, count: int, most: int, outputs: int, dtype: np.dtype | type) -> None:
        self._corners = np.empty(4 * most * outputs, dtype)
        self._is_left = np.empty((2, count, outputs), bool)
        self._is_upper = np.empty((count, outputs), bool)
        self._half = np.empty(most * outputs, dtype)
        self._outputs = outputs

    def pool(self, group: Group, filters: np.ndarray, out: np.ndarray) -> None:
        """Write the maxima of the convolution to `out` (places, outputs)."""
        corners = self._view_corners(len(out))
        np.matmul(group.matrix, filters, out=corners.reshape(-1, self._outputs))
        left, right = corners[:, 0], corners[:, 1]
        np.greater_equal(left, right, out=self._is_left[:, group.places])
        np.maximum(left, right, out=left)
        np.greater_equal(left[0], left[1], out=self._is_upper[group.places])
        np.maximum(left[0], left[1], out=out)

    def spread(self, group: Group, slopes: np.ndarray) -> np.ndarray:
        """Return the slopes of the four corners, (4 * places, outputs), one after another."""
        corners = self._view_corners(len(slopes))
        self.spread_into(group, slopes, corners)
        return corners.reshape(-1, self._outputs)

    def spread_into(self, group: Group, slopes: np.ndarray, corners: np.ndarray) -> None:
        """Write the slopes of the corners to an array like (2, 2, places, outputs)."""
        shape = corners.shape[2:]
        left = self._is_left[:, group.places].reshape(2, *shape)
        upper, slopes = self._is_upper[group.places].reshape(shape), slopes.reshape(shape)
        half = self._half[: slopes.size].reshape(shape)
        np.multiply(slopes, upper, out=half)
        np.subtract(slopes, half, out=slopes)
        for row, is_left, (first, second) in zip((half, slopes), left, corners, strict=True):
            np.multiply(row, is_left, out=first)
            np.subtract(row, first, out=second)

    def _view_corners(self, places: int) -> np.ndarray:
        size = 4 * places * self._outputs
        return self._corners[:size].reshape(2, 2, places, self._outputs)


class _Backwards:
    """The products on the way back: the patches of the slopes serve both.

    The slopes of the input are a convolution of those of the output with the filters turned
    by half; those of the filters are the input times the same patches.
    """

    def __init__(self, shape: LayerShape, group: int, dtype: np.dtype | type) -> None:
        back = LayerShape(shape.height, shape.width, shape.outputs, shape.inputs, False)
        self._pooled = shape.pooled
        self._patches = Patches(back, group, group, dtype)
        self._turned = np.empty((TAPS * shape.outputs, shape.inputs), dtype)
        self._inside = np.empty((group * back.places, shape.inputs), dtype)
        self._product = np.empty((shape.inputs, TAPS * shape.outputs), dtype)
        self._total = np.empty_like(self._product)
        self._wide = self._patches.interior.reshape(group, shape.height, -1)

    def begin(self, filters: np.ndarray) -> None:
        """Turn the filters."""
        inputs = self._turned.shape[1]
        taps = filters.reshape(KERNEL, KERNEL, inputs, -1)[::-1, ::-1]
        self._turned.reshape(KERNEL, KERNEL, -1, inputs)[...] = taps.swapaxes(2, 3)
        self._total[...] = 0

    def fill(self, group: Group, slopes: np.ndarray, pooling: _Pooling) -> None:
        """Put a group's slopes of the output (places, outputs) where they came from."""
        images = group.images.stop - group.images.start
        if not self._pooled:
            self._wide[:images] = slopes.reshape(images, *self._wide.shape[1:])
            return
        inside = self._patches.interior[:images]
        height, width = (side // 2 * 2 for side in inside.shape[1:3])
        pairs = inside[:, :height, :width].reshape(images, height // 2, 2, width // 2, 2, -1)
        pooling.spread_into(group, slopes, pairs.transpose(2, 4, 0, 1, 3, 5))

    def multiply(self, group: Group, values: np.ndarray, below: np.ndarray) -> None:
        """Add to the slopes of the filters; write those of the input."""
        images = group.images.stop - group.images.start
        (seen,) = self._patches.list_groups(images)
        np.copyto(seen.columns, seen.patches)
        inside = self._inside[: len(seen.matrix)]
        inside.reshape(images, *values.shape[1:])[...] = values[group.images]
        np.matmul(inside.T, seen.matrix, out=self._product)
        self._total += self._product
        start = group.images.start * (len(seen.matrix) // images)
        np.matmul(seen.matrix, self._turned, out=below[start : start + len(seen.matrix)])

    def add_to(self, slopes: np.ndarray) -> None:
        """Add the slopes of the filters, turned back, to `slopes` (9 * inputs, outputs)."""
        inputs = self._turned.shape[1]
        turned = self._total.reshape(inputs, KERNEL, KERNEL, -1).transpose(1, 2, 0, 3)
        slopes.reshape(KERNEL, KERNEL, inputs, -1)[...] += turned[::-1, ::-1]
