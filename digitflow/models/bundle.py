"""What is shipped when a model is promoted: all that predicting needs, as records.

The pipeline alone does not say when to reject its answers, nor how to tell that it still
predicts what it did when it was judged.
"""

from typing import Literal

from digitflow.data.facts import TableFacts
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, ModelRef, Record


class RejectOption(Record):
    """When a prediction is `unsure` or `not a digit`, chosen on the validation images.

    Attributes
    ----------
    coverage : float
        The share of the validation images that is to be answered, 0 to 1.
    min_probability : float
        A highest probability below this is `unsure`.
    risk : float
        Share of wrong answers among those validation images that are answered.
    detector : ModelRef or None
        An `OutlierDetector` over the features of the pipeline's recipe; None where there
        is none, and then nothing is called `not a digit`.
    max_outlier_score : float
        An outlier score above this is `not a digit`.
    """

    coverage: float
    min_probability: float
    risk: float
    detector: ModelRef | None
    max_outlier_score: float


class PredictionIntervals(Record):
    """How far true values may be from predicted ones, chosen on held-out rows.

    Attributes
    ----------
    coverage : float
        The share of new rows whose true value is to be within, 0 to 1.
    scale : str
        Whether the half width is `factor` itself ("absolute") or that share of the predicted
        value ("relative").
    factor : float
    mean_width : float
        Of the intervals on those rows, in the target's unit.
    n : int
        Rows that they were chosen on.
    """

    coverage: float
    scale: Literal["absolute", "relative"]
    factor: float
    mean_width: float
    n: int


class Golden(Record):
    """Samples and what a model predicted for them: it must repeat that wherever it is loaded.

    Attributes
    ----------
    samples : ArrayRef
        Samples, (k, ...).
    predictions : ArrayRef
        float64 (k, classes) or (k,), computed as one batch in one thread.
    libraries : dict of str to str
        Versions of Python and of the libraries behind the numbers.
    machine : str
        Kind of processor; the same one repeats the numbers to the bit.
    """

    samples: ArrayRef
    predictions: ArrayRef
    libraries: dict[str, str]
    machine: str


class LoadCheck(Record):
    """Whether a fresh process loaded a model and repeated its golden predictions.

    Attributes
    ----------
    exact : bool
        Whether it had to be to the bit: same kind of processor, same versions.
    n : int
        Golden samples.
    labels_differ : int
        Samples whose label came out otherwise.
    largest_difference : float
        Of any probability; of values as a share of them. NaN where nothing was predicted.
    memory_mb : float
        Peak resident memory of that process.
    error : str or None
        What stopped it.
    trusted : tuple of str
        What the model holds beside scikit-learn's types and ours, because its config says so.
    """

    exact: bool
    n: int
    labels_differ: int
    largest_difference: float
    memory_mb: float
    error: str | None = None
    trusted: tuple[str, ...] = ()

    @property
    def repeated(self) -> bool:
        """Tell whether it did; probabilities elsewhere may differ by 1e-6."""
        allowed = 0.0 if self.exact else 1e-6
        same = self.labels_differ == 0 and self.largest_difference <= allowed
        return self.error is None and self.n > 0 and same


class Reference(Record):
    """What a model learnt from and how it read: later samples are compared with it.

    Attributes
    ----------
    columns : tuple of str
        The statistics' names; of a table its columns.
    categories : tuple of tuple of str
        Of each column what its values stand for; empty where they are numbers.
    classes : int
        How many classes the model tells apart; 0 where it predicts values.
    statistics : ArrayRef
        float32 (m, s) of some training samples, a column each of `columns`; NaN where a cell
        is missing.
    predicted : ArrayRef
        float64 (k,): the class, or the value, that the model predicted for the validation
        samples.
    confidence : ArrayRef or None
        float32 (k,): the probability of a class; None for values.
    components : ArrayRef or None
        Of images: float32 (1 + c, d): the mean sample, then the principal components.
    projected : ArrayRef or None
        Of images: float32 (m, c): the same samples along the components.
    """

    columns: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    classes: int
    statistics: ArrayRef
    predicted: ArrayRef
    confidence: ArrayRef | None = None
    components: ArrayRef | None = None
    projected: ArrayRef | None = None


class Signature(Record):
    """What a model takes and gives, each a dtype and a shape; -1 is any number of samples.

    `method` is the pipeline's that is called; `columns` are names and dtypes of a table's.
    """

    inputs: tuple[str, tuple[int, ...]]
    outputs: tuple[str, tuple[int, ...]]
    method: str
    columns: tuple[tuple[str, str], ...] = ()


def describe_signature(store: Store, golden: Golden) -> Signature:
    """Return what a model takes and gives, as its golden samples and predictions show."""
    samples, predictions = golden.samples, golden.predictions
    fields = dict(store.open_array(samples).dtype.fields or {})
    return Signature(
        inputs=(samples.dtype, (-1, *samples.shape[1:])),
        outputs=(predictions.dtype, (-1, *predictions.shape[1:])),
        method="predict" if len(predictions.shape) == 1 else "predict_proba",
        columns=tuple((name, str(field[0])) for name, field in fields.items()),
    )


class ModelBundle(Record):
    """A model as it is judged, registered and loaded.

    Attributes
    ----------
    model : ModelRef
        A pipeline from samples (digits: uint8 images (n, 28, 28)) to predictions.
    reject_option : RejectOption or None
        None where it was never chosen; then every answer counts as sure.
    golden : Golden
        What the model must repeat.
    reference : Reference or None
        None where nothing is compared with it.
    intervals : PredictionIntervals or None
        Of a regression; None where they were never chosen.
    table : TableFacts or None
        Of a model that takes rows of a table; None where it takes images.
    """

    model: ModelRef
    reject_option: RejectOption | None = None
    golden: Golden
    reference: Reference | None = None
    intervals: PredictionIntervals | None = None
    table: TableFacts | None = None

    @property
    def workload(self) -> Literal["digits", "table"]:
        """What the model takes: images of digits, or rows of a table."""
        return "digits" if self.table is None else "table"
