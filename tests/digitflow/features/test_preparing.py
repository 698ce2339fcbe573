"""Fitting recipes and transforming images: chunked, memory-mapped, the same every time."""

import tracemalloc

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from digitflow.catalogue import RECIPES
from digitflow.errors import InputError
from digitflow.features import preparing
from digitflow.features.preparing import fit_recipe, transform_images
from digitflow.store.artifacts import Store

every_recipe = pytest.mark.parametrize("name", RECIPES.names())


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(preparing, "CHUNK_ROWS", 256)


@pytest.fixture(scope="module")
def fitted(samples_of, tmp_path_factory):
    """{recipe: (pipeline, features)} of all samples, in chunks, by two threads; only read."""
    store, found = Store(tmp_path_factory.mktemp("fitted")), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "CHUNK_ROWS", 256)
        for name in RECIPES.names():
            pipeline, ref = fit_recipe(name, samples_of(name), 0, store, threads=2)
            found[name] = pipeline, store.open_array(ref)
    return found


@every_recipe
def test_features_are_those_of_the_pipeline_on_all_images(name, samples, fitted):
    pipeline, features = fitted[name]
    assert features.dtype == (np.uint8 if name == "raw" else np.float32)
    assert features.shape[0] == len(samples)
    np.testing.assert_allclose(features, pipeline.transform(samples), atol=1e-4)


@every_recipe
def test_features_of_other_images_are_those_of_the_pipeline(name, samples, store):
    pipeline, _ = fit_recipe(name, samples[:1200], 0, store, threads=1)
    ref = transform_images(pipeline, samples[1200:], store, threads=2)
    expected = pipeline.transform(samples[1200:])
    np.testing.assert_allclose(store.open_array(ref), expected, atol=1e-4)


@every_recipe
def test_an_image_alone_has_its_features(name, samples, fitted):
    pipeline, features = fitted[name]
    alone = pipeline.transform(samples[700:701])[0]
    np.testing.assert_allclose(alone, features[700], atol=1e-4)


@every_recipe
def test_the_number_of_threads_changes_no_bit(name, samples, fitted, store):
    for threads in (1, 5):
        _, ref = fit_recipe(name, samples, 0, store, threads)
        np.testing.assert_array_equal(store.open_array(ref), fitted[name][1])


@every_recipe
def test_steps_are_fitted_as_scikit_learn_fits_them_on_the_whole(name, samples, fitted):
    ours, _ = fitted[name]
    whole = Pipeline(preparing.build_steps(name, 0)).fit(samples)
    found, expected = ours.transform(samples[:50]), whole.transform(samples[:50])
    np.testing.assert_allclose(found, expected, atol=1e-3)


@every_recipe
def test_memory_mapped_read_only_images_will_do(name, samples, fitted, store):
    ref = store.put_array(samples)
    mapped = fit_recipe(name, store.open_array(ref), 0, store, threads=1)[1]
    np.testing.assert_array_equal(store.open_array(mapped), fitted[name][1])


@every_recipe
def test_scratch_arrays_are_gone_afterwards(name, samples, store):
    fit_recipe(name, samples[:600], 0, store, threads=2)
    assert list((store.root / "tmp").iterdir()) == []


@pytest.mark.parametrize("name", ["components", "pca", "pixels", "scaled", "strokes"])
def test_the_features_of_all_images_are_never_held_in_memory(name, store, monkeypatch):
    monkeypatch.setattr(preparing, "CHUNK_ROWS", 512)
    images = np.random.default_rng(0).integers(0, 256, (30_000, 28, 28), dtype=np.uint8)
    tracemalloc.start()
    fit_recipe(name, images, 0, store, threads=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < images.size * 4 / 2


@every_recipe
def test_no_images_to_transform_give_no_features(name, samples, store):
    pipeline, ref = fit_recipe(name, samples[:300], 0, store, threads=1)
    empty = transform_images(pipeline, samples[:0], store, threads=1)
    assert empty.shape == (0, ref.shape[1])


def test_steps_without_a_fit_need_no_scratch_array(digit_images, store, monkeypatch):
    def refuse(*args):
        raise AssertionError("a scratch array was asked for")

    monkeypatch.setattr(store, "scratch_array", refuse)
    fit_recipe("pixels", digit_images, 0, store, threads=1)
    fit_recipe("scaled", digit_images, 0, store, threads=1)


def test_too_few_images_for_a_recipe_are_an_input_error(digit_images, store):
    with pytest.raises(InputError, match="strokes can't be fitted on 40 images"):
        fit_recipe("strokes", digit_images[:40], 0, store, threads=1)


def test_an_unknown_recipe_is_an_input_error(digit_images, store):
    with pytest.raises(InputError, match="no recipe 'edges'"):
        fit_recipe("edges", digit_images, 0, store, threads=1)


@pytest.mark.parametrize(("name", "least"), [("pixels", 0.95), ("strokes", 0.97)])
def test_neighbours_in_features_are_the_same_digit(
    name, least, digit_images, digit_labels, store
):
    pipeline, ref = fit_recipe(name, digit_images[:1000], 0, store, threads=2)
    neighbours = KNeighborsClassifier(3).fit(store.open_array(ref), digit_labels[:1000])
    found = neighbours.predict(pipeline.transform(digit_images[1000:]))
    assert (found == digit_labels[1000:]).mean() >= least
