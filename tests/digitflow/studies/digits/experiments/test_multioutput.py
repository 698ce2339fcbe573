"""Noise is as asked for, cleaning is measured against the clean pixels, and repeats."""

import numpy as np
import pytest

from digitflow.data.sets import open_set
from digitflow.studies.digits.experiments.multioutput import (
    DENOISERS,
    HIGHEST_NOISE,
    add_noise,
    build_denoiser,
    disturb,
    measure_cleaning,
    name_denoising,
    plan,
    to_psnr,
)
from digitflow.studies.plan import ExperimentContext


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
