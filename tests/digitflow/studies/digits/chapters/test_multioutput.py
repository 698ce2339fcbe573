"""What is said of denoising is what was found."""

import numpy as np
import pytest

from digitflow.studies.chapter import Table, draw_chapter
from digitflow.studies.digits.experiments.multioutput import DENOISERS
from digitflow.studies.plan import Findings


def test_before_and_after_are_those_that_were_measured(study_once):
    store, scope, data, found = study_once("multioutput")
    chapter = draw_chapter(store, "multioutput", scope, data, found)
    tables = {part.name: part for part in chapter.parts if isinstance(part, Table)}
    before, read = found["noise"].values, found["reading"].values
    assert [row[0] for row in tables["denoising"].rows] == list(DENOISERS)
    for name, *row in tables["denoising"].rows:
        after = found[f"denoise by {name}"].values
        assert row[:4] == [before["mse"], after["mse"], before["psnr"], after["psnr"]]
        assert row[4:6] == pytest.approx([100 * after["better"], 100 * read[name]])
    best = min(DENOISERS, key=lambda name: found[f"denoise by {name}"].values["mse"])
    assert chapter.findings[0].startswith(f"{best.capitalize()} cleans best")
    assert f"{read['noisy']:.1%} of the noisy ones" in chapter.findings[1]
    assert f"On {scope.test_rows} test images" in tables["denoising"].sentence


@pytest.fixture
def made_up(store):
    """Twenty images; each denoiser cleans better than the one before it, and reads better."""
    labels = np.arange(20, dtype=np.uint8) % 10

    def clean(place, **more):
        psnr = 10.0 + place + 2 * (np.arange(20.0) % 7)[:: -1 if place % 2 else 1]
        images = np.arange(20, dtype=np.uint8)[:, None, None] + np.full((20, 28, 28), place)
        facts = {
            "n": 20,
            "mse": 3000.0 - 500 * place,
            "psnr": 13.0 + place,
            "better": 0.5 + 0.1 * place,
            "by_digit": {str(digit): 100.0 * place + digit * 7 % 10 for digit in range(10)},
        }
        arrays = more | {"psnr": psnr}
        arrays["denoised"] = images.astype(np.uint8)
        return Findings(
            values=facts,
            measured={"fit_seconds": 1.0 + place, "predict_seconds": 0.5},
            arrays={name: store.put_array(array) for name, array in arrays.items()},
        )

    blank = np.zeros((20, 28, 28), np.uint8)
    results = {"noise": clean(0, clean=blank + 1, noisy=blank + 2, labels=labels)}
    for place, name in enumerate(DENOISERS):
        results[f"denoise by {name}"] = clean(place + 1)
    read = {"clean": 0.98, "noisy": 0.9}
    read |= {name: 0.91 + 0.01 * place for place, name in enumerate(DENOISERS)}
    said = {"mean of 5 nearest": store.put_array(np.where(labels == 3, 8, labels))}
    return results | {"reading": Findings(values=read, arrays=said)}


def test_all_that_is_said_follows_from_what_was_found(told_of, made_up):
    assert told_of("multioutput", made_up) == TOLD


def test_cleaning_that_does_not_help_to_read_is_said_not_to(told_of, made_up):
    made_up["reading"].values["noisy"] = 0.96
    made_up["denoise by ridge"].values["psnr"] = None
    said = " ".join(told_of("multioutput", made_up).split())
    assert "Cleaning does not help to read" in said
    assert "Ridge cleans best: 13.0 dB before, inf dB after" in said


