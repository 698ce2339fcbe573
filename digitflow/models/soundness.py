"""Is what was loaded sound? Compiled code trusts what these objects hold.

A file of allowed types only may still hold a tree whose branches lead nowhere: asked for
a prediction, scikit-learn would read beyond its memory, or never come back.
"""

import importlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np

from digitflow.errors import InputError, list_some

_Rule = tuple[type, str, Callable[[Any], bool], str]
_LEAF = -1
_CHILDREN = ("left_child", "right_child")
_MERSENNE_NUMBERS = 624


def require_sound(model: Any) -> None:
    """Check all trees, support vector machines, neighbours and generators in a model.

    Raises
    ------
    InputError
        If one holds what no fit can have left.
    """
    rules = _list_rules()
    found = (text for part in _iterate_parts(model) for text in _find_wrong(part, rules))
    wrong = dict.fromkeys(found)
    if wrong:
        raise InputError(f"it holds what no training leaves: {list_some(wrong)}")


def _iterate_parts(model: Any) -> Iterator[Any]:
    """Yield the model and all that it holds, each once."""
    pending, seen = [model], dict[int, Any]()
    while pending:
        part = pending.pop()
        if id(part) in seen or isinstance(part, str | int | float | None):
            continue
        seen[id(part)] = part  # kept, so that no other part gets its id
        yield part
        if isinstance(part, dict):
            pending.extend(part.values())
        elif isinstance(part, list | tuple):
            pending.extend(part)
        elif isinstance(part, np.ndarray):
            pending.extend(part.ravel() if part.dtype == object else ())
        else:
            pending.extend(getattr(part, "__dict__", {}).values())


def _find_wrong(part: Any, rules: Sequence[_Rule]) -> Iterator[str]:
    """Yield what of one part can't be; where it lacks something, this raises."""
    for kind, learnt, is_sound, text in rules:
        # What was never fitted can't predict either, and says so.
        if isinstance(part, kind) and hasattr(part, learnt) and not is_sound(part):
            yield text


def _list_rules() -> tuple[_Rule, ...]:
    """Return types, an attribute that they have once they are fitted, and their checks."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC
    from sklearn.tree import BaseDecisionTree
    from sklearn.tree._tree import Tree

    svm = "a support vector machine whose arrays don't fit each other"
    knn = "neighbours whose arrays don't fit each other"
    return (
        (Tree, "node_count", _is_sound_tree, "a tree whose branches lead nowhere"),
        (BaseDecisionTree, "tree_", _fits_its_tree, "a tree over other features than its own"),
        (
            HistGradientBoostingClassifier,
            "_predictors",
            _is_sound_boosting,
            "boosted trees whose branches lead nowhere",
        ),
        (SVC, "support_vectors_", _is_sound_svc, svm),
        (KNeighborsClassifier, "_fit_X", _are_sound_neighbours, knn),
        (np.random.RandomState, "get_state", _is_sound_generator, "a generator past its end"),
    )


def _fits_its_tree(estimator: Any) -> bool:
    return bool(estimator.tree_.n_features == estimator.n_features_in_)


def _is_sound_tree(tree: Any) -> bool:
    # Before anything is read: the nodes' array is made from this count.
    if not 1 <= tree.node_count <= tree.capacity:
        return False
    nodes = tree.__getstate__()["nodes"]
    place, count = np.arange(len(nodes)), len(nodes)
    leaf = (nodes["left_child"] == _LEAF) & (nodes["right_child"] == _LEAF)
    # A branch leads forward, so that it ends.
    fine = [(place < nodes[side]) & (nodes[side] < count) for side in _CHILDREN]
    known = (nodes["feature"] >= 0) & (nodes["feature"] < tree.n_features)
    return bool((leaf | (fine[0] & fine[1] & known)).all())


def _is_sound_boosting(boosting: Any) -> bool:
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    mapper, width = boosting._bin_mapper, boosting.n_features_in_
    trees = [tree.nodes for trees in boosting._predictors for tree in trees]
    return (
        # Categories have tables of their own, which no recipe of ours needs.
        boosting.is_categorical_ is None
        and boosting._preprocessor is None
        and not mapper.is_categorical_.any()
        and all(nodes.dtype == PREDICTOR_RECORD_DTYPE for nodes in trees)
        and all(_are_sound_nodes(nodes, width) for nodes in trees)
    )


def _are_sound_nodes(nodes: np.ndarray, width: int) -> bool:
    place, count = np.arange(len(nodes)), len(nodes)
    fine = [(place < nodes[side]) & (nodes[side] < count) for side in ("left", "right")]
    known = (nodes["feature_idx"] >= 0) & (nodes["feature_idx"] < width)
    plain = nodes["is_categorical"] == 0
    branch = fine[0] & fine[1] & known & plain
    return count > 0 and bool(((nodes["is_leaf"] != 0) | branch).all())


def _is_sound_svc(svc: Any) -> bool:
    classes, (vectors, width) = len(svc.classes_), svc.support_vectors_.shape
    pairs = classes * (classes - 1) // 2
    shapes = {
        "support_": (vectors,),
        "_dual_coef_": (classes - 1, vectors),
        "_intercept_": (pairs,),
        "_n_support": (classes,),
    }
    return (
        all(getattr(svc, name).shape == shape for name, shape in shapes.items())
        and (svc._n_support >= 0).all()
        and svc._n_support.sum() == vectors
        and svc._probA.shape in ((0,), (pairs,))
        and svc._probB.shape == svc._probA.shape
        and width == svc.n_features_in_ == svc.shape_fit_[1]
        and svc._impl == "c_svc"
        and not svc._sparse
    )


def _are_sound_neighbours(knn: Any) -> bool:
    count, width = knn._fit_X.shape
    return (
        width == knn.n_features_in_
        and count == knn.n_samples_fit_
        and 1 <= knn.n_neighbors <= count
        and knn._fit_method == "brute"
        and set(knn.effective_metric_params_) <= {"p"}
    )


def _is_sound_generator(generator: Any) -> bool:
    return 0 <= generator.get_state(legacy=False)["state"]["pos"] <= _MERSENNE_NUMBERS


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
    "DTypeNode": frozenset({"numpy.dtype"}),
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
            "sklearn.compose._column_transformer.ColumnTransformer",
            "sklearn.compose._column_transformer.make_column_selector",
            "sklearn.decomposition._pca.PCA",
            "sklearn.dummy.DummyClassifier",
            "sklearn.ensemble._forest.ExtraTreesClassifier",
            "sklearn.ensemble._forest.RandomForestClassifier",
            "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
            "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
            "sklearn.frozen._frozen.FrozenEstimator",
            "sklearn.impute._base.SimpleImputer",
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
            "sklearn.preprocessing._data.MinMaxScaler",
            "sklearn.preprocessing._data.StandardScaler",
            "sklearn.preprocessing._encoders.OneHotEncoder",
            "sklearn.preprocessing._encoders.OrdinalEncoder",
            "sklearn.preprocessing._label.LabelBinarizer",
            "sklearn.preprocessing._label.LabelEncoder",
            "sklearn.svm._classes.SVC",
            "sklearn.tree._classes.DecisionTreeClassifier",
            "sklearn.tree._classes.ExtraTreeClassifier",
        }
    ),
    "RandomStateNode": frozenset({"numpy.random.mtrand.RandomState"}),
    "SliceNode": frozenset({"builtins.slice"}),
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
