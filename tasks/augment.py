"""Add altered copies to the training images, and to nothing else."""

import numpy as np

from digitflow.catalogue import BACKENDS
from digitflow.config.data import Augmentation
from digitflow.data.sets import ImageSet
from digitflow.store.references import ArrayRef
from tasks.caching import cached_task
from tasks.context import current_run


@cached_task(
    run_name="augment {settings.backend}",
    modules=lambda inputs: (BACKENDS.module(inputs["settings"].backend),),
)
def augment_images(train: ImageSet, settings: Augmentation, seed: int) -> ImageSet:
    """Write the images and their copies straight into the memory-mapped output."""
    module = BACKENDS.load(settings.backend)
    copies = module.count_copies(settings)
    store = current_run().store
    images = store.open_array(train.images)
    with store.new_array((copies * len(images), *images.shape[1:]), np.uint8) as pending:
        module.write_copies(images, settings, seed, pending.array)
    return ImageSet(
        images=pending.ref,
        labels=_repeat(train.labels, copies),
        writers=None if train.writers is None else _repeat(train.writers, copies),
        parents=store.put_array(np.tile(np.arange(len(images)), copies)),
    )


def _repeat(ref: ArrayRef, copies: int) -> ArrayRef:
    store = current_run().store
    return store.put_array(np.tile(store.open_array(ref), copies))
