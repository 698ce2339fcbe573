"""Which sources of digits there are: the modules of `digitflow.data.sources`."""

import pkgutil

from digitflow.data import sources
from digitflow.errors import InputError


def source_module(kind: str) -> str:
    """Return the dotted name of the module that reads a kind of source.

    Nothing is imported; a new file in `digitflow/data/sources` is found by its name.

    Raises
    ------
    InputError
        If there is no such source; the message lists those there are.
    """
    known = sorted(module.name for module in pkgutil.iter_modules(sources.__path__))
    if kind not in known:
        raise InputError(f"there is no source {kind!r}; known: {', '.join(known)}")
    return f"{sources.__name__}.{kind}"
