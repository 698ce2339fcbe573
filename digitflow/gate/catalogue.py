"""The checks, found by name.

A check is a module of this package that defines
`run(evidence: Evidence, limits: GateLimits, seed: int) -> list[Check]`. Its name is one of
`digitflow.config.CHECKS`; without a champion it returns what can be said of the challenger
alone, which may be nothing. Whatever it raises becomes an error of the gate.
"""

from functools import cache
from importlib import import_module

from digitflow.catalogue import find_module, list_modules
from digitflow.config.gate import GateLimits
from digitflow.evaluation.evidence import Evidence
from digitflow.gate.check import Check

PACKAGE = "digitflow.gate.checks"


@cache
def check_module(name: str) -> str:
    """Return the dotted name of a check's module, such as "digitflow.gate.checks.slices".

    Raises
    ------
    InputError
        If there is no such check; it lists the known ones.
    """
    return find_module(PACKAGE, name, "run", "check")


def list_checks() -> list[str]:
    """Return the names of the checks, sorted."""
    return list_modules(PACKAGE, "run")


def run_check(name: str, evidence: Evidence, limits: GateLimits, seed: int) -> list[Check]:
    """Ask one check; it may raise whatever the evidence makes it raise."""
    answers: list[Check] = import_module(check_module(name)).run(evidence, limits, seed)
    return answers