TOLD = """\
Ridge cleans best: 13.0 dB before, 18.0 dB after. Taking off the mean of the noise,
  without learning, gives 14.0 dB, less the mean noise least: 14.0 dB.
Cleaning helps to read: an SVM that learnt from clean images reads 98.0% of them, 90.0% of
  the noisy ones, and 95.0% of those cleaned by ridge.
before-after: Before and after: The first cleaned test image of each digit. The nearest
  image answers with the strokes of another hand, the mean of several with blurred ones;
  ridge keeps the strokes that are there, and comes nearest of all to the clean pixels in
  55% of the images. draw_image_rows {clean: uint8[10, 28, 28] sums to 3.07367e+07,
  before: uint8[10, 28, 28] sums to 6.14734e+07, after: less the mean noise: uint8[10, 28,
  28] sums to 2.19761e+08, after: nearest: uint8[10, 28, 28] sums to 2.50498e+08, after:
  vote of 5 nearest: uint8[10, 28, 28] sums to 2.81235e+08, after: mean of 5 nearest:
  uint8[10, 28, 28] sums to 3.11971e+08, after: ridge: uint8[10, 28, 28] sums to
  3.42708e+08}
psnr: Peak signal-to-noise ratio before and after: Ridge gains 5.0 dB: its mean squared
  error is 500 instead of 3,000. draw_bars [before (noisy) after: less the mean noise
  after: nearest after: vote of 5 nearest after: mean of 5 nearest after: ridge] {PSNR:
  [13 14 15 16 17 18]} PSNR (dB), more is better 1
denoising: How near to the clean pixels, before and after: On 20 test images, every digit
  as often as in all of them. MSE is the mean squared error of a pixel (0 to 255); PSNR is
  10 log10(255² / MSE). Neighbours vote on each pixel by itself (KNN classifier of 784
  answers), or the values of one or 5 are averaged (KNN regressor); ridge is a linear
  regression of each clean pixel on all noisy ones.
model | MSE before | MSE after | PSNR before (dB) | PSNR after (dB) | images nearer (%) |
  read right after (%) | fit (s) | predict (s)
less the mean noise | 3000 | 2500 | 13 | 14 | 60 | 91 | 2 | 0.5
nearest | 3000 | 2000 | 13 | 15 | 70 | 92 | 3 | 0.5
vote of 5 nearest | 3000 | 1500 | 13 | 16 | 80 | 93 | 4 | 0.5
mean of 5 nearest | 3000 | 1000 | 13 | 17 | 90 | 94 | 5 | 0.5
ridge | 3000 | 500 | 13 | 18 | 100 | 95 | 6 | 0.5
psnr-spread: Not every image gains alike: After ridge, nine tenths of the images have 15.0
  to 27.0 dB; 100.0% are nearer to the clean image than before. draw_histogram {before:
  float64[20] sums to 3402, after: ridge: float64[20] sums to 4242, after: mean of 5
  nearest: float64[20] sums to 4242} PSNR (dB) number of images
digits: Mean squared error of a pixel by digit: Ridge leaves least in a 0 (MSE 500) and
  most in a 7 (509). draw_matrix float64[6, 10] sums to 640870 digit  [0 1 2 3 4 5 6 7 8
  9] [before less the mean noise nearest vote of 5 nearest mean of 5 nearest ridge]
  decimals=0
digits: digits:  (shown: 0)
digit | before | less the mean noise | nearest | vote of 5 nearest | mean of 5 nearest |
  ridge
0 | 0 | 100 | 200 | 300 | 400 | 500
1 | 7 | 107 | 207 | 307 | 407 | 507
... 10 rows that sum to 15270
9 | 3 | 103 | 203 | 303 | 403 | 503
invented: What neighbours invent: The 10 images that the mean of 5 nearest misses by most:
  where no training image has such strokes, it draws those of others. 1 of them are read
  as another digit after it, of all images 6.0%. draw_image_rows {clean: uint8[10, 28, 28]
  sums to 3.07367e+07, before: uint8[10, 28, 28] sums to 6.14734e+07, after: mean of 5
  nearest: uint8[10, 28, 28] sums to 3.76522e+08, after: ridge: uint8[10, 28, 28] sums to
  4.07259e+08}
reading: What one SVM that learnt from clean images reads: On 20 test images: ridge
  changes the share read right by +5.0 points against reading the noisy images as they
  are; clean ones are read +3.0 points beside that. draw_bars [clean before (noisy) after:
  less the mean noise after: nearest after: vote of 5 nearest after: mean of 5 nearest
  after: ridge] {accuracy: [98 90 91 92 93 94 95]} accuracy (%) step=5"""
