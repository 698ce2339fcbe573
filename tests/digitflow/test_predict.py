import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from digitflow.artifacts import Store
from digitflow.champions import Champion, Pointer, write_pointer
from digitflow.config import BuiltinSource
from digitflow.data.sources import builtin
from digitflow.errors import DamagedArtifact, InputError
from digitflow.evaluation.scoring import TestScore
from digitflow.features.catalogue import build_steps
from digitflow.models.catalogue import build_estimator
from digitflow.models.persistence import dump_model
from digitflow.predict import Prediction, Predictor, Unread, find_champion, predict_files

TRAINED = 1200
SLOW_LIBRARIES = "{'prefect', 'mlflow', 'matplotlib'}"


def crown(store, name, ref, version="1"):
    score = TestScore(
        model_digest=ref.digest, test_digest="t", n=100, correct=95, interval=(0.9, 0.99)
    )
    champion = Champion(
        name=name, version=version, model=ref, score=score, run="r", promoted_at="now"
    )
    write_pointer(store, Pointer(champion=champion, database=None))
    return champion


@pytest.fixture(scope="session")
def digits():
    return builtin.load(BuiltinSource()).train


def fit(images, labels):
    """Fit as training does: a recipe, an SVM, and its calibration on other images."""
    recipe = Pipeline(build_steps("strokes", 0))
    features = recipe.fit_transform(images)
    half = len(images) // 2
    svm = build_estimator("svm", {}, 0, 1).fit(features[:half], labels[:half])
    calibrated = CalibratedClassifierCV(FrozenEstimator(svm), method="temperature")
    calibrated.fit(features[half:], labels[half:])
    return Pipeline([*recipe.steps, ("classifier", calibrated)])


@pytest.fixture(scope="session")
def pipeline(digits):
    return fit(digits.images[:TRAINED], digits.labels[:TRAINED])


@pytest.fixture(scope="session")
def pictures(digits, pipeline):
    """Frames of one right-read digit of each class that no model was trained on."""
    unseen = digits.images[TRAINED:], digits.labels[TRAINED:]
    right = pipeline.predict(unseen[0]) == unseen[1]
    return [unseen[0][right & (unseen[1] == digit)][0] for digit in range(10)]


@pytest.fixture
def store(tmp_path, pipeline):
    store = Store(tmp_path / "artifacts")
    crown(store, "digits-sample", dump_model(pipeline, store))
    return store


@pytest.fixture
def folder(tmp_path, pictures):
    """Pictures as users have them, named by their digit."""
    for digit, frame in enumerate(pictures):
        page = cv2.resize(frame, (280, 280), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / f"{digit}.png"), 255 - page)
    return tmp_path


