"""Is what was loaded sound? Compiled code trusts what these objects hold.

A file of allowed types only may still hold a tree whose branches lead nowhere: asked for
a prediction, scikit-learn would read beyond its memory, or never come back.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from digitflow.errors import InputError, list_some

_Rule = tuple[type, str, Callable[[Any], bool], str]
BINNED_BOOSTING = (
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting", "BaseHistGradientBoosting",
)  # fmt: skip
_LEAF = -1
_CHILDREN = ("left_child", "right_child")
_MERSENNE_NUMBERS = 624
_BITSET_WORDS = 8
_MOST_JOBS = 1024
_KERNELS = ("linear", "poly", "rbf", "sigmoid")
_METRICS = (
    "braycurtis", "canberra", "chebyshev", "cityblock", "cosine", "euclidean", "hamming", "l1",
    "l2", "manhattan", "minkowski", "nan_euclidean", "sqeuclidean",
)  # fmt: skip


def require_sound(model: Any) -> None:
    """Check all trees, support vector machines, neighbours, clusters, encoders and generators.

    Raises
    ------
    InputError
        If one holds what no fit can have left.
    """
    rules = _list_rules()
    found = (text for part in iterate_parts(model) for text in _find_wrong(part, rules))
    wrong = dict.fromkeys(found)
    if wrong:
        raise InputError(f"it holds what no training leaves: {list_some(wrong)}")


def iterate_parts(model: Any) -> Iterator[Any]:
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


def find_loaded(module: str, name: str) -> Any:
    """Return a class if its module was imported: else there can be no object of it."""
    return getattr(sys.modules.get(module), name, None)


def _list_rules() -> list[_Rule]:
    """Return types, an attribute that they have once they are fitted, and their checks.

    They are those of scikit-learn's that hand arrays which they were given in a file to
    compiled code that does not check them.
    """
    lost = "a tree whose branches lead nowhere"
    other = "a tree over other features than its own"
    boosted = "boosted trees whose branches lead nowhere"
    svm = "a support vector machine whose arrays don't fit each other"
    knn = "neighbours whose arrays don't fit each other"
    clusters = "clusters whose centres have other features than its own"
    encoder = "an encoder whose columns don't fit its categories"
    rules = (
        ("tree._tree", "Tree", "node_count", _is_sound_tree, lost),
        ("tree._classes", "BaseDecisionTree", "tree_", _fits_its_tree, other),
        ("ensemble._forest", "BaseForest", "estimators_", _is_sound_forest, other),
        ("ensemble._bagging", "BaseBagging", "estimators_", _is_sound_bagging, other),
        ("ensemble._gb", "BaseGradientBoosting", "estimators_", _is_sound_boosting, boosted),
        (BINNED_BOOSTING[0].removeprefix("sklearn."), BINNED_BOOSTING[1], "_predictors",
         _is_sound_binned_boosting, boosted),
        ("svm._base", "BaseLibSVM", "support_vectors_", _is_sound_svm, svm),
        ("neighbors._base", "NeighborsBase", "_fit_X", _are_sound_neighbours, knn),
        ("cluster._kmeans", "_BaseKMeans", "cluster_centers_", _are_sound_clusters, clusters),
        ("preprocessing._encoders", "OneHotEncoder", "categories_", _is_sound_encoder, encoder),
        ("base", "BaseEstimator", "n_jobs", _has_few_jobs, f"an `n_jobs` over {_MOST_JOBS:,}"),
    )  # fmt: skip
    generator = (np.random.RandomState, "get_state", _is_sound_generator,
                 "a generator past its end")  # fmt: skip
    kind = find_loaded("digitflow.models.estimators.cnn", "ConvolutionalNetwork")
    network = (kind, "filters_", lambda network: network.is_sound(),
               "a network whose arrays don't fit its images")  # fmt: skip
    return [generator, *([] if kind is None else [network])] + [
        (kind, learnt, is_sound, text)
        for module, name, learnt, is_sound, text in rules
        if (kind := find_loaded(f"sklearn.{module}", name)) is not None
    ]


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


def _is_sound_forest(forest: Any) -> bool:
    # It hands its trees what it has checked by the first of them.
    return all(_is_tree_over(tree, forest.n_features_in_) for tree in forest.estimators_)


def _is_sound_bagging(bagging: Any) -> bool:
    """Whether each estimator has as many features as are picked for it."""
    from sklearn.ensemble import IsolationForest

    parts, picked = bagging.estimators_, bagging.estimators_features_
    widths = [part.n_features_in_ for part in parts]
    whole = isinstance(bagging, IsolationForest) and (
        bagging._max_features == bagging.n_features_in_
    )
    return len(parts) == len(picked) and all(
        width == (bagging.n_features_in_ if whole else len(columns))
        for width, columns in zip(widths, picked, strict=True)
    )


def _is_tree_over(tree: Any, features: int) -> bool:
    from sklearn.tree import BaseDecisionTree

    return isinstance(tree, BaseDecisionTree) and tree.n_features_in_ == features


def _is_sound_boosting(boosting: Any) -> bool:
    """Whether all trees give one number, and there are as many as the columns they fill."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    trees, width = boosting.estimators_, boosting.n_features_in_
    first, each = boosting.init_, boosting.n_trees_per_iteration_
    if not (isinstance(first, DummyClassifier | DummyRegressor) or first == "zero"):
        return False  # what it would begin with can't be told without running it
    return (
        trees.ndim == 2
        and trees.shape[1] == each
        and all(_is_tree_over(tree, width) for tree in trees.ravel())
        and all(tree.tree_.n_outputs == 1 for tree in trees.ravel())
        and all(tree.tree_.max_n_classes == 1 for tree in trees.ravel())
        and boosting._raw_predict_init(np.zeros((1, width), np.float32)).shape == (1, each)
    )


