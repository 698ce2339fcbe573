"""Noise is as asked for, cleaning is measured against the clean pixels, and repeats."""

import numpy as np
import pytest

from digitflow.data.sets import open_set
from digitflow.studies.digits.algorithms import fit_model, plan_model
from digitflow.studies.digits.data import prepare_features
from digitflow.studies.digits.experiments import multioutput
from digitflow.studies.digits.experiments.multioutput import (
    DENOISERS,
    HIGHEST_NOISE,
    add_noise,
    build_denoiser,
    denoise_images,
    disturb,
    measure_cleaning,
    name_denoising,
    plan,
    read_images,
    to_psnr,
)
from digitflow.studies.plan import ExperimentContext, Findings


def test_every_whole_number_of_noise_is_as_likely_and_nothing_is_cut():
    images = np.full((40, 28, 28), 255, np.uint8)
    added = disturb(images, np.random.default_rng(0)).astype(int) - 255
    counts = np.bincount(added.ravel(), minlength=HIGHEST_NOISE)
    assert len(counts) == 100
    assert counts.min() > 0.7 * counts.mean()


def test_psnr_is_that_of_its_definition():
    assert to_psnr(np.array([255.0**2, 6.5025])).tolist() == pytest.approx([0, 40])
    assert np.isfinite(to_psnr(np.zeros(2))).all()


def test_equal_images_have_no_error_and_no_ratio():
    clean = np.zeros((2, 28, 28), np.uint8)
    noisy = clean + np.uint8(10)
    values, errors = measure_cleaning(clean, noisy, clean, np.array([3, 4]))
    assert (values["mse"], values["psnr"], values["better"]) == (0, None, 1)
    assert errors.tolist() == [0, 0]
    values, _ = measure_cleaning(noisy, noisy, clean, np.array([3, 4]))
    assert values["mse"] == 100
    assert values["by_digit"] == {"3": 100, "4": 100}
    assert values["better"] == 0


def test_noise_is_alike_for_equal_seeds_and_differs_from_image_to_image(make_study, store):
    _, data = make_study(120)
    first, again, other = (
        add_noise(ExperimentContext(store, data, seed, 1), 50) for seed in (42, 42, 43)
    )
    assert first.arrays == again.arrays
    assert first.arrays["train"] != other.arrays["train"]
    noise = (
        store.open_array(first.arrays["train"]).astype(int) - open_set(store, data.train).images
    )
    assert noise.min() == 0
    assert noise.max() == 99
    assert len({row.tobytes() for row in noise}) == 120
    raw, noisy = (store.open_array(first.arrays[name]) for name in ("raw", "noisy"))
    assert (np.minimum(raw, 255) == noisy).all()


def test_neighbours_vote_or_are_averaged_pixel_by_pixel():
    rows = np.arange(6, dtype=np.float32)[:, None]
    wanted = np.array([[0, 9], [0, 9], [0, 9], [50, 1], [90, 5], [7, 7]])
    asked = np.array([[2.0]], np.float32)
    vote = build_denoiser("vote of 5 nearest").fit(rows, wanted).predict(asked)
    mean = build_denoiser("mean of 5 nearest").fit(rows, wanted).predict(asked)
    nearest = build_denoiser("nearest").fit(rows, wanted).predict(asked)
    assert vote.tolist() == [[0, 9]]
    assert mean.tolist() == [[28, 6.6]]
    assert nearest.tolist() == [[0, 9]]
    assert build_denoiser("less the mean noise") is None


def test_learning_cleans_better_than_nothing_and_is_read(make_study, store, run_plan):
    scope, data = make_study(300)
    found = run_plan(plan(scope), data)
    before = found["noise"].values
    for name in DENOISERS:
        values = found[name_denoising(name)].values
        assert values["n"] == before["n"] == scope.test_rows
        assert values["mse"] < before["mse"]
        images = store.open_array(found[name_denoising(name)].arrays["denoised"])
        clean = store.open_array(found["noise"].arrays["clean"])
        assert values["mse"] == pytest.approx(((images.astype(float) - clean) ** 2).mean())
    read = found["reading"].values
    assert list(read) == ["clean", "noisy", *DENOISERS]
    labels = store.open_array(found["noise"].arrays["labels"])
    said = store.open_array(found["reading"].arrays["ridge"])
    assert read["ridge"] == (said == labels).mean()
    assert read["clean"] > 0.9


def test_no_more_is_cleaned_than_there_are_test_images(make_study):
    scope, _ = make_study(120)
    assert plan(scope)[0].params == {"images": scope.test_rows}
    many = scope.model_copy(update={"test_rows": 10_000})
    assert plan(many)[0].params == {"images": 2000}


