"""The slopes are those of the loss, and the loss is what SciPy and plain NumPy make of it."""

import numpy as np
import pytest
from scipy.signal import correlate2d

from digitflow.models.convolution import layers
from digitflow.models.convolution.network import (
    FoldedNetwork,
    TrainedNetwork,
    fold_layer,
)
from digitflow.models.convolution.shapes import NetworkShape, draw_values

BLOCKS = ((3,), (4, 5))
ROWS = 6


@pytest.fixture(params=[(8, 8), (9, 7)], ids=str)
def problem(request, monkeypatch):
    """A small network in float64, images and targets; four fit a group, and two are left."""
    monkeypatch.setattr(layers, "GROUP_BYTES", 20_000)
    generator = np.random.default_rng(1)
    shape = NetworkShape.of(request.param, BLOCKS, 4)
    values = draw_values(shape, generator, np.float64)
    for layer in values.layers:
        layer.scale[...] = generator.uniform(0.5, 1.5, layer.scale.shape)
        layer.shift[...] = generator.uniform(-0.5, 0.5, layer.shift.shape)
    values.bias[...] = generator.normal(size=4)
    images = generator.integers(0, 256, (ROWS, *request.param)).astype(np.uint8)
    targets = generator.dirichlet(np.ones(4), ROWS)
    return shape, values, images, targets


def convolve(images, filters):
    """SciPy's cross-correlation of each channel, summed: (n, height, width, channels)."""
    taps = filters.reshape(3, 3, images.shape[3], -1)
    return np.array(
        [
            [
                sum(
                    correlate2d(image[..., i], taps[..., i, o], mode="same")
                    for i in range(taps.shape[2])
                )
                for o in range(taps.shape[3])
            ]
            for image in images
        ]
    ).transpose(0, 2, 3, 1)


def pool(images):
    n, height, width, channels = images.shape
    whole = images[:, : height // 2 * 2, : width // 2 * 2]
    return whole.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def run_plainly(shape, values, images):
    state = images[..., np.newaxis] / 255
    for layer, own in zip(shape.layers, values.layers, strict=True):
        state = convolve(state, own.filters)
        state = pool(state) if layer.pooled else state
        mean, variance = state.mean(axis=(0, 1, 2)), state.var(axis=(0, 1, 2))
        state = (state - mean) / np.sqrt(variance + layers.EPSILON) * own.scale + own.shift
        state = np.maximum(state, 0)
    return state.reshape(len(images), -1) @ values.dense + values.bias


def test_scores_are_those_of_scipys_convolution(problem):
    shape, values, images, _ = problem
    found = TrainedNetwork(shape, values, ROWS).run_forward(images)
    np.testing.assert_allclose(found, run_plainly(shape, values, images), atol=1e-9)


def test_slopes_agree_with_differences(problem):
    shape, values, images, targets = problem
    network = TrainedNetwork(shape, values, ROWS)
    loss = network.compute_slopes(images, targets, 1 / ROWS)
    slopes, step = network.slopes.flat.copy(), 1e-6
    scores = run_plainly(shape, values, images)
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert loss == pytest.approx(-(targets * np.log(chances)).sum(axis=1).mean())
    for place in np.random.default_rng(0).permutation(len(slopes))[:150]:
        kept, around = values.flat[place], []
        for moved in (kept + step, kept - step):
            values.flat[place] = moved
            around.append(network.compute_slopes(images, targets, 1 / ROWS))
        values.flat[place] = kept
        expected = (around[0] - around[1]) / (2 * step)
        assert slopes[place] == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_equal_corners_give_their_slope_to_one_of_them(problem):
    shape, values, images, targets = problem
    values.layers[0].filters[...] = 0.1  # every channel alike, and flat paper stays flat
    images[...] = 200
    network = TrainedNetwork(shape, values, ROWS)
    network.compute_slopes(images, targets, 1.0)
    first = network.layers[0]
    group = first._groups[0]
    corners = first._pooling.spread(group, first.above[group.places])
    assert (np.count_nonzero(corners.reshape(4, -1), axis=0) <= 1).all()


def test_the_folded_network_predicts_as_the_trained_one(problem):
    shape, values, images, _ = problem
    trained = TrainedNetwork(shape, values, ROWS)
    expected = trained.run_forward(images)
    folded = []
    for own, each in zip(values.layers, trained.layers, strict=True):
        mean, squares = each.sums / each.count, each.squares / each.count
        folded.append(fold_layer(own, mean, squares - mean**2))
    filters = [*(each.filters for each in folded), values.dense]
    biases = [*(each.shift for each in folded), values.bias]
    network = FoldedNetwork(shape, filters, biases, 16)
    network.score(images[::-1])  # what it held before does not matter
    np.testing.assert_allclose(network.score(images), expected, atol=1e-9)
    np.testing.assert_allclose(network.score(images[:1]), expected[:1], atol=1e-9)


def test_more_blocks_than_the_images_can_be_halved_are_refused():
    with pytest.raises(ValueError, match="leaves nothing of 8 x 8"):
        NetworkShape.of((8, 8), ((2,),) * 4, 3)
