"""Compute a recipe's features once, for every candidate that uses it."""

from digitflow.catalogue import RECIPES
from digitflow.features.preparing import fit_recipe, transform_images
from digitflow.models.persistence import dump_model
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, ModelRef, Record
from tasks.caching import cached_task
from tasks.context import current_run


class PreparedFeatures(Record):
    """A fitted recipe and its float32 features (n, d) for three sets of images."""

    recipe: ModelRef
    train: ArrayRef
    calibration: ArrayRef
    validation: ArrayRef


@cached_task(
    run_name="prepare {recipe} on {on}",
    modules=lambda inputs: (RECIPES.module(inputs["recipe"]),),
    ignore=("on",),
)
def prepare_recipe(
    recipe: str,
    on: str,
    train: ArrayRef,
    calibration: ArrayRef,
    validation: ArrayRef,
    seed: int,
) -> PreparedFeatures:
    """Fit a recipe on the training images and transform all three sets."""
    run = current_run()
    images = (train, calibration, validation)
    threads = run.workers.threads_each
    return run.workers.run(_prepare, run.store, recipe, images, seed, threads)


def _prepare(
    store: Store, recipe: str, images: tuple[ArrayRef, ...], seed: int, threads: int
) -> PreparedFeatures:
    train, *held = (store.open_array(ref) for ref in images)
    fitted, features = fit_recipe(recipe, train, seed, store, threads)
    calibration, validation = (transform_images(fitted, part, store, threads) for part in held)
    return PreparedFeatures(
        recipe=dump_model(fitted, store),
        train=features,
        calibration=calibration,
        validation=validation,
    )
