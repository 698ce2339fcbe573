"""What is said of pixels is what numpy and scikit-learn say of them all at once."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from digitflow.data.sets import LabelledImages
from digitflow.studies.digits.data import open_test, open_train
from digitflow.studies.digits.experiments import explore
from digitflow.studies.digits.experiments.explore import (
    Components,
    describe_classes,
    describe_pixels,
    find_components,
    map_neighbours,
    measure_columns,
    plan,
    project_pixels,
    summarise_stages,
)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Chunks that do not divide the images evenly."""
    monkeypatch.setattr(explore, "CHUNK_ROWS", 13)


def flatten(images):
    return np.asarray(images).reshape(len(images), -1).astype(float)


def test_all_of_mnist_is_looked_at_as_the_page_tells(mnist_scope):
    params = {each.name: each.params for each in plan(mnist_scope)}
    assert params == {
        "pixels": {},
        "classes": {},
        "components": {"kept": [10, 50, 154]},
        "neighbourhoods": {"images": 2000},
    }
    few = mnist_scope.model_copy(update={"train_rows": 154})
    assert [each.params for each in plan(few)][2:] == [
        {"kept": [10, 50, 154]},
        {"images": 154},
    ]
    fewer = mnist_scope.model_copy(update={"train_rows": 153})
    assert plan(fewer)[2].params == {"kept": [10, 50]}


def test_the_variance_that_components_hold_is_cumulated_as_shares_of_all():
    components = Components(
        mean=np.zeros(4), variances=np.array([6.0, 3.0, 1.0, 0.0]), vectors=np.eye(4)
    )
    np.testing.assert_allclose(components.cumulated, [0.6, 0.9, 1.0, 1.0])


def test_both_sets_are_described(make_context):
    context = make_context(writers=None)
    values = describe_pixels(context).values
    train, test = open_train(context), open_test(context)
    assert values["sets"]["train"] == {
        "shape": [60, 28, 28],
        "dtype": "uint8",
        "labels_dtype": "uint8",
        "bytes": 60 * 784,
        "lowest": 0,
        "highest": int(train.images.max()),
        "missing": 0,
        "classes": 10,
        "writers": None,
    }
    assert values["sets"]["test"]["shape"] == list(test.images.shape)
    counts = [int((train.images == value).sum()) for value in range(256)]
    assert values["histogram"] == counts
    # The two upper rows are paper in every image.
    assert values["constant"] == 56


def test_what_is_missing_and_who_wrote_are_counted():
    images = np.zeros((3, 28, 28), np.float32)
    images[1, 0, :2] = np.nan
    facts = explore._describe_set(
        LabelledImages(np.nan_to_num(images), np.array([1, 1, 2]), np.array([5, 5, 6]))
    )
    assert (facts["classes"], facts["writers"], facts["missing"]) == (2, 2, 0)
    with pytest.raises(ValueError, match="NaN"):
        explore._describe_set(LabelledImages(images, np.array([1, 1, 2])))


def test_pixels_are_summarised_raw_normalised_and_standardised(make_context):
    images = open_train(make_context()).images
    rows = flatten(images)
    stages = summarise_stages(images)
    assert stages["raw"] == pytest.approx(
        {
            "mean": rows.mean(),
            "deviation": rows.std(),
            "lowest": 0.0,
            "median": np.median(rows),
            "highest": rows.max(),
        }
    )
    assert stages["normalised"] == pytest.approx(
        {name: value / 255 for name, value in stages["raw"].items()}
    )
    spread = rows.std(axis=0)
    scaled = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1)
    found = stages["standardised"]
    assert found.pop("median") is None
    assert found["mean"] == pytest.approx(0, abs=1e-12)
    assert found == pytest.approx(
        {
            "mean": 0.0,
            "deviation": scaled.std(),
            "lowest": scaled.min(),
            "highest": scaled.max(),
        },
        abs=1e-12,
    )
    mean, variance = measure_columns(images)
    np.testing.assert_allclose(mean, rows.mean(axis=0))
    np.testing.assert_allclose(variance, rows.var(axis=0), atol=1e-9)


