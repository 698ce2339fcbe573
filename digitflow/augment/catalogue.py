"""The augmentation backends, found by name.

A backend is a module of this package that defines
`count_copies(settings) -> int` and `write_copies(images, settings, seed, out)`.
"""

from digitflow.catalogue import find_module, list_modules

PACKAGE = "digitflow.augment.backends"


def augmentation_module(backend: str) -> str:
    """Return the dotted name of a backend's module, such as "digitflow.augment.backends.shift".

    Raises
    ------
    InputError
        If there is no such backend; it lists the known ones.
    """
    return find_module(PACKAGE, backend, "write_copies", "augmentation backend")


def list_backends() -> list[str]:
    """Return the names of the backends, sorted."""
    return list_modules(PACKAGE, "write_copies")
