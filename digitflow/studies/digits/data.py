"""Which digits a study is about: those of the main job, in the order of their source."""

from typing import Any, Literal, Protocol

import numpy as np

from digitflow.catalogue import RECIPES
from digitflow.config.data import SplitShares
from digitflow.config.digits import StudySettings
from digitflow.data.sets import CheckedSets, LabelledImages, open_set, store_set
from digitflow.data.splits import choose_subset, split_rows
from digitflow.errors import InputError, list_some
from digitflow.features.preparing import fit_recipe, transform_images
from digitflow.models.persistence import dump_model
from digitflow.store.artifacts import Store
from digitflow.studies.plan import (
    Experiment,
    ExperimentContext,
    Findings,
    StudyData,
    plan_experiment,
)
from digitflow.studies.scope import DigitsScope

CLASSES = 10
# Of each digit, in training and in test: some must be left when a part is held out.
LEAST_OF_A_DIGIT = 5


def choose_digits(
    store: Store, checked: CheckedSets, shares: SplitShares, size: int | None, seed: int
) -> StudyData:
    """Take the source's own test images, else those that the main job sets aside.

    Parameters
    ----------
    shares : SplitShares
        Of the main job; its share of test images, where the source has none of its own.
    size : int or None
        So many training images, every digit as often among them as among all; None: all.

    Raises
    ------
    InputError
        If there are fewer training images than `size`, or too few of a digit.
    """
    train = open_set(store, checked.train)
    if checked.test is None:
        parts = split_rows(train.labels, train.writers, shares, False, seed)
        test = store_set(store, train.take(parts.pop("test")))
        train = train.take(np.sort(np.concatenate(list(parts.values()))))
    else:
        test = checked.test
    if size is not None:
        train = train.take(choose_subset(train.labels, size, seed))
    _require_all_digits("training", train)
    _require_all_digits("test", open_set(store, test))
    return StudyData(train=store_set(store, train), test=test)


def describe_scope(
    source: str, checked: CheckedSets, data: StudyData, seed: int, settings: StudySettings
) -> DigitsScope:
    """Return what the sections must know of the digits to plan their experiments."""
    test = 0 if checked.test is not None else data.test.rows
    return DigitsScope(
        source=source,
        train_rows=data.train.rows,
        test_rows=data.test.rows,
        complete=data.train.rows + test == checked.train.rows and not checked.problems,
        writers=data.train.writers is not None,
        test_writers=data.test.writers is not None,
        seed=seed,
        settings=settings,
    )


class Studied(Protocol):
    """What opens the digits of a study: an experiment's context, or a chapter's."""

    @property
    def store(self) -> Store:
        """Where the digits are."""

    @property
    def data(self) -> StudyData:
        """References to them."""


def open_train(context: Studied) -> LabelledImages:
    """Open the training images, memory-mapped: uint8 (n, 28, 28), labels 0 to 9."""
    return open_set(context.store, context.data.train)


def open_test(context: Studied) -> LabelledImages:
    """Open the test images, memory-mapped."""
    return open_set(context.store, context.data.test)


def _require_all_digits(which: str, images: LabelledImages) -> None:
    counts = np.bincount(images.labels, minlength=CLASSES)
    rare = np.flatnonzero(counts < LEAST_OF_A_DIGIT)
    if len(rare):
        raise InputError(
            f"a study needs {LEAST_OF_A_DIGIT} {which} images of each digit, there are "
            f"{list_some([f'{counts[digit]} of {digit}' for digit in rare])}: take more images"
        )


Split = Literal["own", "80/20"]
SHARE_OUT = 0.2
# What is prepared, in the order in which it is used.
PARTS = ("train", "train_labels", "test", "test_labels")


def plan_features(recipe: str, split: Split = "own") -> Experiment:
    """Return the experiment that prepares a recipe; others name it in their `needs`.

    Parameters
    ----------
    recipe : str
        A name of the catalogue.
    split : "own" or "80/20"
        The study's own training and test images, or all of them dealt out anew.

    Raises
    ------
    InputError
        If there is no such recipe; it lists the known ones.
    """
    name = f"features {recipe}" + ("" if split == "own" else f" on {split}")
    planned = plan_experiment(name, prepare_features, recipe=recipe, split=split)
    return planned.select(RECIPES.module(recipe))


def prepare_features(context: ExperimentContext, recipe: str, split: Split) -> Findings:
    """Fit a recipe on all training images; store it and the features.

    Returns
    -------
    Findings
        arrays "train" and "test": float32 (n, d), "train_labels" and "test_labels": uint8
        (n,); models "recipe": the fitted steps.
    """
    train, test = divide_images(context, split)
    fitted, features = fit_recipe(
        recipe, train.images, context.seed, context.store, context.threads
    )
    return Findings(
        values={"recipe": recipe, "split": split},
        arrays={
            "train": features,
            "test": transform_images(fitted, test.images, context.store, context.threads),
        }
        | context.keep(train_labels=train.labels, test_labels=test.labels),
        models={"recipe": dump_model(fitted, context.store)},
    )


def divide_images(
    context: ExperimentContext, split: Split
) -> tuple[LabelledImages, LabelledImages]:
    """Return training and test images: the study's own, or all of them, a fifth held out."""
    if split == "own":
        return open_train(context), open_test(context)
    from sklearn.model_selection import train_test_split

    parts = (open_train(context), open_test(context))
    images = np.concatenate([part.images for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    divided: list[Any] = train_test_split(
        images, labels, test_size=SHARE_OUT, stratify=labels, random_state=context.seed
    )
    return LabelledImages(divided[0], divided[2]), LabelledImages(divided[1], divided[3])
