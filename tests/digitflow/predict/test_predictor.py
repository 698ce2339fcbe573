import io
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from sklearn.pipeline import Pipeline

from digitflow.errors import DamagedArtifact, InputError
from digitflow.features.preparing import build_steps
from digitflow.models.building import build_estimator
from digitflow.models.persistence import dump_model
from digitflow.predict.predictions import Prediction, Unread
from digitflow.predict.predictor import Predictor, predict_files
from digitflow.registry.history import find_champion
from digitflow.store.artifacts import Store

TRAINED = 1200
SLOW_LIBRARIES = "{'prefect', 'mlflow', 'matplotlib'}"


def run_python(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_it_brings_nothing_slow():
    slow = f"{SLOW_LIBRARIES} | {{'sklearn', 'cv2', 'skops', 'pandas', 'scipy'}}"
    code = f"import digitflow.predict.predictor, sys; print(({slow}) & set(sys.modules))"
    assert run_python(code).strip() == "set()"


def test_predicting_brings_neither_prefect_nor_mlflow_nor_matplotlib(store, folder):
    code = (
        "import sys; from pathlib import Path; from digitflow.store.artifacts import Store;"
        "from digitflow.predict.predictor import predict_files;"
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


def test_the_digit_is_the_models_label_not_its_column(store, crown_again, digits, pictures):
    high = digits.labels >= 5
    steps = [*build_steps("pixels", 0), ("classifier", build_estimator("knn", {}, 0, 1))]
    model = Pipeline(steps).fit(digits.images[high][:300], digits.labels[high][:300])
    crown_again("high", model=dump_model(model, store))
    (result,) = Predictor.load(store, "high").predict(pictures[7:8])
    assert result.digit == 7


def test_no_pictures_give_no_predictions(store):
    assert Predictor.load(store).predict([]) == []


def test_an_array_is_read_as_its_images_one_by_one(store, digits, pictures):
    predictor = Predictor.load(store)
    images = np.concatenate([digits.images[TRAINED : TRAINED + 80], 255 - np.stack(pictures)])
    at_once = predictor.predict(images)
    one_by_one = [predictor.predict([image])[0] for image in images]
    assert [p.digit for p in at_once] == [p.digit for p in one_by_one]
    np.testing.assert_allclose(
        [p.probability for p in at_once], [p.probability for p in one_by_one], rtol=1e-6
    )


def test_any_number_of_pictures_takes_the_memory_of_one_batch(store, pictures, monkeypatch):
    monkeypatch.setattr("digitflow.predict.predictor.BATCH", 4)
    drawn = []

    def draw():
        for picture in pictures * 3:
            drawn.append(picture)
            yield picture

    stream = Predictor.load(store).stream(draw())
    for number, prediction in enumerate(stream):
        assert prediction.digit == number % 10
        assert len(drawn) <= number + 4
    assert number == 29


LINES = [[3, 1, 4, 1, 5], [9, 2, 6], [5, 3, 5, 8, 0, 7]]


def is_within(box, cell):
    left, top, width, height = box
    return (
        cell[0] - 1 <= left
        and cell[1] - 1 <= top
        and left + width <= cell[0] + cell[2] + 1
        and top + height <= cell[1] + cell[3] + 1
    )


def test_a_page_is_read_line_by_line_with_the_place_of_each_digit(store, make_page, tmp_path):
    page, cells = make_page(LINES)
    cv2.imwrite(str(tmp_path / "page.png"), page)
    results = list(predict_files([tmp_path / "page.png"], store))
    assert [result.digit for result in results] == [*LINES[0], *LINES[1], *LINES[2]]
    assert [result.line for result in results] == [0] * 5 + [1] * 3 + [2] * 6
    assert all(is_within(r.box, cell) for r, cell in zip(results, cells, strict=True))
    assert {result.file for result in results} == {str(tmp_path / "page.png")}


def test_a_picture_that_is_said_to_hold_one_digit_is_read_as_a_whole(store, folder, tmp_path):
    (result,) = predict_files([folder / "7.png"], store, one=True)
    assert (result.digit, result.box) == (7, None)


def test_a_picture_in_the_frame_reaches_the_model_unchanged_from_a_file(
    store, pictures, pipeline, tmp_path
):
    cv2.imwrite(str(tmp_path / "frame.png"), pictures[4])
    (result,) = predict_files([tmp_path / "frame.png"], store)
    assert result.probability == pipeline.predict_proba(pictures[4][None]).max()


def test_a_picture_on_standard_input_is_read(store, folder, monkeypatch):
    predictor = Predictor.load(store)
    for content, said in [((folder / "6.png").read_bytes(), "6"), (b"", "it is empty")]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        (result,) = predictor.read_file(Path("-"))
        assert said in (str(result.digit) if isinstance(result, Prediction) else result.error)
    monkeypatch.setattr("sys.stdin", None)
    (result,) = predictor.read_file("-")
    assert "standard input is closed" in result.error


def test_whatever_is_passed_has_one_answer_each(store, folder, pictures):
    predictor = Predictor.load(store)
    passed = [pictures[4], str(folder / "5.png"), np.zeros((28, 28)), pictures[6] / 255, None]
    four, five, blank, six, nothing = predictor.predict(passed)
    assert [four.digit, five.digit, six.digit] == [4, 5, 6]
    assert [four.file, five.file, six.file] == [None, str(folder / "5.png"), None]
    assert (blank.index, nothing.index, blank.file) == (2, 4, None)
    assert blank.error.startswith("picture 2: the picture is blank")
    assert nothing.error.startswith("picture 4: a picture is a path")


def test_a_blank_one_among_thousands_ends_nothing(store, pictures, monkeypatch):
    monkeypatch.setattr("digitflow.predict.predictor.BATCH", 7)
    images = np.stack(pictures * 3)
    images[[3, 17]] = 0
    results = Predictor.load(store).predict(images)
    assert [row for row, result in enumerate(results) if isinstance(result, Unread)] == [3, 17]
    assert [results[row].index for row in (3, 17)] == [3, 17]
    digits = [result.digit for result in results if isinstance(result, Prediction)]
    assert digits == [row % 10 for row in range(30) if row not in (3, 17)]


def test_a_page_is_read_from_whatever_holds_it(store, make_page):
    page, _ = make_page([[3, 1], [4]])
    predictor = Predictor.load(store)
    content = cv2.imencode(".png", page)[1].tobytes()
    for way in (page, page / 255, content, io.BytesIO(content), np.dstack([page] * 3)):
        assert [digit.digit for digit in predictor.read_page(way)] == [3, 1, 4]
    with pytest.raises(InputError, match="blank"):
        predictor.read_page(np.full((99, 99), 200.0))


def test_a_large_page_is_read_with_the_same_places(store, make_page, tmp_path, monkeypatch):
    page, _ = make_page([[3, 1], [4]], cell=120)
    cv2.imwrite(str(tmp_path / "page.png"), page)
    predictor = Predictor.load(store)
    whole = predictor.read_file(tmp_path / "page.png")
    for module in ("digitflow.images.pictures", "digitflow.predict.finding"):
        monkeypatch.setattr(f"{module}.LARGE_PIXELS", page.size - 1)
        halved = predictor.read_file(tmp_path / "page.png")
        assert [digit.digit for digit in halved] == [3, 1, 4]
        for one, other in zip(whole, halved, strict=True):
            assert np.abs(np.subtract(one.box, other.box)).max() <= 4


def test_each_page_of_a_document_is_read_or_says_why_not(store, make_page, tmp_path):
    sheets = [Image.fromarray(make_page([[digit, 1]])[0]) for digit in (3, 4)]
    sheets.insert(1, Image.new("L", sheets[0].size, 255))
    for name in ("scan.pdf", "scan.tif"):
        first, *others = [sheet.copy() for sheet in sheets]  # Pillow marks what it saves
        first.save(tmp_path / name, save_all=True, append_images=others, resolution=200)
        *first, blank, four, one = predict_files([tmp_path / name], store)
        assert [digit.digit for digit in (*first, four, one)] == [3, 1, 4, 1]
        assert [result.page for result in (*first, blank, four, one)] == [1, 1, 2, 3, 3]
        assert f"{name}, page 2: the picture is blank" in blank.error


def test_an_archive_is_read_as_its_files_are_each_by_its_name(store, folder, tmp_path):
    names = ["3.png", "8.png"]
    with zipfile.ZipFile(tmp_path / "all", "w") as archive:
        for name in names:
            archive.write(folder / name, f"a/{name}")
        archive.writestr("../5.png", (folder / "5.png").read_bytes())
    predictor = Predictor.load(store)
    *found, refused = predictor.read_file(tmp_path / "all")
    alone = [predictor.read_file(folder / name)[0] for name in names]
    assert [digit.file for digit in found] == [f"{tmp_path}/all/a/{name}" for name in names]
    assert [digit.picture for digit in found] == [digit.picture for digit in alone]
    assert "leads out of the archive" in refused.error
    (empty,) = predictor.read_contents([("none.zip", b"PK\5\6" + bytes(18))])
    assert "no picture file in it" in empty[0].error


def test_files_that_are_read_together_say_what_each_would_alone(store, folder, monkeypatch):
    files = [folder / f"{digit}.png" for digit in range(10)]
    (folder / "5.png").write_bytes(b"no picture")
    predictor = Predictor.load(store)
    alone = [result for file in files for result in predictor.read_file(file)]
    for limit in ("_DIGITS_AT_ONCE", "_PIXELS_AT_ONCE"):
        monkeypatch.setattr(f"digitflow.predict.predictor.{limit}", 4)
        together = list(predict_files(files, store))
        assert [r.file for r in together] == [r.file for r in alone] == list(map(str, files))
        for one, other in zip(alone, together, strict=True):
            if isinstance(one, Unread):
                assert one == other
            else:
                assert one.digit == other.digit
                assert one.probability == pytest.approx(other.probability, rel=1e-5)


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
    assert "more than 64 MB" in results[1 + names.index("huge.png")].error


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
    bomb, good = predict_files([folder / "bomb.png", folder / "3.png"], store)
    assert "bomb.png has 9,000 x 9,000 pixels" in bomb.error
    assert good.digit == 3


def test_digits_is_preferred_to_the_sample_and_a_name_to_both(store, crown_again):
    assert find_champion(store).name == "digits-sample"
    crown_again("digits")
    crown_again("mine", version="7")
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


def test_what_lost_ink_to_a_line_as_thick_as_strokes_is_never_read_surely(store):
    page = np.full((260, 1000), 255, np.uint8)
    for place, digit in enumerate("5386"):
        cv2.putText(page, digit, (550 + place * 100, 180), 0, 4.5, 0, 14)
    for left in (60, 156, 252):
        cv2.line(page, (left + 80, 70), (left + 30, 180), 0, 16)
        cv2.line(page, (left, 70), (left + 80, 70), 0, 16)
    read = Predictor.load(store).read_page(page)
    assert len(read) == 7
    for digit in read[:3]:
        assert digit.status != "read"
        assert any("a line that was taken out" in reason for reason in digit.reasons)
