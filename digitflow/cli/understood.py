"""What was understood of data, as plain values, as text and as a picture."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from digitflow.cli.console import OUTPUT, make_table, print_field
from digitflow.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from digitflow.data.importing import Understood

LABEL = 10
PER_LINE = 5
IN_PICTURE = 11
# A character of two by four dots: their bits in Unicode's Braille patterns, row by row.
DOTS = ((0, 3), (1, 4), (2, 5), (6, 7))
BRAILLE = 0x2800
# The same without them: how much ink a field of 2 x 4 pixels has.
SHADES = " .:-=+*#%@"
INK = 96


def describe_understood(found: "Understood") -> dict[str, Any]:
    """Return what was understood as plain values."""
    from digitflow.config.writing import describe_source
    from digitflow.data.importing import count_labels, count_problems, count_writers

    return {
        "source": describe_source(found.source),
        "guessed": list(found.guessed),
        "origin": found.digits.origin,
        "way": found.way,
        "is_turned": found.is_turned,
        "notes": list(found.notes),
        "stops": found.stops,
        "splits": {
            split.name: {
                "images": len(split.labels),
                "digits": count_labels(split),
                "problems": count_problems(split),
                "writers": count_writers(split),
            }
            for split in found.splits
        },
    }


def print_understood(found: "Understood") -> None:
    """Print it for a person: facts, counts, a sample of each digit, the section."""
    from digitflow.config.writing import write_yaml
    from digitflow.data.importing import choose_samples

    facts = describe_understood(found)
    for label, text in _list_facts(found, facts):
        print_field(label, escape(text), LABEL)
    OUTPUT.print()
    _print_counts(facts["splits"])
    OUTPUT.print()
    for line in draw_digits(choose_samples(found.splits[0], 1)[:, 0]):
        OUTPUT.print(escape(line))
    OUTPUT.print("\n[bold]section of the config[/]")
    OUTPUT.print(escape(write_yaml(found.source).rstrip()))


def _list_facts(found: "Understood", facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (label, text) of what is known beside counts."""
    splits = facts["splits"]
    yield "read as", f"{found.source.kind}: {facts['origin']}"
    counts = [f"{split['images']:,} {name}" for name, split in splits.items()]
    yield "images", ", ".join(counts)
    writers = [
        f"{split['writers']:,} {name}"
        for name, split in splits.items()
        if split["writers"] is not None
    ]
    yield "writers", ", ".join(writers) or "not known"
    yield "ink", "dark on bright, turned" if found.is_turned else "bright on dark"
    yield "they lie", _describe_way(found)
    for guess in facts["guessed"]:
        yield "guessed", guess
    for name, split in splits.items():
        problems = [f"{count:,} {reason}" for reason, count in split["problems"].items()]
        yield "set aside", f"{name}: {', '.join(problems) or 'none'}"
    for note in facts["notes"]:
        yield "note", note


def _describe_way(found: "Understood") -> str:
    if found.way is None:
        return "not known: too few usable images to tell"
    is_exchanged = getattr(found.source, "transpose", None)
    return f"{found.way}, after rows and columns were exchanged" if is_exchanged else found.way


def _print_counts(splits: dict[str, Any]) -> None:
    table = make_table("digit")
    for digit in range(10):
        table.add_column(str(digit), justify="right", no_wrap=True)
    for name, split in splits.items():
        table.add_row(name, *(f"{count:,}" for count in split["digits"]))
    OUTPUT.print(table)


def draw_digits(images: "np.ndarray", encoding: str | None = None) -> list[str]:
    """Draw images uint8 (k, 28, 28) as lines of text, five beside one another.

    Parameters
    ----------
    encoding : str, optional
        Of where it is printed, else that of standard output: dots where it has them, else
        shades in plain letters.
    """
    encoding = encoding or sys.stdout.encoding or "ascii"
    try:
        chr(BRAILLE).encode(encoding)
        draw = _draw_dots
    except (UnicodeEncodeError, LookupError):
        draw = _draw_shades
    lines: list[str] = []
    for start in range(0, len(images), PER_LINE):
        drawn = [draw(image) for image in images[start : start + PER_LINE]]
        lines += [" ".join(parts).rstrip() for parts in zip(*drawn, strict=True)]
    return lines


def _draw_dots(image: "np.ndarray") -> list[str]:
    """Draw 28x28 pixels in 14 x 7 characters of 2 x 4 dots."""
    import numpy as np

    bits = [
        (image[row::4, column::2] > INK).astype(int) << DOTS[row][column]
        for row in range(4)
        for column in range(2)
    ]
    return ["".join(chr(BRAILLE + int(code)) for code in line) for line in np.sum(bits, axis=0)]


def _draw_shades(image: "np.ndarray") -> list[str]:
    fields = image.reshape(7, 4, 14, 2).mean(axis=(1, 3))
    shades = (fields * (len(SHADES) - 1) / 255).round().astype(int)
    return ["".join(SHADES[shade] for shade in line) for line in shades]


def write_picture(found: "Understood", file: Path) -> None:
    """Write the mean image and samples of each digit as a PNG.

    Raises
    ------
    InputError
        If the file can't be written.
    """
    from digitflow.data.importing import average_digits, choose_samples
    from digitflow.reports.figures import draw_understood

    train = found.splits[0]
    png = draw_understood(average_digits(train), choose_samples(train, IN_PICTURE))
    try:
        file.write_bytes(png)
    except OSError as exc:
        raise InputError(f"can't write the picture {file}: {exc}") from exc
