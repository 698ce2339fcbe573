"""One question of the gate with the figures that answer it."""

from math import isnan
from typing import TYPE_CHECKING, Any, Literal

from digitflow.store.references import Record

if TYPE_CHECKING:
    from digitflow.evaluation.comparison import Difference

Answer = Literal["pass", "warn", "fail", "insufficient", "error"]


class Check(Record):
    """One question of the gate with the figures that answer it; None: there is no such figure.

    Attributes
    ----------
    id : str
        The check and what it asks, such as "better.superior"; the second part names the
        key of the config where there is one.
    slice : str
        Which samples or which figure: "test", "class 4", "4/9", "feedback", "shift-1".
    n : int or None
        How many samples.
    challenger, champion : float or None
        The figure of each: a share in 0..1, or in the unit that `detail` names.
    delta : float or None
        The challenger's less the champion's.
    interval : tuple of float or None
        Of `delta` where there is one, else of the challenger's figure.
    p : float or None
        How likely chance alone shows as much, one-sided.
    limit : float or None
        What the figure, `delta` or a bound of it is held to.
    verdict : str
        "warn" does not stop a promotion; "insufficient": not enough is known to say.
    detail : str
        The answer in one sentence.
    blocks : bool
        Whether "fail" or "insufficient" here stops a promotion by itself.
    """

    id: str
    slice: str
    n: int | None = None
    challenger: float | None = None
    champion: float | None = None
    delta: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    limit: float | None = None
    verdict: Answer
    detail: str
    blocks: bool = True

    @classmethod
    def compare(
        cls, name: str, on: str, found: "Difference", verdict: Answer, detail: str, **more: Any
    ) -> "Check":
        """Return a check of both models' figures; without bounds it has no interval."""
        return cls(
            id=name,
            slice=on,
            n=found.n,
            challenger=found.challenger,
            champion=found.champion,
            delta=found.delta,
            interval=None if isnan(found.lower) else (found.lower, found.upper),
            verdict=verdict,
            detail=detail,
            **more,
        )

    @property
    def question(self) -> str:
        """What is asked, without the check's name."""
        return self.id.partition(".")[2]

    @property
    def passed(self) -> bool:
        """Whether the answer is yes."""
        return self.verdict == "pass"

    @property
    def stops(self) -> bool:
        """Whether nothing is promoted because of it; an error always stops."""
        return self.verdict == "error" or (
            self.blocks and self.verdict in ("fail", "insufficient")
        )
