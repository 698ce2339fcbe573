"""Why an image is not used: the fixed set of reasons, and a row that has one."""

from dataclasses import dataclass
from typing import Literal, get_args

Split = Literal["train", "test", "feedback"]
Reason = Literal[
    "unreadable",
    "NaN pixel",
    "out of range",
    "not a whole number",
    "unknown label",
    "blank",
    "inverted",
    "duplicate of a test image",
    "conflicting duplicate",
    "duplicate",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""In this order: a row with several faults has the first as its reason.

unreadable: no pixel is there, as of a damaged picture. NaN pixel: some are missing. out of
range: below 0 or above 255. not a whole number: as where pixels were scaled to 0..1.
unknown label: none of 0 to 9, or missing. blank: no ink. inverted: dark ink on a bright
border. The rest are equal pixel by pixel to another image: of the test set (which stays as
it is, the training image goes); with another label (all of them go, nobody knows which is
right); or with the same label (the first one stays).
"""


@dataclass(frozen=True)
class Problem:
    """A row that is not used, and why.

    Attributes
    ----------
    split : "train" or "test"
    row : int
        Its number in the source's order, from 0.
    label : float
        As the source has it; NaN if it is missing.
    reason : str
        One of `REASONS`.
    """

    split: Split
    row: int
    label: float
    reason: Reason
