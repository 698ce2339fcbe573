"""Features of the study's digits by a recipe, once for all experiments that use them."""

from typing import Any, Literal

import numpy as np

from digitflow.data.digits import LabelledImages
from digitflow.features.catalogue import recipe_module
from digitflow.features.preparing import fit_recipe, transform_images
from digitflow.models.persistence import dump_model
from digitflow.studies.plan import Experiment, ExperimentContext, Findings

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
    recipe_module(recipe)
    return Experiment(
        name=f"features {recipe}" + ("" if split == "own" else f" on {split}"),
        function="digitflow.studies.features.prepare_features",
        params={"recipe": recipe, "split": split},
    )


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
            "train_labels": context.store.put_array(train.labels),
            "test_labels": context.store.put_array(test.labels),
        },
        models={"recipe": dump_model(fitted, context.store)},
    )


def divide_images(
    context: ExperimentContext, split: Split
) -> tuple[LabelledImages, LabelledImages]:
    """Return training and test images: the study's own, or all of them, a fifth held out."""
    if split == "own":
        return context.train(), context.test()
    from sklearn.model_selection import train_test_split

    parts = (context.train(), context.test())
    images = np.concatenate([part.images for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    divided: list[Any] = train_test_split(
        images, labels, test_size=SHARE_OUT, stratify=labels, random_state=context.seed
    )
    return LabelledImages(divided[0], divided[2]), LabelledImages(divided[1], divided[3])
