"""What is shipped when a model is promoted: all that predicting needs, as records.

The pipeline alone does not say when to reject its answers, nor how to tell that it still
predicts what it did when it was judged.
"""

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


class Golden(Record):
    """Samples and what a model predicted for them: it must repeat that wherever it is loaded.

    Attributes
    ----------
    samples : ArrayRef
        Samples, (k, ...).
    predictions : ArrayRef
        float64 (k, classes), computed as one batch in one thread.
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
        Golden images.
    labels_differ : int
        Images whose label came out otherwise.
    largest_difference : float
        Of any probability; NaN where nothing was predicted.
    memory_mb : float
        Peak resident memory of that process.
    error : str or None
        What stopped it.
    """

    exact: bool
    n: int
    labels_differ: int
    largest_difference: float
    memory_mb: float
    error: str | None = None

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
        The statistics' names.
    classes : int
        How many classes the model tells apart.
    statistics : ArrayRef
        float32 (m, s) of some training samples, a column each of `columns`.
    components : ArrayRef
        float32 (1 + c, d): the mean sample, then the principal components.
    projected : ArrayRef
        float32 (m, c): the same samples along the components.
    predicted : ArrayRef
        uint8 (k,): what the model read in the validation samples.
    confidence : ArrayRef
        float32 (k,): the probability of it.
    """

    columns: tuple[str, ...]
    classes: int
    statistics: ArrayRef
    components: ArrayRef
    projected: ArrayRef
    predicted: ArrayRef
    confidence: ArrayRef


class Signature(Record):
    """What a model takes and gives, each a dtype and a shape; -1 is any number of samples.

    `method` is the pipeline's that is called.
    """

    inputs: tuple[str, tuple[int, ...]]
    outputs: tuple[str, tuple[int, ...]]
    method: str


SIGNATURE = Signature(
    inputs=("uint8", (-1, 28, 28)), outputs=("float64", (-1, 10)), method="predict_proba"
)
"""Of every model of digits: images to the probabilities of 0 to 9."""


class ModelBundle(Record):
    """A model as it is judged, registered and loaded.

    Attributes
    ----------
    model : ModelRef
        A pipeline from samples (digits: uint8 images (n, 28, 28)) to probabilities.
    reject_option : RejectOption or None
        None where it was never chosen; then every answer counts as sure.
    golden : Golden
        What the model must repeat.
    reference : Reference or None
        None where nothing is compared with it.
    """

    model: ModelRef
    reject_option: RejectOption | None
    golden: Golden
    reference: Reference | None = None
