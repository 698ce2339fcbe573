"""`python -m digitflow.service.attached PARENT MODULE ...`: a module that ends with its parent.

And all that it has started ends, too: after kill -9 nobody else is there to end it.
"""

import os
import runpy
import sys

from digitflow.service.processes import (
    TOKEN_VARIABLE,
    kill_processes,
    list_family,
    watch_parent,
)


def attach(parent: int, module: str) -> list[str]:
    """Return the arguments of Python's `-m` that run a module as long as a process lives."""
    return ["digitflow.service.attached", str(parent), module]


def main(parent: int, arguments: list[str]) -> None:
    """Be the module that the arguments begin with."""
    watch_parent(parent, _end_family)
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


def _end_family() -> None:
    kill_processes(list_family(os.environ[TOKEN_VARIABLE]))
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