def run_python(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_it_brings_nothing_slow():
    slow = f"{SLOW_LIBRARIES} | {{'sklearn', 'cv2', 'skops', 'pandas', 'scipy'}}"
    code = f"import digitflow.predict, sys; print(({slow}) & set(sys.modules))"
    assert run_python(code).strip() == "set()"


def test_predicting_brings_neither_prefect_nor_mlflow_nor_matplotlib(store, folder):
    code = (
        "import sys; from pathlib import Path; from digitflow.artifacts import Store;"
        "from digitflow.predict import predict_files;"
        "(result,) = predict_files([Path(sys.argv[2])], Store(Path(sys.argv[1])));"
        f"print(result.digit, {SLOW_LIBRARIES} & set(sys.modules))"
    )
    assert run_python(code, store.root, folder / "3.png").strip() == "3 set()"


def test_pictures_are_read_in_their_order_with_the_model_that_read_them(store, folder):
    files = [folder / f"{digit}.png" for digit in range(10)]
    results = list(predict_files(files, store))
    assert [result.digit for result in results] == list(range(10))
    assert [result.file for result in results] == [str(file) for file in files]
    assert {(result.model, result.version) for result in results} == {("digits-sample", "1")}


def test_what_is_in_the_frame_reaches_the_model_unchanged(store, pictures, pipeline):
    results = Predictor.load(store).predict(pictures)
    probabilities = pipeline.predict_proba(np.stack(pictures))
    assert [result.digit for result in results] == list(range(10))
    assert [result.probability for result in results] == list(probabilities.max(axis=1))


def test_the_runners_up_are_the_next_three(store, pictures, pipeline):
    (result,) = Predictor.load(store).predict(pictures[:1])
    shares = pipeline.predict_proba(pictures[0][None])[0]
    ranked = sorted(range(10), key=lambda digit: -shares[digit])
    assert [result.digit, *[digit for digit, _ in result.runners_up]] == ranked[:4]
    assert [share for _, share in result.runners_up] == [shares[d] for d in ranked[1:4]]


def test_the_digit_is_the_models_label_not_its_column(store, digits, pictures):
    high = digits.labels >= 5
    steps = [*build_steps("pixels", 0), ("classifier", build_estimator("knn", {}, 0, 1))]
    model = Pipeline(steps).fit(digits.images[high][:300], digits.labels[high][:300])
    crown(store, "high", dump_model(model, store))
    (result,) = Predictor.load(store, "high").predict(pictures[7:8])
    assert result.digit == 7


def test_no_pictures_give_no_predictions(store):
    assert Predictor.load(store).predict([]) == []


def make_transparent(picture):
    ink = np.zeros((*picture.shape, 3), np.uint8)
    return np.dstack([ink, 255 - picture])


def make_red(picture):
    ink = (255 - picture[..., None].astype(float)) / 255
    return ((40, 20, 160) * ink + 255 * (1 - ink)).astype(np.uint8)


# From a gray picture, dark ink on white.
WAYS = {
    "jpeg.jpg": lambda picture: picture,
    "bitmap.bmp": lambda picture: picture,
    "webp.webp": lambda picture: picture,
    "tiff.tiff": lambda picture: picture,
    "inverted.png": lambda picture: 255 - picture,
    "sixteen bits.png": lambda picture: picture.astype(np.uint16) * 257,
    "transparent.png": make_transparent,
    "red ink.png": make_red,
    "small.png": lambda picture: cv2.resize(picture, (40, 40), interpolation=cv2.INTER_AREA),
    "wide.png": lambda picture: np.pad(picture, ((0, 0), (150, 350)), constant_values=255),
}


@pytest.mark.parametrize("name", WAYS)
def test_any_way_of_writing_the_picture_gives_the_same_digit(store, folder, name):
    picture = cv2.imread(str(folder / "3.png"), cv2.IMREAD_GRAYSCALE)
    assert cv2.imwrite(str(folder / name), WAYS[name](picture))
    (result,) = predict_files([folder / name], store)
    assert result.digit == 3


def test_a_bad_file_has_its_own_error_and_the_others_go_on(store, folder):
    good = folder / "3.png"
    jpeg = cv2.imencode(".jpg", cv2.imread(str(good)))[1].tobytes()
    bad = {
        "text.png": b"hello",
        "empty.png": b"",
        "cut.jpg": jpeg[: len(jpeg) // 8],
        "black.png": cv2.imencode(".png", np.zeros((50, 50), np.uint8))[1].tobytes(),
    }
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    (folder / "a folder.png").mkdir()
    with (folder / "huge.png").open("wb") as huge:
        huge.truncate(100 << 20)
    names = [*bad, "a folder.png", "huge.png", "missing.png"]

    results = list(predict_files([good, *(folder / name for name in names), good], store))

    assert [type(result) for result in results] == [
        Prediction,
        *[Unread] * len(names),
        Prediction,
    ]
    for name, result in zip(names, results[1:-1], strict=True):
        assert result.file == str(folder / name)
        assert name in result.error
    assert "blank" in results[1 + names.index("black.png")].error
    assert "100 MB" in results[1 + names.index("huge.png")].error


def write_bomb(path, side):
    """Write a small PNG file of side x side pixels."""

    def chunk(kind, content):
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    rows = [packer.compress(bytes(side + 1)) for _ in range(side)]
    pixels = b"".join([*rows, packer.flush()])
    parts = chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def test_a_small_file_of_too_many_pixels_is_refused_unopened(store, folder):
    write_bomb(folder / "bomb.png", 9_000)
    assert (folder / "bomb.png").stat().st_size < 1 << 20
    # In a process of its own: OpenCV reads the limit once, when it is imported.
    code = (
        "import sys; from pathlib import Path; from digitflow.artifacts import Store;"
        "from digitflow.predict import predict_files;"
        "files = [Path(sys.argv[2]), Path(sys.argv[3])];"
        "bomb, good = predict_files(files, Store(Path(sys.argv[1])));"
        "print(bomb.error); print(good.digit)"
    )
    output = run_python(code, store.root, folder / "bomb.png", folder / "3.png")
    error, digit = output.splitlines()
    assert "bomb.png is no picture" in error  # unpacked, it would be called blank
    assert digit == "3"


def test_digits_is_preferred_to_the_sample_and_a_name_to_both(store):
    sample = find_champion(store).model
    assert find_champion(store).name == "digits-sample"
    crown(store, "digits", sample)
    crown(store, "mine", sample, version="7")
    assert find_champion(store).name == "digits"
    assert Predictor.load(store, "mine").champion.version == "7"


def test_without_a_champion_the_error_says_how_to_get_one(store, tmp_path):
    empty = Store(tmp_path / "empty")
    with pytest.raises(InputError, match="champion of digits or digits-sample") as caught:
        list(predict_files([], empty))
    assert "`digitflow train`" in str(caught.value)
    assert not empty.root.exists()
    with pytest.raises(InputError, match=r"of nosuch in .* one of: digits-sample"):
        Predictor.load(store, "nosuch")


def test_a_changed_model_file_is_not_used(store):
    path = store.path_of(find_champion(store).model)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DamagedArtifact, match="changed"):
        Predictor.load(store)


def test_a_moved_folder_still_predicts(store, tmp_path, pictures):
    moved = store.root.rename(tmp_path / "elsewhere")
    (result,) = Predictor.load(Store(moved)).predict(pictures[5:6])
    assert result.digit == 5


def test_predicting_writes_nothing(store, pictures):
    def look():
        return {path: path.stat().st_mtime_ns for path in store.root.rglob("*")}

    before = look()
    Predictor.load(store).predict(pictures)
    assert look() == before
