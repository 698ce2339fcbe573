"""Where digits come from, how they are parted, and how copies of them are altered.

Lowest of the config's modules, it also has what every section of a config is made of.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """A part of a config: frozen, and an unknown key is an error; built as `Record` is."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def offer_choice(schema: dict[str, Any]) -> None:
    """Let Prefect's form offer a choice of forms, instead of a box for raw JSON."""
    # Prefect's form shows "any of" as a choice of forms, "one of" as a box for raw JSON.
    schema.pop("discriminator", None)
    choices = schema.pop("oneOf", None) or schema["anyOf"]
    # Where nothing is a choice too, the others are nested.
    schema["anyOf"] = [one for choice in choices for one in choice.get("oneOf", [choice])]


Direction = Literal["up", "down", "left", "right"]


class _Source(Section):
    """What every source of its own has."""

    take: int | None = Field(
        None,
        ge=10,
        description="at most so many of its training images, spread evenly; empty: all",
    )


def _write_keys(meanings: Any) -> Any:
    """Let labels be written as they come: YAML reads 10 as a number."""
    if not isinstance(meanings, dict):
        return meanings
    return {
        str(int(key) if isinstance(key, float) and key.is_integer() else key): digit
        for key, digit in meanings.items()
    }


class _FoundSource(_Source):
    """What others made has ways of its own, which somebody has to say."""

    labels: Annotated[
        dict[str, Annotated[int, Field(ge=0, le=9)]], BeforeValidator(_write_keys)
    ] = Field(
        default_factory=dict,
        description="the digit that a label means, where it is not that digit: {10: 0}",
    )
    transpose: bool | None = Field(
        None,
        description="true: exchange rows and columns of each image, as EMNIST's need; false: "
        "they are right as they are; empty: stop if they seem exchanged",
    )


class BuiltinSource(_Source):
    """The 1,797 handwritten digits that come with scikit-learn, in the MNIST frame."""

    kind: Literal["builtin"] = "builtin"


class MnistSource(_FoundSource):
    """IDX files from a folder (MNIST, EMNIST, QMNIST), else OpenML's `mnist_784`."""

    kind: Literal["mnist"] = "mnist"
    folder: Path | None = Field(
        None,
        description="folder of the four IDX files, gzipped or not; "
        "else DIGITFLOW_MNIST_DIR; else OpenML is asked",
    )
    prefix: str | None = Field(
        None,
        description="what the files' names begin with, where the folder holds several sets: "
        "emnist-digits",
    )


class ImagesSource(_FoundSource):
    """A folder of pictures, `<label>/*.png` and such, any size, either polarity."""

    kind: Literal["images"] = "images"
    folder: Path = Field(
        description="folder with one folder a label, or with train and test of such folders"
    )
    test_folder: Path | None = Field(
        None, description="pictures to judge champions on; else a part of `folder`"
    )


class TableSource(_FoundSource):
    """A CSV or Parquet file: a label and 784 pixels, or a label and a picture, a row."""

    kind: Literal["table"] = "table"
    file: Path = Field(description="the CSV or Parquet file")
    test_file: Path | None = Field(
        None, description="rows to judge champions on; else a part of `file`"
    )
    label: str = Field("label", description="name of the label column")
    writer: str = Field("writer", description="name of the writer column, where there is one")


class ArraysSource(_FoundSource):
    """Arrays in a file of numpy (.npz) or MATLAB (.mat): images and labels by name."""

    kind: Literal["arrays"] = "arrays"
    file: Path = Field(description="the .npz or .mat file; it may hold test images too")
    test_file: Path | None = Field(
        None, description="images to judge champions on; else those of `file`, or a part of it"
    )


class PenSource(_Source):
    """Digits by writers who don't exist, in the forms that people of many countries use."""

    kind: Literal["pen"] = "pen"
    writers: int = Field(400, ge=1, le=100_000, description="how many; each has one hand")
    each: int = Field(3, ge=1, le=1000, description="times that a writer draws each digit")
    square: float = Field(
        0.1, ge=0, le=1, description="share of writers whose pictures are stretched to squares"
    )
    seed: int = Field(0, ge=0, lt=2**32, description="draws the writers")


