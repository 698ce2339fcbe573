"""From a config's file or values to the model of a run, or to one clear error."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from digitflow.config.data import Section
from digitflow.config.digits import DigitsConfig
from digitflow.config.table import ClassificationConfig, RegressionConfig
from digitflow.errors import InputError, list_some

Part = TypeVar("Part", bound=Section)

AnyConfig = DigitsConfig | RegressionConfig | ClassificationConfig
"""Every kind of training run."""


def describe_configs() -> dict[str, Any]:
    """Return the JSON schema of a config, of whichever kind."""
    return TypeAdapter(AnyConfig).json_schema()


def load_config(path: Path) -> AnyConfig:
    """Read and check a YAML config; relative paths in it are relative to its folder.

    Raises
    ------
    InputError
        If the file is missing, is no YAML mapping, or has a wrong key or value.
    """
    config = _anchor(parse_yaml(_read_text(path), str(path)), path.parent)
    return config.model_copy(update={"project": config.project or path.parent.resolve()})


def load_section(path: Path, kind: type[Part]) -> Part:
    """Read and check a YAML file of any section; an empty one has every default.

    Raises
    ------
    InputError
        As `load_config`.
    """
    values = _read_yaml(_read_text(path), str(path))
    return _parse_section({} if values is None else values, kind, str(path))


def parse_yaml(text: str, where: str = "config") -> AnyConfig:
    """Check a config's text; `where` names it in errors.

    Raises
    ------
    InputError
        If it is no YAML mapping, or has a wrong key or value.
    """
    return _parse_config(_read_yaml(text, where), where)


def parse_config(values: dict[str, Any], where: str = "config") -> AnyConfig:
    """Check a config's values; `where` names them in errors.

    Raises
    ------
    InputError
        If a key is unknown or a value doesn't fit.
    """
    return _parse_config(values, where)


def choose_kind(values: Any) -> type[AnyConfig]:
    """Return the kind of config that values are of, by `workload` and `task`."""
    if not isinstance(values, dict) or values.get("workload", "digits") != "table":
        return DigitsConfig
    is_classification = values.get("task") == "classification"
    return ClassificationConfig if is_classification else RegressionConfig


def _parse_config(values: Any, where: str) -> AnyConfig:
    return _parse_section(values, choose_kind(values), where)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"can't read the config {path}: {exc}") from exc


def _read_yaml(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise InputError(f"{where} is no valid YAML: {exc}") from exc


def _parse_section(values: Any, kind: type[Part], where: str) -> Part:
    if not isinstance(values, dict):
        raise InputError(f"{where} must hold keys and values, got {type(values).__name__}")
    try:
        return kind.model_validate(values)
    except ValidationError as exc:
        lines = [_describe(error) for error in exc.errors()]
        raise InputError(f"{where}: {list_some(lines)}") from exc


def _describe(error: Any) -> str:
    # The tag of a union ("builtin", "mnist") stands in loc beside the keys; harmless.
    place = ".".join(str(part) for part in error["loc"]) or "config"
    if error["type"] == "extra_forbidden":
        return f"{place} is not a key of the config"
    if error["type"] == "missing":
        return f"{place} is missing"
    return f"{place}: {error['msg'].removeprefix('Value error, ')} (got {error['input']!r:.80})"


def _anchor(section: Part, folder: Path) -> Part:
    """Make a section's relative paths, and those of its parts, start at the config's folder."""
    return section.model_copy(update={key: _anchor_value(v, folder) for key, v in section})


def _anchor_value(value: Any, folder: Path) -> Any:
    if isinstance(value, tuple):
        return tuple(_anchor_value(item, folder) for item in value)
    if isinstance(value, Section):
        return _anchor(value, folder)
    is_relative = isinstance(value, Path) and not value.is_absolute()
    return (folder / value).resolve() if is_relative else value
