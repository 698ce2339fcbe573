"""What the studies ask for: which digit is detected, how much is tried, on how many images."""

from pydantic import Field

from digitflow.config.section import Section


class StudySettings(Section):
    """Numbers of the studies that a user may want to change."""

    train_size: int | None = Field(
        None,
        ge=1,
        description="so many training images, every digit as often as in all; empty: all",
    )
    digit: int = Field(
        5, ge=0, le=9, description="the one that the detector tells from the rest"
    )
    precision: float = Field(
        0.9, gt=0, lt=1, description="of the detector; the threshold is chosen for it"
    )
    folds: int = Field(3, ge=2, le=20, description="of cross-validation")
    altered_images: int = Field(
        1000, ge=10, description="test images that are altered to see what algorithms stand"
    )
    augmented_size: int = Field(
        8000,
        ge=100,
        description="training images that get copies, in the comparison of backends",
    )
    search_size: int = Field(
        5000, ge=100, description="training images that combinations of parameters are tried on"
    )
