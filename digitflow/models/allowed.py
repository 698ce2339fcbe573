"""What a model file may hold: the package's own list, by the loader that would make it.

skops trusts some two hundred estimators of scikit-learn; we trust those that models of
ours are made of, whose arrays are either used by numpy alone or checked in `soundness`.
"""

import importlib
import json
from collections.abc import Iterator
from typing import Any
from zipfile import ZIP_STORED, ZipFile

from digitflow.errors import InputError

OUR_ESTIMATORS = ("digitflow.features.", "digitflow.models.")
SCHEMA = "schema.json"
# A forest of a hundred trees has 1 MB of it.
MAX_SCHEMA_BYTES = 64 << 20
# Parts that occur more than once share one array in the file.
MAX_REPEATS = 8

_NUMBERS = frozenset(
    f"numpy.{name}"
    for name in ("bool", "bool_", "float32", "float64", "int32", "int64", "str_", "uint8")
)
TRUSTED_TYPES: dict[str, frozenset[str]] = {
    "DictNode": frozenset({"builtins.dict"}),
    "JsonNode": frozenset({"builtins.str"}),
    "ListNode": frozenset({"builtins.list"}),
    "LossNode": frozenset(
        {
            "sklearn._loss._loss.CyHalfBinomialLoss",
            "sklearn._loss._loss.CyHalfMultinomialLoss",
            "sklearn.linear_model._sgd_fast.Hinge",
            "sklearn.linear_model._sgd_fast.ModifiedHuber",
            "sklearn.linear_model._sgd_fast.SquaredHinge",
        }
    ),
    "NdArrayNode": _NUMBERS | {"numpy.ndarray"},
    "ObjectNode": frozenset(
        {
            "sklearn._loss.link.Interval",
            "sklearn._loss.link.MultinomialLogit",
            "sklearn._loss.loss.HalfMultinomialLoss",
            "sklearn.calibration.CalibratedClassifierCV",
            "sklearn.calibration._CalibratedClassifier",
            "sklearn.calibration._SigmoidCalibration",
            "sklearn.calibration._TemperatureScaling",
            "sklearn.decomposition._pca.PCA",
            "sklearn.dummy.DummyClassifier",
            "sklearn.ensemble._forest.ExtraTreesClassifier",
            "sklearn.ensemble._forest.RandomForestClassifier",
            "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
            "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
            "sklearn.frozen._frozen.FrozenEstimator",
            "sklearn.isotonic.IsotonicRegression",
            "sklearn.linear_model._logistic.LogisticRegression",
            "sklearn.linear_model._ridge.RidgeClassifier",
            "sklearn.linear_model._stochastic_gradient.SGDClassifier",
            "sklearn.model_selection._classification_threshold.FixedThresholdClassifier",
            "sklearn.naive_bayes.GaussianNB",
            "sklearn.neighbors._classification.KNeighborsClassifier",
            "sklearn.neural_network._multilayer_perceptron.MLPClassifier",
            "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
            "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
            "sklearn.pipeline.Pipeline",
            "sklearn.preprocessing._data.StandardScaler",
            "sklearn.preprocessing._label.LabelBinarizer",
            "sklearn.preprocessing._label.LabelEncoder",
            "sklearn.svm._classes.SVC",
            "sklearn.tree._classes.DecisionTreeClassifier",
            "sklearn.tree._classes.ExtraTreeClassifier",
        }
    ),
    "RandomStateNode": frozenset({"numpy.random.mtrand.RandomState"}),
    "TreeNode": frozenset({"sklearn.tree._tree.Tree"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "TypeNode": frozenset({f"builtins.{name}" for name in ("bool", "float", "int", "str")})
    | _NUMBERS,
}


def list_types(archive: ZipFile) -> tuple[list[str], list[str]]:
    """Return the types of a skops file: those on the list, and the others; nothing is made.

    Raises
    ------
    InputError
        If the file is packed such that reading it would take much more memory than it has.
    KeyError, TypeError, ValueError
        If it is no skops file.
    """
    sizes = _measure_members(archive)
    nodes = list(iterate_nodes(json.loads(archive.read(SCHEMA))))
    read = sum(sizes[node["file"]] for node in nodes if "file" in node)
    if read > MAX_REPEATS * sum(sizes.values()):
        raise InputError(f"it asks for its arrays again and again, {read:,} bytes in all")
    refused = {_name_type(node) for node in nodes if not _is_allowed(node)}
    return sorted({_name_type(node) for node in nodes} - refused), sorted(refused)


def iterate_nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield skops' nodes in the order of the document."""
    pending = [tree]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if "__loader__" in value:
                yield value
            pending.extend(reversed(list(value.values())))
        elif isinstance(value, list):
            pending.extend(reversed(value))


def _measure_members(archive: ZipFile) -> dict[str, int]:
    """Return the size of each member, as far as the file has as many bytes."""
    members = archive.infolist()
    if any(member.compress_type != ZIP_STORED for member in members):
        raise InputError("it is compressed; digitflow writes model files uncompressed")
    total = sum(member.file_size for member in members)
    if total > archive.fp.seek(0, 2):  # type: ignore[union-attr]
        raise InputError(f"it claims to hold {total:,} bytes, more than it has")
    sizes = {member.filename: member.file_size for member in members}
    if sizes[SCHEMA] > MAX_SCHEMA_BYTES:
        raise InputError(f"its {SCHEMA} has {sizes[SCHEMA]:,} bytes, over {MAX_SCHEMA_BYTES:,}")
    return sizes


def _name_type(node: dict[str, Any]) -> str:
    return f"{node['__module__']}.{node['__class__']}"


def _is_allowed(node: dict[str, Any]) -> bool:
    name, loader = _name_type(node), node["__loader__"]
    if name in TRUSTED_TYPES.get(loader, ()):
        return True
    return loader == "ObjectNode" and is_our_estimator(name)


def is_our_estimator(name: str) -> bool:
    """Tell whether a name is a class of ours, defined there, and an estimator.

    A function or an imported name would be called while loading, with arguments from the file.
    """
    from sklearn.base import BaseEstimator

    module, _, attribute = name.rpartition(".")
    if not module.startswith(OUR_ESTIMATORS):
        return False
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return False
    return (
        isinstance(found, type)
        and issubclass(found, BaseEstimator)
        and found.__module__ == module
    )
