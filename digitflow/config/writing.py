"""A section written into a config file; what else the file holds stays as it is."""

import re
from pathlib import Path
from typing import Any

import yaml

from digitflow.config.data import PlainSource
from digitflow.config.reading import load_config, parse_yaml
from digitflow.errors import InputError, StorageError

_SOURCE = re.compile(r"^source:.*\n?(?:(?:[ \t]+.*|[ \t]*#.*|- .*)?\n)*", re.MULTILINE)
_NO_NAME = re.compile(r"[^a-z0-9]+")
_HEAD = "# Every key is explained in docs/configuration.md.\n"


def describe_source(source: PlainSource, folder: Path | None = None) -> dict[str, Any]:
    """Return a source as a config has it: its kind, and what differs from the defaults.

    Paths are relative to `folder` where they lie in it, else absolute.
    """
    found = source.model_dump(mode="json", exclude_defaults=True)
    paths = {key: _write_path(value, folder) for key, value in source if key in found}
    values = {key: path for key, path in paths.items() if path} | {
        key: value for key, value in found.items() if not paths[key]
    }
    if "labels" in values:
        # As one writes it: 10, not "10".
        values["labels"] = {
            int(name) if name.isdecimal() else name: digit
            for name, digit in values["labels"].items()
        }
    return {"kind": source.kind} | values


def _write_path(value: Any, folder: Path | None) -> str | None:
    """Return a path as a config of `folder` has it; None of other values."""
    if not isinstance(value, Path):
        return None
    path = value.resolve()
    home = None if folder is None else folder.resolve()
    return str(path.relative_to(home) if home and path.is_relative_to(home) else path)


def write_yaml(source: PlainSource, folder: Path | None = None) -> str:
    """Return the section `source` of a config as text; paths as `describe_source` has them."""
    section = {"source": describe_source(source, folder)}
    return yaml.safe_dump(section, sort_keys=False, allow_unicode=True, width=96)


def write_source(file: Path, source: PlainSource, model: str, replace: bool = False) -> None:
    """Write the section `source` into a config file.

    Parameters
    ----------
    file : Path
        A new file gets `model` and the section; one that is there gets the section alone.
    source : PlainSource
        What the section says.
    model : str
        What the model of a new file is called, after what is no letter or digit is left out.
    replace : bool
        Whether a section that is there is replaced.

    Raises
    ------
    InputError
        If the file has such a section and it may not be replaced, or is no config of digits.
    StorageError
        If it can't be written.
    """
    section = write_yaml(source, file.parent)
    if not file.exists():
        text = f"{_HEAD}model: {_NO_NAME.sub('-', model.lower()).strip('-') or 'digits'}\n"
        _write(file, f"{text}\n{section}")
        return
    before = file.read_text(encoding="utf-8")
    config = load_config(file)
    if config.workload != "digits":
        raise InputError(f"{file} is of a {config.workload}: name another file")
    values = yaml.safe_load(before) or {}
    if "source" in values and not replace:
        raise InputError(
            f"{file} has a source already, and nothing was written: --replace replaces it, or "
            "name another file"
        )
    after = _SOURCE.sub(lambda _: f"{section}\n", before, count=1)
    if "source" not in values:
        after = f"{before.rstrip()}\n\n{section}"
    if yaml.safe_load(after) != values | yaml.safe_load(section):
        raise InputError(
            f"{file} is written in a way in which its source can't be replaced; put this there "
            f"by hand:\n{section}"
        )
    parse_yaml(after, str(file))
    _write(file, after)


def _write(file: Path, text: str) -> None:
    # Whole, or not at all.
    written = file.with_name(f".{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(text, encoding="utf-8")
        written.replace(file)
    except OSError as exc:
        raise StorageError(f"can't write the config {file}: {exc}") from exc
