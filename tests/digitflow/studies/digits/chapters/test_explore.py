"""What is said of the digits is what was counted."""

import numpy as np
import pytest

from digitflow.studies.plan import Findings


def describe_set(rows, writers):
    return {
        "shape": [rows, 28, 28],
        "dtype": "uint8",
        "labels_dtype": "uint8",
        "bytes": rows * 784,
        "lowest": 0,
        "highest": 255,
        "missing": 0,
        "classes": 10,
        "writers": writers,
    }


@pytest.fixture
def found(store):
    """Two sets, more of a 1 than of a 5; half of all pixels paper, a tenth full ink."""
    histogram = [0] * 256
    histogram[0], histogram[100], histogram[249] = 500, 390, 10
    histogram[250], histogram[255] = 40, 60
    held = np.minimum(1, np.arange(1, 785) / 160).tolist()
    means = np.multiply.outer(np.arange(10.0), np.ones((28, 28))).astype(np.float32)
    spreads = means[::-1] + 5
    spreads[:, 0, 0] = 50
    arrays = {
        "samples": np.zeros((10, 10, 28, 28), np.uint8) + np.arange(28, dtype=np.uint8),
        "means": means,
        "spreads": spreads,
        "originals": np.full((10, 28, 28), 7, np.uint8),
        "rebuilt": np.arange(20, dtype=np.uint8)[:, None, None].repeat(28, 1).repeat(28, 2),
        "map": np.arange(6, dtype=np.float32).reshape(3, 2),
        "labels": np.array([3, 1, 4], np.uint8),
    }
    arrays["rebuilt"] = arrays["rebuilt"].reshape(2, 10, 28, 28)
    refs = {name: store.put_array(array) for name, array in arrays.items()}
    counts = {"train": [600] * 10, "test": [100] * 10}
    counts["train"][1], counts["train"][5] = 700, 500
    stage = {"mean": 33.3, "deviation": 78.6, "lowest": 0.0, "median": 0.0, "highest": 255.0}
    stages = {"raw": stage, "standardised": stage | {"median": None, "highest": 127.5}}
    return {
        "pixels": Findings(
            values={
                "sets": {"train": describe_set(6000, 50), "test": describe_set(1000, None)},
                "histogram": histogram,
                "constant": 67,
                "stages": stages,
            }
        ),
        "classes": Findings(
            values={"counts": counts, "ink": [0.1 + 0.01 * ((k * 7) % 10) for k in range(10)]},
            arrays={name: refs[name] for name in ("samples", "means", "spreads")},
        ),
        "components": Findings(
            values={
                "cumulated": held,
                "needed": {"0.9": 144, "0.95": 152, "0.99": 159},
                "error": {"10": 0.0345678, "50": 0.01},
            },
            arrays={name: refs[name] for name in ("originals", "rebuilt", "map", "labels")},
        ),
        "neighbourhoods": Findings(
            values={"images": 3}, arrays={name: refs[name] for name in ("map", "labels")}
        ),
    }


def test_all_that_is_said_follows_from_what_was_found(told_of, found):
    assert told_of("explore", found) == TOLD


