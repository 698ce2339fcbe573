"""What is particular to a kind of data, as the flows ask for it: digits, tables."""

from collections.abc import Callable
from typing import Protocol

from prefect.futures import PrefectFuture

from digitflow.config.digits import DigitsConfig
from digitflow.config.table import ClassificationConfig, RegressionConfig
from digitflow.config.training import TrainConfig
from digitflow.data.sets import PreparedData, SampleSet
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.scoring import Winner
from digitflow.feedback.learning import Corrections
from digitflow.models.bundle import ModelBundle
from digitflow.models.fitting import FittedModel, PreparedFeatures
from digitflow.reports.pictures import Figures
from tasks.digits import DigitsWorkload
from tasks.tables import TableWorkload


class Workload(Protocol):
    """The steps of a training that differ from one kind of data to another."""

    def prepare(self) -> PreparedData:
        """Ingest, validate and split."""

    def learn(self, data: PreparedData, corrections: Corrections) -> PreparedData:
        """Add to the training samples what people said."""

    def augment(self, data: PreparedData) -> PreparedData:
        """Add altered copies, where the config wants some."""

    def find_feedback(self, data: PreparedData, corrections: Corrections) -> SampleSet | None:
        """Return what people said that nothing learnt from: the gate judges by it."""

    def complete(
        self,
        winner: Winner,
        fitted: FittedModel,
        prepared: PreparedFeatures,
        train: SampleSet,
        data: PreparedData,
    ) -> ModelBundle:
        """Add to a fitted pipeline all that predicting with it needs.

        `prepared.train` are the features of the samples `train`; of a blend, its first part's.
        """

    def draw(self, data: PreparedData, winner: Winner) -> PrefectFuture[Figures]:
        """Start to draw the pictures of the report."""

    def start_others(self) -> Callable[[ModelBundle], dict[str, Share]]:
        """Start to make what the model is tried on for the report alone."""


def choose_workload(config: TrainConfig) -> Workload:
    """Return the steps that a config is about."""
    if isinstance(config, DigitsConfig):
        return DigitsWorkload(config)
    if isinstance(config, RegressionConfig | ClassificationConfig):
        return TableWorkload(config)
    raise TypeError(f"no workload has a config of type {type(config).__name__}")
