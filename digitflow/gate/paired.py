"""Both models' hits on the same images, as the checks compare them."""

from digitflow.config.gate import BetterLimits
from digitflow.errors import InputError
from digitflow.evaluation.comparison import HitDifference, compare_hits
from digitflow.evaluation.evidence import ScoredSet
from digitflow.evaluation.resampling import Bootstrap
from digitflow.gate.check import write_count, write_points


def compare_set(scored: ScoredSet, rules: BetterLimits, seed: int) -> HitDifference:
    """Compare both models' accuracies on a set, drawn again by whole writers.

    Raises
    ------
    InputError
        If there is no champion, or no image.
    """
    if scored.champion is None:
        raise InputError("there is no champion to compare with")
    return compare_hits(
        scored.challenger.argmax(axis=1) == scored.labels,
        scored.champion.argmax(axis=1) == scored.labels,
        scored.writers,
        make_bootstrap(rules, seed),
    )


def make_bootstrap(rules: BetterLimits, seed: int) -> Bootstrap:
    """Return how the config wants differences drawn again."""
    return Bootstrap(rules.significance, rules.resamples, seed)


def describe_hits(found: HitDifference, images: str) -> str:
    """Write the difference for people: "+0.18 points on 10,000 test images (59 wins, ...)"."""
    wins = write_count(found.wins, "win")
    losses = write_count(found.losses, "loss", "losses")
    return f"{write_points(found.delta)} points on {found.n:,} {images} ({wins}, {losses})"