def test_the_median_of_few_pixels_is_one_of_them():
    images = np.zeros((1, 28, 28), np.uint8)
    images.flat[:393] = 9
    assert summarise_stages(images)["raw"]["median"] == 9
    images.flat[:391] = 0
    assert summarise_stages(images)["raw"]["median"] == 0


def test_every_digit_is_counted_averaged_and_shown_from_first_to_last(make_context, store):
    context = make_context(train=125)
    found = describe_classes(context)
    train = open_train(context)
    assert found.values["counts"] == {"train": [13] * 5 + [12] * 5, "test": [3] * 10}
    samples, means, spreads = (
        store.open_array(found.arrays[name]) for name in ("samples", "means", "spreads")
    )
    assert samples.shape == (10, 10, 28, 28)
    for digit in range(10):
        own = train.images[train.labels == digit]
        np.testing.assert_allclose(means[digit], own.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(spreads[digit], own.std(axis=0), atol=1e-4)
        assert found.values["ink"][digit] == pytest.approx(own.mean() / 255, rel=1e-5)
        rows = np.linspace(0, len(own) - 1, 10).astype(int)
        np.testing.assert_array_equal(samples[digit], own[rows])


def test_of_few_images_of_a_digit_all_are_shown(make_context, store):
    found = describe_classes(make_context(train=30))
    samples = store.open_array(found.arrays["samples"])
    assert samples[:, :3].any(axis=(2, 3)).all()
    assert not samples[:, 3:].any()


def test_components_are_those_of_scikit_learn(make_context, store):
    context = make_context(train=100)
    train = open_train(context)
    found = project_pixels(context, [5, 20])
    rows = flatten(train.images) / 255
    oracle = PCA(svd_solver="full").fit(rows)
    shares = np.cumsum(oracle.explained_variance_ratio_)
    np.testing.assert_allclose(found.values["cumulated"][:99], shares[:99], atol=1e-9)
    for share in (0.8, 0.9, 0.95, 0.99):
        assert found.values["needed"][str(share)] == np.searchsorted(shares, share) + 1
    first = [int(np.flatnonzero(train.labels == digit)[0]) for digit in range(10)]
    originals, rebuilt, placed, labels = (
        store.open_array(found.arrays[name])
        for name in ("originals", "rebuilt", "map", "labels")
    )
    np.testing.assert_array_equal(originals, train.images[first])
    for place, kept in enumerate((5, 20)):
        part = PCA(kept, svd_solver="full").fit(rows)
        again = part.inverse_transform(part.transform(rows))
        lost = ((rows - again) ** 2).sum(axis=1).sum() / 99 / 784
        assert found.values["error"][str(kept)] == pytest.approx(lost)
        wanted = np.rint(again[first].clip(0, 1) * 255).reshape(-1, 28, 28)
        assert np.abs(rebuilt[place] - wanted).max() <= 1
    np.testing.assert_array_equal(labels, train.labels)
    np.testing.assert_allclose(np.abs(placed), np.abs(oracle.transform(rows)[:, :2]), atol=1e-5)


def test_the_largest_entry_of_a_component_is_positive(make_context):
    vectors = find_components(open_train(make_context()).images).vectors
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(784)]
    assert (largest[:50] > 0).all()


def test_neighbours_are_laid_out_by_t_sne_of_fifty_components(make_context, store):
    context = make_context(train=80)
    with threadpool_limits(1):
        found = map_neighbours(context, 60)
    train = open_train(context)
    rows = np.sort(np.random.default_rng(42).permutation(80)[:60])
    pixels = flatten(train.images[rows]).astype(np.float32) / 255
    reduced = PCA(50, svd_solver="full").fit_transform(pixels)
    oracle = TSNE(perplexity=59 / 3, init="pca", random_state=42, n_jobs=1)
    placed, labels = (store.open_array(found.arrays[name]) for name in ("map", "labels"))
    with threadpool_limits(1):
        expected = oracle.fit_transform(reduced)
    np.testing.assert_allclose(placed, expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(labels, train.labels[rows])
    assert found.values == {"images": 60}
