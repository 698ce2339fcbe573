"""Features of the study's digits by a recipe, once for all experiments that use them."""

from digitflow.features.catalogue import recipe_module
from digitflow.features.preparing import fit_recipe, transform_images
from digitflow.models.persistence import dump_model
from digitflow.studies.experiment import Experiment, Findings, Lab


def plan_features(recipe: str) -> Experiment:
    """Return the experiment that prepares a recipe; others name it in their `needs`.

    Raises
    ------
    InputError
        If there is no such recipe; it lists the known ones.
    """
    recipe_module(recipe)
    return Experiment(
        name=f"features {recipe}",
        function="digitflow.studies.features.prepare_features",
        params={"recipe": recipe},
    )


def prepare_features(lab: Lab, recipe: str) -> Findings:
    """Fit a recipe on all training images; store it and the features.

    Returns
    -------
    Findings
        arrays "train" and "test": float32 (n, d); models "recipe": the fitted steps.
    """
    fitted, train = fit_recipe(recipe, lab.train().images, lab.seed, lab.store, lab.threads)
    test = transform_images(fitted, lab.test().images, lab.store, lab.threads)
    return Findings(
        values={"recipe": recipe},
        arrays={"train": train, "test": test},
        models={"recipe": dump_model(fitted, lab.store)},
    )
