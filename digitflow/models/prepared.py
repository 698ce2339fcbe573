"""A recipe that is fitted and kept, and the features of a run's images, for all candidates."""

from digitflow.features.preparing import fit_recipe, transform_images
from digitflow.models.persistence import dump_model
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, ModelRef, Record


class PreparedFeatures(Record):
    """A fitted recipe and its float32 features (n, d) for three sets of images."""

    recipe: ModelRef
    train: ArrayRef
    calibration: ArrayRef
    validation: ArrayRef


def prepare_recipe(
    store: Store,
    recipe: str,
    train: ArrayRef,
    calibration: ArrayRef,
    validation: ArrayRef,
    seed: int,
    threads: int = 1,
) -> PreparedFeatures:
    """Fit a recipe on the training images, uint8 (n, 28, 28), and transform all three sets."""
    fitted, features = fit_recipe(recipe, store.open_array(train), seed, store, threads)
    held = (store.open_array(ref) for ref in (calibration, validation))
    calibrating, validating = (transform_images(fitted, part, store, threads) for part in held)
    return PreparedFeatures(
        recipe=dump_model(fitted, store),
        train=features,
        calibration=calibrating,
        validation=validating,
    )
