"""Pictures as people send them: kind by kind, what is found, read, doubted and missed.

Contract, for the champion of a store and pictures whose truth is known: of what is read
without doubt at most 3 % is wrong in each kind; digits are neither read, doubted nor said
to be passed over in at most 2 % of a kind; plain pages are read at 97 % or more. The whole
table is printed, with the kinds that fall short.

Digits are drawn in three styles: strokes of our own, a printed hand (OpenCV's Hershey
letters), and handwritten ones of MNIST's test images of which no choice was made (skipped
where MNIST is not found). A kind is a condition in which they are put.

    python benchmarks/bench_pictures.py [STORE] [--kind NAME] [--save FOLDER]

STORE is an artifacts folder with a champion; without it one is trained first, the candidate
of configs/mnist.yaml that is its champion.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import yaml
from drawing import STYLES, Sheet, make_hands
from kinds import KINDS
from measuring import REPOSITORY, find_mnist

from digitflow.errors import InputError
from digitflow.predict.predictor import Predictor
from digitflow.store.artifacts import Store

SEED, PICTURES = 1, 15
MAX_SURELY_WRONG, MAX_SILENT, MIN_PLAIN = 0.03, 0.02, 0.97
LEAST_OVERLAP = 0.4


def main() -> int:
    """Print a row for each kind; return the number of missed targets."""
    options = read_options()
    folder = find_mnist()
    with tempfile.TemporaryDirectory() as work:
        predictor = Predictor.load(find_store(options.store, folder, Path(work)))
    hands = make_hands(folder)
    head = ("right", "surely", "whole", "found", "wrong", "silent")
    print("kind".ljust(28) + "digits".rjust(7) + "".join(name.rjust(9) for name in head))
    names = [options.kind] if options.kind else list(KINDS)
    return sum([measure_kind(name, hands, predictor, options.save) for name in names])


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("store", nargs="?", type=Path)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--save", type=Path, help="write the pictures here")
    return parser.parse_args()


def find_store(given: Path | None, folder: Path | None, work: Path) -> Store:
    """Return the store that was given, else one with the champion of configs/mnist.yaml."""
    if given is not None or folder is None:
        return Store((given or Path("artifacts")).resolve())
    config = yaml.safe_load((REPOSITORY / "configs" / "mnist.yaml").read_text())
    config["candidates"] = config["candidates"][:1]
    (work / "config.yaml").write_text(yaml.safe_dump(config))
    environment = os.environ | {
        "DIGITFLOW_ARTIFACTS": str(work / "artifacts"),
        "DIGITFLOW_MNIST_DIR": str(folder),
    }
    command = Path(sys.executable).with_name("digitflow")
    subprocess.run(
        [command, "train", "--config", work / "config.yaml"], env=environment, check=True
    )
    return Store(work / "artifacts")


def measure_kind(name, hands, predictor, save: Path | None) -> bool:
    """Print one kind's row; return whether it is missed."""
    total: Counter = Counter()
    for style in STYLES:
        if style not in hands:
            continue
        for number in range(PICTURES):
            rng = np.random.default_rng([SEED, number, *name.encode(), *style.encode()])
            sheet = KINDS[name](rng, hands[style])
            total += count_picture(sheet, predictor, save and save / f"{name} {style} {number}")
    return report_kind(name, total)


def count_picture(sheet: Sheet, predictor: Predictor, place: Path | None) -> Counter:
    """Read a picture and compare what was read with what is on it."""
    try:
        read, passed = read_sheet(sheet, predictor)
    except InputError as exc:
        read, passed = [], None
        error = str(exc)
    count = judge_sheet(sheet, read, passed)
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        word = "whole" if count["whole"] else "short"
        cv2.imwrite(f"{place} {word}.png", draw_result(sheet, read, passed or []))
    if passed is None and place is not None:
        print(f"{place.name}: {error}")
    return count


def read_sheet(sheet, predictor):
    """Return predictions, and the boxes of what was passed over."""
    read = predictor.read_page(sheet.picture, turn=sheet.turn)
    return read, [mark.box for mark in read.passed_over if mark.reason != "border"]


