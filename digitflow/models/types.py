"""Which types a model file may hold, decided before anything of it is constructed.

skops makes an object in one of few ways, by its node's loader. An `ObjectNode` of class C is
`C.__new__(C)`, then `__setstate__` with the attributes, which are nodes themselves; where C is
an estimator of scikit-learn, both are `object`'s and `BaseEstimator`'s, and the latter only
puts the attributes into `__dict__`. So making such an object runs nothing of the file's
choice, whatever the attributes, and the rule need not list classes: `_is_plain_estimator` says
what one is, and a class that brings a `__new__`, `__setstate__` or the like of its own falls
out of it, in whatever version of scikit-learn.

Using it later calls scikit-learn's methods, and whatever callables its attributes hold. Those
can only be what other nodes may make: ufuncs of numpy, scikit-learn's own scores of features,
and functions and classes that the user trusts by name. No `MethodNode`, `PartialNode` or
`OperatorFuncNode` is ever allowed, nor a type that is made by calling it with arguments of the
file (`ConstructorFromReduceNode`), nor KD trees and ball trees, whose arrays are their own.

What compiled code then reads of these objects' arrays is the business of `soundness`.
"""

import importlib
import json
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from typing import Any
from zipfile import ZIP_STORED, ZipFile

from digitflow.errors import InputError

SCHEMA = "schema.json"
# A forest of a hundred trees has 1 MB of it.
MAX_SCHEMA_BYTES = 64 << 20
# Parts that occur more than once share one array in the file.
MAX_REPEATS = 8

OUR_ESTIMATORS = ("digitflow.features.", "digitflow.models.")
# Left out: what reads files by the names that it is given (feature_extraction, datasets), and
# what predicts nothing.
SKLEARN_PACKAGES = (
    "calibration", "cluster", "compose", "covariance", "cross_decomposition", "decomposition",
    "discriminant_analysis", "dummy", "ensemble", "feature_selection", "frozen",
    "gaussian_process", "impute", "isotonic", "kernel_approximation", "kernel_ridge",
    "linear_model", "mixture", "model_selection", "multiclass", "multioutput", "naive_bayes",
    "neighbors", "neural_network", "pipeline", "preprocessing", "random_projection",
    "semi_supervised", "svm", "tree",
)  # fmt: skip
# It makes its interpolation anew from its thresholds, with scipy's checks.
_REVIEWED = frozenset({"sklearn.isotonic.IsotonicRegression"})
# Where a user's own types may stand: as objects, functions, and types.
_TRUSTABLE = ("ObjectNode", "FunctionNode", "TypeNode")

