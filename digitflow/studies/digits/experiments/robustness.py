"""Section `robustness`: what each algorithm stands of what it never learnt.

Images stay in the MNIST frame as they are altered: the algorithms are tried, without the
centring and scaling that pictures get before they are predicted.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from pydantic.dataclasses import dataclass

from digitflow.augment import distortions
from digitflow.data.splits import choose_rows
from digitflow.models.persistence import load_model
from digitflow.studies.digits.algorithms import ALGORITHMS, plan_model, predict_probabilities
from digitflow.studies.digits.data import open_test
from digitflow.studies.plan import (
    Experiment,
    ExperimentContext,
    Findings,
    Plan,
    plan_experiment,
)
from digitflow.studies.scope import DigitsScope


@dataclass(frozen=True)
class Alteration:
    """A way to alter images, and the levels that are tried; at `none` nothing happens.

    `argument` is how the function of `augment.distortions` calls its level, `unit` how
    people do.
    """

    function: str
    argument: str
    unit: str
    levels: tuple[float, ...]
    none: float = 0.0


ALTERATIONS: Mapping[str, Alteration] = MappingProxyType(
    {
        "shift": Alteration(
            "shift_images", "pixels", "pixels, in one of four directions", (0, 1, 2, 3, 4)
        ),
        "rotation": Alteration(
            "rotate_images", "degrees", "degrees, either way", (0, 10, 20, 30, 45)
        ),
        "scale": Alteration(
            "scale_images", "share", "size, times its own", (0.6, 0.8, 1, 1.2, 1.4), none=1
        ),
        "shear": Alteration(
            "shear_images",
            "share",
            "pixels aside for one up, either way",
            (0, 0.2, 0.4, 0.6, 0.8),
        ),
        "thickness": Alteration(
            "change_strokes",
            "pixels",
            "pixels added at each side of a stroke",
            (-0.75, -0.5, 0, 0.5, 1),
        ),
        "blur": Alteration(
            "blur_images", "pixels", "standard deviation in pixels", (0, 0.75, 1.5, 2.25, 3)
        ),
        "noise": Alteration(
            "add_noise", "deviation", "standard deviation, of 255", (0, 30, 60, 90, 120)
        ),
        "occlusion": Alteration(
            "cover_images", "side", "side of the covered square in pixels", (0, 3, 6, 9, 12)
        ),
    }
)


def plan(scope: DigitsScope) -> Plan:
    """Return the alterations, the models, and what each model reads of all of them."""
    images = min(scope.settings.altered_images, scope.test_rows)
    altered = tuple(plan_alteration(name, images) for name in ALTERATIONS)
    models = [experiment for name in ALGORITHMS for experiment in plan_model(name)]
    readings = (
        plan_experiment(
            f"read by {name}",
            read_altered,
            plan_model(name)[1].name,
            *(each.name for each in altered),
            model=plan_model(name)[1].name,
        )
        for name in ALGORITHMS
    )
    return (*altered, *models, *readings)


def plan_alteration(name: str, images: int) -> Experiment:
    """Return the experiment that alters some test images in one of `ALTERATIONS`' ways."""
    chosen = ALTERATIONS[name]
    return plan_experiment(
        f"alter by {name}",
        alter_images,
        name=name,
        images=images,
        function=chosen.function,
        argument=chosen.argument,
        none=chosen.none,
        levels=list(chosen.levels),
    )


def alter_images(
    context: ExperimentContext,
    name: str,
    images: int,
    function: str,
    argument: str,
    none: float,
    levels: list[float],
) -> Findings:
    """Alter some test images by each level; every digit is as often among them.

    Returns
    -------
    Findings
        values "levels"; arrays "images" uint8 (levels, n, 28, 28), "labels" uint8 (n,).
    """
    test = open_test(context)
    chosen = test.take(choose_rows(test.labels, images, context.seed))
    originals = np.array(chosen.images)
    alter: Callable[..., np.ndarray] = getattr(distortions, function)
    shape = (len(levels), *originals.shape)
    with context.store.new_array(shape, np.uint8) as pending:
        for place, level in enumerate(levels):
            # The same draws at each level: only how much changes.
            generator = np.random.default_rng([context.seed, *name.encode()])
            # A level in whole pixels counts pixels.
            value = int(level) if function in ("shift_images", "cover_images") else level
            pending.array[place] = (
                originals if level == none else alter(originals, generator, **{argument: value})
            )
    return Findings(
        values={"name": name, "levels": levels},
        arrays={"images": pending.ref} | context.keep(labels=chosen.labels),
    )


def read_altered(context: ExperimentContext, model: str) -> Findings:
    """Read all altered images by one model.

    Returns
    -------
    Findings
        values "accuracy": {alteration: [share read right at each level]}, "images".
    """
    pipeline = load_model(context.given[model].models["model"], context.store)
    altered = [name for name, facts in context.given.items() if "levels" in facts.values]
    accuracy, rows = dict[str, Any](), 0
    for name in altered:
        images, labels = context.open(name, "images", "labels")
        rows = len(labels)
        accuracy[context.given[name].values["name"]] = [
            float((predict_probabilities(pipeline, level).argmax(axis=1) == labels).mean())
            for level in images
        ]
    return Findings(values={"accuracy": accuracy, "images": rows})