def _is_sound_binned_boosting(boosting: Any) -> bool:
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    categorical, width = boosting._bin_mapper.is_categorical_, boosting.n_features_in_
    trees = [tree for trees in boosting._predictors for tree in trees]
    return (
        categorical.shape == (width,)
        and all(tree.nodes.dtype == PREDICTOR_RECORD_DTYPE for tree in trees)
        and all(_are_sound_nodes(tree, categorical) for tree in trees)
        and 1 <= boosting._bin_mapper.n_threads <= _MOST_JOBS
        and _keeps_its_width(boosting._preprocessor, width)
    )


def _are_sound_nodes(tree: Any, categorical: np.ndarray) -> bool:
    nodes = tree.nodes
    place, count = np.arange(len(nodes)), len(nodes)
    fine = [(place < nodes[side]) & (nodes[side] < count) for side in ("left", "right")]
    known = (nodes["feature_idx"] >= 0) & (nodes["feature_idx"] < len(categorical))
    by_category = nodes["is_categorical"] != 0
    feature = np.where(known, nodes["feature_idx"], 0)
    sets = tree.raw_left_cat_bitsets
    listed = (nodes["bitset_idx"] < len(sets)) & (categorical[feature] != 0)
    branch = fine[0] & fine[1] & known & (~by_category | listed)
    is_whole = sets.ndim == 2 and sets.shape[1] == _BITSET_WORDS
    return count > 0 and is_whole and bool(((nodes["is_leaf"] != 0) | branch).all())


def _keeps_its_width(preprocessor: Any, width: int) -> bool:
    """Whether what encodes categories before the trees gives as many columns as it takes."""
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

    if preprocessor is None:
        return True
    if type(preprocessor) is not ColumnTransformer:
        return False
    parts = [part for _, part, _ in preprocessor.transformers_]
    return (
        all(
            part in ("drop", "passthrough")
            or type(part) is OrdinalEncoder
            or (type(part) is FunctionTransformer and part.func is None)
            for part in parts
        )
        and preprocessor.n_features_in_ == width
        and preprocessor.transform(np.zeros((1, width))).shape == (1, width)
    )