PlainSource = Annotated[
    BuiltinSource | MnistSource | ImagesSource | TableSource | ArraysSource | PenSource,
    Field(discriminator="kind"),
]


class MixSource(Section):
    """Several sources in one: the first is what champions are tested on."""

    kind: Literal["mix"] = "mix"
    of: tuple[PlainSource, ...] = Field(
        min_length=2, description="sources; only the first one's test images are used"
    )


Source = Annotated[
    BuiltinSource
    | MnistSource
    | ImagesSource
    | TableSource
    | ArraysSource
    | PenSource
    | MixSource,
    Field(discriminator="kind"),
]


def list_parts(source: Source) -> tuple[PlainSource, ...]:
    """Return the parts of a mix; another source is its own only part."""
    return source.of if isinstance(source, MixSource) else (source,)


def name_parts(source: Source) -> tuple[str, ...]:
    """Return names of a mix's parts: their kinds, numbered where several are of one."""
    kinds = [part.kind for part in list_parts(source)]
    places = [kinds[: place + 1].count(kind) for place, kind in enumerate(kinds)]
    return tuple(
        kind if kinds.count(kind) == 1 else f"{kind} {place}"
        for kind, place in zip(kinds, places, strict=True)
    )


class ValidationRules(Section):
    """What data must hold before anything is trained."""

    max_quarantined: float = Field(
        0.01, ge=0, le=1, description="share of bad rows above which the run stops"
    )
    min_per_class: int = Field(10, ge=2, description="usable images that every class must have")


class SplitShares(Section):
    """How much is set aside; a source's own test set is kept as it is."""

    test: float = Field(0.2, gt=0, lt=1, description="share for the frozen test images")
    validation: float = Field(
        0.2, gt=0, lt=1, description="share of the rest that calibrates and compares"
    )
    calibration: float = Field(
        0.5, gt=0, lt=1, description="share of validation that calibrates; the rest compares"
    )


class ShiftAugmentation(Section):
    """Copies of the training images, moved by whole pixels."""

    backend: Literal["shift"] = "shift"
    pixels: int = Field(1, ge=1, le=13, description="how far each copy is moved")
    directions: tuple[Direction, ...] = Field(
        ("up", "down", "left", "right"), min_length=1, description="one copy for each"
    )


class OpencvAugmentation(Section):
    """Copies of the training images, altered as other hands would have written them."""

    backend: Literal["opencv"] = "opencv"
    copies: int = Field(1, ge=1, le=20, description="altered copies of each image")
    rotation: float = Field(10, ge=0, le=45, description="degrees, at most, either way")
    slant: float = Field(
        0.3, ge=0, le=1, description="pixels aside for one up, at most, either way"
    )
    stretch: float = Field(
        0.3, ge=0, le=1, description="share by which width may change against height"
    )
    elastic: float = Field(
        0.0, ge=0, le=3, description="pixels by which points are pulled, standard deviation"
    )
    thinner: float = Field(
        0.0, ge=0, le=1, description="pixels that strokes may lose at each side"
    )
    thicker: float = Field(
        1.0, ge=0, le=1, description="pixels that strokes may gain at each side"
    )
    square: float = Field(
        0.0, ge=0, le=1, description="share of the copies that is stretched to a square"
    )


class _Warping(Section):
    """How far copies are moved, turned, scaled and leant; drawn evenly for each."""

    copies: int = Field(1, ge=1, le=20, description="altered copies of each image")
    shift: float = Field(2, ge=0, le=13, description="pixels, at most, each way")
    rotation: float = Field(10, ge=0, le=45, description="degrees, at most, either way")
    zoom: float = Field(0.1, ge=0, le=0.5, description="share by which the size may change")
    slant: float = Field(
        0.1, ge=0, le=1, description="pixels aside for one up, at most, either way"
    )


class AlbumentationsAugmentation(_Warping):
    """Copies altered by albumentations."""

    backend: Literal["albumentations"] = "albumentations"


class KerasAugmentation(_Warping):
    """Copies altered by the preprocessing layers of Keras, on JAX (the extra `keras`)."""

    backend: Literal["keras"] = "keras"


Augmentation = Annotated[
    ShiftAugmentation | OpencvAugmentation | AlbumentationsAugmentation | KerasAugmentation,
    Field(discriminator="backend"),
]