TOLD = """\
6,000 training images of 28 x 28 pixels, from 500 of the digit 5 to 700 of the digit 1; 0
  values are missing.
152 of 784 components hold 95 % of the variance; 67 pixels never change.
sets: The two sets:
set | shape | pixels | labels | size | lowest | highest | missing (NaN) | classes |
  writers
train | 6,000 x 28 x 28 | uint8 | uint8 | 4.5 MB | 0 | 255 | 0 | 10 | 50
test | 1,000 x 28 x 28 | uint8 | uint8 | 765.6 KB | 0 | 255 | 0 | 10 | None
classes: How often each digit occurs: Every digit is between 8.3 and 11.7 % of the
  training images, so accuracy is a fair measure. draw_classes {train: [600 700 600 600
  600 500 600 600 600 600], test: [100 100 100 100 100 100 100 100 100 100]}
class-counts: class-counts:  (shown: 0)
digit | training images | test images | mean ink (% of full)
0 | 600 | 100 | 10
1 | 700 | 100 | 17
... 10 rows that sum to 7190
9 | 600 | 100 | 13
samples: Samples of each digit: Ten images of each digit, evenly spread over the training
  images: slant, width and thickness differ from hand to hand. draw_image_rows {0:
  uint8[10, 28, 28] sums to 4.15457e+08, 1: uint8[10, 28, 28] sums to 4.15457e+08, 2:
  uint8[10, 28, 28] sums to 4.15457e+08, 3: uint8[10, 28, 28] sums to 4.15457e+08, 4:
  uint8[10, 28, 28] sums to 4.15457e+08, 5: uint8[10, 28, 28] sums to 4.15457e+08, 6:
  uint8[10, 28, 28] sums to 4.15457e+08, 7: uint8[10, 28, 28] sums to 4.15457e+08, 8:
  uint8[10, 28, 28] sums to 4.15457e+08, 9: uint8[10, 28, 28] sums to 4.15457e+08}
means: Mean and spread of each pixel (dark is high): The digit 9 is written most alike and
  0 least (mean spread 5 and 14 of 255); 7 has the most ink and 0 the least.
  draw_image_rows {mean: uint8[10, 28, 28] sums to 1.89024e+08, spread: uint8[10, 28, 28]
  sums to 1.22177e+09}
pixel-values: Values of the pixels: 50.0 % of all pixels are paper (0) and 10.0 % are full
  ink (250 to 255): what lies between are the edges of strokes. draw_lines {training
  images: [int64[256] sums to 5.59232e+06 float64[256] sums to 6782.2]} pixel value (0 is
  paper, 255 full ink) share of all pixels (%) log_y=True
pixel-values: pixel-values:  (shown: 0)
value | pixels
0 | 500
1 | 0
... 256 rows that sum to 33640
255 | 60
pixel-statistics: Pixels before and after scaling: Normalised is divided by 255;
  standardised is brought to mean 0 and deviation 1 pixel by pixel, where one that is
  rarely inked becomes very large.
pixels | mean | standard deviation | lowest | median | highest
raw | 33.3 | 78.6 | 0 | 0 | 255
standardised | 33.3 | 78.6 | 0 | None | 127.5
variance: Variance held by the first components: The first 152 of 784 components hold 95 %
  of the variance, 159 hold 99 %. draw_lines {held: [int64[784] sums to 1.60938e+08
  float64[784] sums to 3.03454e+07]} number of components variance held (%) marks={152
  components: [152 95]}
variance: variance:  (shown: 0)
components | variance held (%)
1 | 0.625
2 | 1.25
... 784 rows that sum to 378170
784 | 100
components that hold 95 % of the variance: 154, here 152: not met
rebuilt: Digits rebuilt from a few components: Mean squared error of a pixel (0 to 1) by
  the number of components kept: 10: 0.0346, 50: 0.0100. draw_image_rows {original:
  uint8[10, 28, 28] sums to 2.15157e+08, 10 kept: uint8[10, 28, 28] sums to 1.89024e+08,
  50 kept: uint8[10, 28, 28] sums to 4.96392e+08}
map: The first two components (3 images): Two components hold 1.2 % of the variance: 0 and
  1 lie apart, most others over one another. draw_digit_cloud [[0 1] [2 3] [4 5]] [3 1 4]
  first component (pixels of 0 to 1) second component (pixels of 0 to 1)
neighbours: Neighbours stay neighbours (3 images): t-SNE lays the same kind of images out
  by nearness: each digit is an island or two, and what lies between islands is what
  models confuse. draw_digit_cloud [[0 1] [2 3] [4 5]] [3 1 4] t-SNE, first axis (no unit)
  t-SNE, second axis (no unit)"""
