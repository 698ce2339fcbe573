"""The few kinds of error that digitflow raises, each with the exit code a script sees."""

from collections.abc import Collection, Iterable
from itertools import islice


class DigitflowError(Exception):
    """Base of every error of ours; the message says what to do about it."""

    exit_code = 1


class InputError(DigitflowError):
    """A config, a file, a data set or an argument is not what was expected."""

    exit_code = 2


class StorageError(DigitflowError):
    """The artifacts folder can't be written: full disk, read-only, no permission."""

    exit_code = 2


class ClusterError(DigitflowError):
    """The cluster is gone, or one of its workers is not what the run needs."""


class DamagedArtifact(DigitflowError):
    """A stored file is missing or its bytes no longer match its digest."""


class CandidateFailed(DigitflowError):
    """One candidate's fit raised, died or ran out of its time."""


class CandidateRefused(CandidateFailed):
    """An estimator does not take its parameters, or its data."""

    exit_code = 2


class TestSetChanged(InputError):
    """The champion was judged on other test images than the challenger would be."""

    __test__ = False  # the name begins with Test; pytest must not collect it


class ChampionMoved(DigitflowError):
    """Somebody else promoted between the verdict and the promotion."""


def list_some(values: Iterable[object], limit: int = 5) -> str:
    """Write at most `limit` values and the count of the rest.

    >>> list_some(range(8))
    '0, 1, 2, 3, 4 and 3 more'
    """
    items = values if isinstance(values, Collection) else list(values)
    shown = ", ".join(str(value) for value in islice(items, limit))
    rest = len(items) - limit
    return f"{shown} and {rest} more" if rest > 0 else shown