def test_the_mean_noise_is_taken_off_and_rounded_within_what_a_pixel_holds(make_context):
    context = make_context(train=50, test=20)
    noise = add_noise(context, 20)
    given = ExperimentContext(context.store, context.data, 42, 1, {"noise": noise})
    found = denoise_images(given, "less the mean noise")
    raw, clean, labels = given.open("noise", "raw", "clean", "labels")
    denoised = context.store.open_array(found.arrays["denoised"])
    wanted = np.rint((raw.astype(float) - 49.5).clip(0, 255))
    np.testing.assert_array_equal(denoised, wanted)
    errors = ((wanted - clean) ** 2).mean(axis=(1, 2))
    assert found.values["mse"] == pytest.approx(errors.mean())
    assert found.values["psnr"] == pytest.approx(10 * np.log10(255**2 / errors.mean()))
    np.testing.assert_allclose(
        context.store.open_array(found.arrays["psnr"]), 10 * np.log10(255**2 / errors)
    )
    for digit in range(10):
        own = errors[labels == digit].mean()
        assert found.values["by_digit"][str(digit)] == pytest.approx(own)


def test_noise_is_drawn_for_training_images_first_and_cut_off_at_white(
    make_context, monkeypatch
):
    context = make_context(train=50, test=20)
    whole = add_noise(context, 20)
    generator = np.random.default_rng(42)
    train = open_set(context.store, context.data.train).images
    # Chunks draw one after another what one draw would.
    monkeypatch.setattr(multioutput, "CHUNK_ROWS", 16)
    parts = add_noise(context, 20)
    made = [disturb(train[k : k + 16], generator) for k in range(0, 50, 16)]
    noisy, clean, train_noisy = (
        context.store.open_array(parts.arrays[name]) for name in ("noisy", "clean", "train")
    )
    np.testing.assert_array_equal(train_noisy, np.concatenate(made))
    assert whole.arrays["clean"] == parts.arrays["clean"]
    assert noisy.max() <= 255
    raw = context.store.open_array(parts.arrays["raw"])
    assert raw.max() > 255
    before = ((noisy.astype(float) - clean) ** 2).mean()
    assert parts.values["mse"] == pytest.approx(before)
    # None is nearer than itself.
    assert parts.values["better"] == 0


def test_images_nearer_to_the_clean_ones_are_counted_one_by_one():
    clean = np.zeros((4, 28, 28), np.uint8)
    noisy, images = clean + np.uint8(10), clean.copy()
    images[0], images[1], images[2] = 9, 10, 11
    values, errors = measure_cleaning(images, noisy, clean, np.array([1, 1, 2, 2]))
    assert values["better"] == 0.5
    assert values["n"] == 4
    assert errors.tolist() == [81, 100, 121, 0]
    assert values["by_digit"] == {"1": 90.5, "2": 60.5}
    assert values["mse"] == 75.5


def test_equal_images_have_the_ratio_of_one_pixel_off_by_one():
    assert to_psnr(np.zeros(1))[0] == pytest.approx(10 * np.log10(255**2 * 784))


def test_what_is_cleaned_is_read_by_the_model_of_clean_images(make_context):
    context = make_context(train=60, test=20)
    features = prepare_features(context, "components", "own")
    (_, fit) = plan_model("svm")
    bare = ExperimentContext(
        context.store, context.data, 42, 1, {"features components": features}
    )
    given = {"noise": add_noise(context, 20), fit.name: fit_model(bare, **fit.params)}
    noise = given["noise"].arrays
    for place, name in enumerate(DENOISERS):
        made = context.store.open_array(noise["clean"] if place else noise["noisy"])
        given[name_denoising(name)] = Findings(arrays=context.keep(denoised=np.array(made)))
    found = read_images(ExperimentContext(context.store, context.data, 42, 1, given), fit.name)
    read = found.values
    assert read["nearest"] == read["clean"] == read["ridge"]
    assert read["less the mean noise"] == read["noisy"]
    said = context.store.open_array(found.arrays["clean"])
    labels = context.store.open_array(noise["labels"])
    assert said.dtype == np.uint8
    assert read["clean"] == (said == labels).mean() > 0.5


def test_ridge_pulls_by_one_and_neighbours_answer_with_whole_pixels(make_context):
    assert build_denoiser("ridge").alpha == 1.0
    context = make_context(train=60, test=20)
    given = ExperimentContext(
        context.store, context.data, 42, 1, {"noise": add_noise(context, 20)}
    )
    learnt, raw = given.open("noise", "train", "raw")
    clean = open_set(context.store, context.data.train).images.reshape(60, -1)
    for name in ("nearest", "mean of 5 nearest"):
        model = build_denoiser(name)
        model.fit(learnt.reshape(60, -1).astype(np.float32), clean)
        wanted = np.rint(model.predict(raw.reshape(20, -1).astype(np.float32)).clip(0, 255))
        found = context.store.open_array(denoise_images(given, name).arrays["denoised"])
        assert np.abs(found.reshape(20, -1) - wanted).max() <= 1