def _is_sound_svm(svm: Any) -> bool:
    from sklearn.base import is_classifier

    vectors, width = svm.support_vectors_.shape
    classes = len(svm.classes_) if is_classifier(svm) else 2
    pairs = classes * (classes - 1) // 2
    shapes = {
        "support_": (vectors,),
        "_dual_coef_": (classes - 1, vectors),
        "_intercept_": (pairs,),
        "_n_support": (classes,),
    }
    counted = svm._n_support.sum() if is_classifier(svm) else svm._n_support[0]
    return (
        all(getattr(svm, name).shape == shape for name, shape in shapes.items())
        and bool((svm._n_support >= 0).all())
        and counted == vectors
        and svm._probA.shape in ((0,), (pairs,))
        and svm._probB.shape == svm._probA.shape
        and width == svm.n_features_in_ == svm.shape_fit_[1]
        and svm._impl == type(svm)._impl
        and svm.kernel in _KERNELS
        and not svm._sparse
    )


def _are_sound_neighbours(knn: Any) -> bool:
    count, width = knn._fit_X.shape
    return (
        width == knn.n_features_in_
        and count == knn.n_samples_fit_
        and (knn.n_neighbors is None or 1 <= knn.n_neighbors <= count)
        and knn._fit_method == "brute"
        and knn.effective_metric_ in _METRICS
        and set(knn.effective_metric_params_) <= {"p"}
        and _are_sound_targets(knn, count)
    )


def _are_sound_targets(knn: Any, count: int) -> bool:
    targets, classes = getattr(knn, "_y", None), getattr(knn, "classes_", None)
    if targets is None:
        return True
    if len(targets) != count:
        return False
    if classes is None or targets.ndim != 1:
        return True
    return bool(((targets >= 0) & (targets < len(classes))).all())


def _are_sound_clusters(clusters: Any) -> bool:
    centres = clusters.cluster_centers_
    return (
        centres.ndim == 2
        and centres.shape[1] == clusters.n_features_in_
        and 1 <= clusters._n_threads <= _MOST_JOBS
    )


def _is_sound_encoder(encoder: Any) -> bool:
    """Whether no category is given a column beyond those that are made."""
    categories, columns = encoder.categories_, encoder._n_features_outs
    nothing = [None] * len(categories)
    dropped = encoder._drop_idx_after_grouping
    mapped = encoder._default_to_infrequent_mappings if encoder._infrequent_enabled else nothing
    dropped = nothing if dropped is None else dropped
    return (
        len(categories) == len(columns) == len(mapped) == len(dropped)
        and len(categories) == encoder.n_features_in_
        and all(map(_are_sound_categories, categories, columns, mapped, dropped))
    )


def _are_sound_categories(known: np.ndarray, columns: int, mapped: Any, dropped: Any) -> bool:
    if known.dtype.kind not in "OUS":
        numbers = known[:-1] if len(known) and known[-1] != known[-1] else known
        if not (numbers[:-1] < numbers[1:]).all():
            return False  # they are searched by bisection
    count = len(known) if mapped is None else int(mapped.max()) + 1
    is_mapped = mapped is None or (len(mapped) == len(known) and mapped.min() >= 0)
    is_dropped = dropped is None or 0 <= dropped < count
    return is_mapped and is_dropped and columns >= count - (dropped is not None)


def _has_few_jobs(estimator: Any) -> bool:
    return estimator.n_jobs is None or abs(estimator.n_jobs) <= _MOST_JOBS


def _is_sound_generator(generator: Any) -> bool:
    return 0 <= generator.get_state(legacy=False)["state"]["pos"] <= _MERSENNE_NUMBERS
