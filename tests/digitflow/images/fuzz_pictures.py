"""Decode mutated picture files, in a process of its own: a decoder's crash would end it.

    python fuzz_pictures.py FOLDER COUNT SEED

reads the sound files in FOLDER and prints, as JSON, how many of COUNT mutants were read and
refused, and how much memory that took. What was tried last stays in FOLDER/last.bin.
"""

import json
import sys
from pathlib import Path

import numpy as np

from digitflow.errors import InputError
from digitflow.images.files import Document
from digitflow.models.golden import measure_peak_memory

# What decides about sizes and counts: its extremes find more than random bytes do.
EXTREMES = (0x00, 0x01, 0x7F, 0x80, 0xFF)
HEAD = 64


def mutate(content, rng):
    """Damage a file: some bytes of its head, of anywhere, a piece doubled, or an end cut."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        end = HEAD if rng.random() < 0.5 else len(damaged)
        place = int(rng.integers(0, max(1, min(end, len(damaged)))))
        kind = rng.integers(0, 5)
        if kind == 0:
            damaged[place : place + 1] = bytes([rng.choice(EXTREMES)])
        elif kind == 1:
            damaged[place : place + 4] = rng.bytes(4)
        elif kind == 2:
            damaged[place:place] = damaged[place : place + int(rng.integers(1, 40))]
        elif kind == 3:
            del damaged[place : place + int(rng.integers(1, 40))]
        elif rng.random() < 0.2:
            del damaged[place:]
    return bytes(damaged)


def read_last_page(content):
    """Return the picture that needs most to be understood."""
    document = Document(content, "it")
    return document.read(document.pages or 1).gray


def main(folder, count, seed):
    rng = np.random.default_rng(seed)
    sound = [path.read_bytes() for path in sorted(folder.iterdir())]
    for content in sound:
        assert read_last_page(content).ndim == 2
    before = measure_peak_memory()
    outcome = {"read": 0, "refused": 0}
    for number in range(count):
        damaged = mutate(sound[number % len(sound)], rng)
        (folder / "last.bin").write_bytes(damaged)
        try:
            picture = read_last_page(damaged)
        except InputError:
            outcome["refused"] += 1
        else:
            assert picture.ndim == 2
            assert picture.dtype == np.uint8
            outcome["read"] += 1
    sys.stdout.write(json.dumps(outcome | {"megabytes": measure_peak_memory() - before}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