_NUMBERS = frozenset(
    f"numpy.{name}"
    for name in (
        "bool", "bool_", "float16", "float32", "float64", "int8", "int16", "int32", "int64",
        "str_", "uint8", "uint16", "uint32", "uint64",
    )
)  # fmt: skip
_LOSSES = (
    "CyAbsoluteError", "CyExponentialLoss", "CyHalfBinomialLoss", "CyHalfGammaLoss",
    "CyHalfMultinomialLoss", "CyHalfPoissonLoss", "CyHalfSquaredError", "CyHalfTweedieLoss",
    "CyHalfTweedieLossIdentity", "CyHuberLoss", "CyPinballLoss",
)  # fmt: skip
_SGD_LOSSES = (
    "EpsilonInsensitive", "Hinge", "ModifiedHuber", "SquaredEpsilonInsensitive", "SquaredHinge",
)  # fmt: skip
_SCORES = ("chi2", "f_classif", "f_oneway", "f_regression", "r_regression")
TRUSTED_TYPES: dict[str, frozenset[str]] = {
    "DTypeNode": frozenset({"numpy.dtype"}),
    "DictNode": frozenset({"builtins.dict", "sklearn.utils._bunch.Bunch"}),
    "FunctionNode": frozenset(
        f"sklearn.feature_selection._univariate_selection.{name}" for name in _SCORES
    ),
    "JsonNode": frozenset({"builtins.str"}),
    "ListNode": frozenset({"builtins.list"}),
    "LossNode": frozenset(f"sklearn._loss._loss.{name}" for name in _LOSSES)
    | frozenset(f"sklearn.linear_model._sgd_fast.{name}" for name in _SGD_LOSSES),
    "NdArrayNode": _NUMBERS | {"numpy.ndarray"},
    # Plain classes beside the estimators, which have `object`'s way of being made too.
    "ObjectNode": frozenset(
        {
            "sklearn.calibration._CalibratedClassifier",
            "sklearn.compose._column_transformer.make_column_selector",
            "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
            "sklearn.linear_model._linear_loss.LinearModelLoss",
            "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
            "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        }
    ),
    "RandomStateNode": frozenset({"numpy.random.mtrand.RandomState"}),
    "SliceNode": frozenset({"builtins.slice"}),
    "TreeNode": frozenset({"sklearn.tree._tree.Tree"}),
    "TupleNode": frozenset({"builtins.tuple", "sklearn.impute._iterative._ImputerTriplet"}),
    "TypeNode": frozenset({f"builtins.{name}" for name in ("bool", "float", "int", "str")})
    | _NUMBERS,
}


def list_types(
    archive: ZipFile, trusted: Collection[str] = ()
) -> tuple[list[str], list[str], list[str]]:
    """Return the types of a skops file: all that are allowed, those of them that only
    `trusted` allows, and the others; nothing is made.

    Parameters
    ----------
    archive : ZipFile
        The file.
    trusted : collection of str
        Types and functions that a user trusts: "my_models.Wrapper".

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
    found = {(node["__loader__"], _name_type(node)) for node in nodes}
    foreign = {each for each in found if not _is_allowed(*each)}
    lent = {name for loader, name in foreign if name in trusted and loader in _TRUSTABLE}
    refused = {name for loader, name in foreign if name not in lent or loader not in _TRUSTABLE}
    return sorted({name for _, name in found} - refused), sorted(lent), sorted(refused)


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


def _is_allowed(loader: str, name: str) -> bool:
    if name in TRUSTED_TYPES.get(loader, ()):
        return True
    if loader == "FunctionNode":
        return _is_ufunc(name)
    return loader == "ObjectNode" and _is_plain(name)


def _is_plain(name: str) -> bool:
    return is_our_estimator(name) or is_known_estimator(name) or _is_known_part(name)


def is_our_estimator(name: str) -> bool:
    """Tell whether a name is a class of ours, defined there, and an estimator.

    A function or an imported name would be called while loading, with arguments from the file.
    """
    return name.startswith(OUR_ESTIMATORS) and _check_class(name, _is_estimator)


def is_known_estimator(name: str) -> bool:
    """Tell whether a name is an estimator of scikit-learn's that is made as all of them are."""
    package, _, rest = name.removeprefix("sklearn.").partition(".")
    if not name.startswith("sklearn.") or package not in SKLEARN_PACKAGES or "tests" in rest:
        return False
    return name in _REVIEWED or _check_class(name, _is_plain_estimator)


def _is_known_part(name: str) -> bool:
    """Tell whether it is a loss or its link function, or a kernel of a Gaussian process."""
    module = name.rpartition(".")[0]
    if module in ("sklearn._loss.link", "sklearn._loss.loss"):
        return _check_class(name, _is_plain_class)
    return module == "sklearn.gaussian_process.kernels" and _check_class(name, _is_kernel)


@lru_cache(maxsize=4096)
def _check_class(name: str, is_fine: Callable[[Any], bool]) -> bool:
    """Tell whether a name is of a class that is defined there, and fine."""
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return False
    return isinstance(found, type) and found.__module__ == module and is_fine(found)


def _is_estimator(kind: type) -> bool:
    from sklearn.base import BaseEstimator

    return issubclass(kind, BaseEstimator)


def _is_plain_estimator(kind: Any) -> bool:
    """Tell whether nothing of its own runs when it is made from attributes."""
    from sklearn.base import BaseEstimator

    return (
        _is_estimator(kind)
        and kind.__new__ is object.__new__
        and kind.__setstate__ is BaseEstimator.__setstate__
        and _has_plain_attributes(kind)
    )


def _is_plain_class(kind: Any) -> bool:
    return (
        kind.__new__ is object.__new__
        # A frozen dataclass with slots sets its fields, and no more.
        and (not hasattr(kind, "__setstate__") or hasattr(kind, "__dataclass_fields__"))
        and (_has_plain_attributes(kind) or hasattr(kind, "__dataclass_fields__"))
    )


def _is_kernel(kind: type) -> bool:
    from sklearn.gaussian_process.kernels import Kernel

    return issubclass(kind, Kernel) and _is_plain_class(kind)


def _has_plain_attributes(kind: Any) -> bool:
    return kind.__setattr__ is object.__setattr__ and not hasattr(kind, "__del__")


def _is_ufunc(name: str) -> bool:
    """Tell whether it is a ufunc of numpy, which computes and does nothing else."""
    import numpy as np

    module, _, attribute = name.rpartition(".")
    return module == "numpy" and isinstance(getattr(np, attribute, None), np.ufunc)