def judge_sheet(sheet, read, passed) -> Counter:
    """Count for one picture; `passed` is None where the whole picture was refused."""
    pairs = match_boxes([box for _, box in sheet.digits], [each.box for each in read])
    right = [
        each is not None and read[each].digit == digit
        for (digit, _), each in zip(sheet.digits, pairs, strict=True)
    ]
    good = {each for each, is_right in zip(pairs, right, strict=True) if is_right}
    sure = [place for place, each in enumerate(read) if each.status == "read"]
    wrong = [place for place in sure if place not in good]
    sure_right = sum(
        is_right and read[each].status == "read"
        for each, is_right in zip(pairs, right, strict=True)
    )
    return Counter(
        digits=len(sheet.digits),
        pictures=1,
        found=sum(each is not None for each in pairs),
        right=sum(right),
        whole=all(right) and len([e for e in read if e.status != "not a digit"]) == len(right),
        sure=sure_right + len(wrong),
        wrong=len(wrong),
        silent=count_silent(sheet, read, pairs, passed),
    )


def match_boxes(truths, boxes) -> list[int | None]:
    """Return for each true box which found one it is, each once, the best match first."""
    shares = {
        (first, second): overlap(truth, box)
        for first, truth in enumerate(truths)
        for second, box in enumerate(boxes)
    }
    pairs: list[int | None] = [None] * len(truths)
    for (first, second), share in sorted(shares.items(), key=lambda item: -item[1]):
        if share >= LEAST_OVERLAP and pairs[first] is None and second not in pairs:
            pairs[first] = second
    return pairs


def overlap(first, second) -> float:
    """Return what two boxes (left, top, width, height) share, of what they cover."""
    common = share_box(first, second)
    return common / (first[2] * first[3] + second[2] * second[3] - common)


def share_box(first, second) -> int:
    ends = [min(first[k] + first[k + 2], second[k] + second[k + 2]) for k in (0, 1)]
    sides = [end - max(first[k], second[k]) for k, end in enumerate(ends)]
    return max(0, sides[0]) * max(0, sides[1])


def count_silent(sheet, read, pairs, passed) -> int:
    """Count true digits that are not found, and of which nothing says so."""
    if passed is None:
        return 0
    said = [*passed, *(each.box for each in read if each.status != "read")]
    missed = [box for (_, box), each in zip(sheet.digits, pairs, strict=True) if each is None]
    return sum(
        not any(share_box(box, other) > 0.3 * box[2] * box[3] for other in said)
        for box in missed
    )


def report_kind(name, total) -> bool:
    def share(part, whole):
        return total[part] / total[whole] if total[whole] else 0.0

    wrong, silent = share("wrong", "sure"), share("silent", "digits")
    missed = wrong > MAX_SURELY_WRONG or silent > MAX_SILENT
    missed |= name == "plain" and share("right", "digits") < MIN_PLAIN
    surely = (total["sure"] - total["wrong"]) / max(1, total["digits"])
    shown = [share("right", "digits"), surely, share("whole", "pictures")]
    shown += [share("found", "digits"), wrong, silent]
    row = "".join(f"{value:9.1%}" for value in shown)
    print(f"{name:28}{total['digits']:7}{row}{'  short' if missed else ''}", flush=True)
    return missed


def draw_result(sheet, read, passed) -> np.ndarray:
    """Return the picture with what was read in it, green where surely, red where not."""
    shown = cv2.cvtColor(sheet.picture, cv2.COLOR_GRAY2BGR)
    for box in passed:
        cv2.rectangle(shown, box, (200, 120, 0), 1)
    for each in read:
        colour = (0, 150, 0) if each.status == "read" else (0, 0, 220)
        cv2.rectangle(shown, each.box, colour, 1)
        cv2.putText(shown, str(each.digit), (each.box[0], each.box[1] - 2), 0, 0.6, colour, 1)
    return shown


if __name__ == "__main__":
    sys.exit(main())
