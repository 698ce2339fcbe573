"""What compiled code would read beyond, or never come back from, is refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from digitflow.errors import InputError
from digitflow.models.estimators.boosting import build
from digitflow.models.persistence import dump_model, load_model
from digitflow.models.soundness import require_sound

RANDOM = np.random.default_rng(0)
ROWS, LABELS = RANDOM.random((120, 5)), RANDOM.integers(0, 4, 120)


def fit(kind, **params):
    return kind(**params).fit(ROWS, LABELS)


def forge_tree(model, change):
    """Give a fitted tree what a crafted file would give it."""
    make, arguments, state = model.tree_.__reduce__()
    change(state)
    tree = make(*arguments)
    if state:
        tree.__setstate__(state)
    model.tree_ = tree
    return model


def set_nodes(field, value, place=0):
    def change(state):
        state["nodes"] = state["nodes"].copy()
        state["nodes"][field][place] = value

    return change


TREES = {
    "a feature there is none of": set_nodes("feature", 10**9),
    "a feature below the first": set_nodes("feature", -3),
    "a child beyond the last": set_nodes("left_child", 10**9),
    "a child before the first": set_nodes("right_child", -2),
    "a branch that leads back": set_nodes("left_child", 0),
    "half a leaf": set_nodes("left_child", -1),
    "no nodes": dict.clear,
}


@pytest.mark.parametrize("change", TREES.values(), ids=TREES.keys())
def test_a_tree_whose_branches_lead_nowhere_is_refused(store, tmp_path, change):
    forged = forge_tree(fit(DecisionTreeClassifier), change)
    skops.io.dump(forged, path := tmp_path / "tree.skops")
    with pytest.raises(InputError, match=r"not used: .*tree whose branches lead nowhere"):
        load_model(path, store)


def test_such_a_tree_would_have_ended_the_process(tmp_path):
    forged = forge_tree(fit(DecisionTreeClassifier), TREES["a feature there is none of"])
    skops.io.dump(forged, path := tmp_path / "tree.skops")
    code = (
        "import sys, skops.io, numpy as np; "
        "model = skops.io.load(sys.argv[1], trusted=['sklearn.tree._tree.Tree']); "
        "model.predict(np.zeros((5, 5)))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True)
    assert done.returncode < 0


def test_it_is_found_wherever_it_hides():
    forest = fit(RandomForestClassifier, n_estimators=5)
    forge_tree(forest.estimators_[3], set_nodes("feature", 10**9))
    hidden = make_pipeline(FrozenEstimator(forest))
    hidden.memory = None
    for model in (hidden, [(forest,)], {"a": np.array([forest, 1], dtype=object)}):
        with pytest.raises(InputError, match="branches lead nowhere"):
            require_sound(model)


def test_a_tree_over_other_features_than_its_estimator_is_refused():
    model = fit(DecisionTreeClassifier)
    model.n_features_in_ = 1
    with pytest.raises(InputError, match="over other features"):
        require_sound(model)


def cut(name, *place):
    def change(model):
        setattr(model, name, np.ascontiguousarray(getattr(model, name)[place]))

    return change


def put(name, value):
    return lambda model: setattr(model, name, value)


ALL = slice(None)
MACHINES = {
    "narrow vectors": cut("support_vectors_", ALL, slice(1)),
    "few vectors": cut("support_vectors_", slice(3)),
    "few weights": cut("_dual_coef_", ALL, slice(1)),
    "few intercepts": cut("_intercept_", slice(1)),
    "few counts": cut("_n_support", slice(1)),
    "wrong counts": put("_n_support", np.array([10**8] * 4, np.int32)),
    "negative counts": put("_n_support", np.array([-1, 1, 60, 60], np.int32)),
    "odd probabilities": put("_probA", np.zeros(2)),
    "other features": put("n_features_in_", 9),
    "another machine": put("_impl", "epsilon_svr"),
    "sparse": put("_sparse", True),
    "a kernel by places": put("kernel", "precomputed"),
}


@pytest.mark.parametrize("change", MACHINES.values(), ids=MACHINES.keys())
def test_a_support_vector_machine_of_other_shapes_is_refused(store, tmp_path, change):
    model = fit(SVC)
    change(model)
    skops.io.dump(model, path := tmp_path / "svc.skops")
    with pytest.raises(InputError, match="whose arrays don't fit each other"):
        load_model(path, store)


NEIGHBOURS = {
    "narrow rows": cut("_fit_X", ALL, slice(1)),
    "few rows": cut("_fit_X", slice(3)),
    "too many neighbours": put("n_neighbors", 10**6),
    "no neighbours": put("n_neighbors", 0),
    "a tree": put("_fit_method", "kd_tree"),
    "few labels": cut("_y", slice(3)),
    "a label there is none of": put("_y", np.full(120, 9)),
    "a distance of two features": put("effective_metric_", "haversine"),
    "a distance with arrays": put("effective_metric_params_", {"V": np.zeros(1)}),
}


@pytest.mark.parametrize("change", NEIGHBOURS.values(), ids=NEIGHBOURS.keys())
def test_neighbours_of_other_shapes_are_refused(store, tmp_path, change):
    model = fit(KNeighborsClassifier, algorithm="brute")
    change(model)
    skops.io.dump(model, path := tmp_path / "knn.skops")
    with pytest.raises(InputError, match="neighbours whose arrays don't fit each other"):
        load_model(path, store)


def test_a_generator_past_its_end_is_refused():
    generator = np.random.RandomState(0)
    state = generator.get_state(legacy=False)
    state["state"]["pos"] = 10**9
    generator.set_state(state)
    with pytest.raises(InputError, match="generator past its end"):
        require_sound([generator])


def test_what_a_model_lacks_is_an_error_when_it_is_loaded(store, tmp_path):
    model = fit(SVC)
    del model._n_support
    skops.io.dump(model, path := tmp_path / "svc.skops")
    with pytest.raises(InputError, match=r"no readable skops file \(AttributeError"):
        load_model(path, store)


@pytest.mark.parametrize(
    "model",
    [
        fit(DecisionTreeClassifier, max_depth=1),
        DecisionTreeClassifier().fit(ROWS, np.zeros(120)),
        fit(RandomForestClassifier, n_estimators=3),
        fit(SVC),
        SVC().fit(ROWS, LABELS > 1),
        fit(KNeighborsClassifier, algorithm="brute", metric="manhattan"),
        SVC(),
        np.random.RandomState(0),
    ],
)
def test_what_training_leaves_is_sound(model):
    require_sound(model)


def test_a_model_that_holds_itself_is_looked_at_once():
    parts = [fit(SVC)]
    parts.append(parts)
    require_sound(parts)


BOOSTED = {
    "a feature there is none of": ("feature_idx", 10**6),
    "a child beyond the last": ("left", 10**6),
    "a branch that leads back": ("right", 0),
    "a category": ("is_categorical", 1),
}


@pytest.fixture
def boosted():
    return build({"max_iter": 2, "min_samples_leaf": 5}, 0, 1).fit(ROWS, LABELS)


def test_boosted_trees_read_as_before(store, boosted):
    again = load_model(dump_model(boosted, store), store)
    assert (again.predict_proba(ROWS) == boosted.predict_proba(ROWS)).all()


@pytest.mark.parametrize(("field", "value"), BOOSTED.values(), ids=BOOSTED.keys())
def test_boosted_trees_whose_branches_lead_nowhere_are_refused(store, boosted, field, value):
    boosted._predictors[1][2].nodes[field][0] = value
    with pytest.raises(InputError, match="boosted trees whose branches lead nowhere"):
        load_model(dump_model(boosted, store), store)


def widen(model):
    """Fit a tree over more features than the model has."""
    wide = np.hstack([ROWS, ROWS])
    kind = DecisionTreeClassifier if len(model.classes_) else DecisionTreeRegressor
    return kind().fit(wide, LABELS)


def replace_tree(model):
    model.estimators_[1] = widen(model)


def forget_features(model):
    model.estimators_features_.pop()


WHOLES = {
    "a forest with a tree over more features": (
        RandomForestClassifier(5, random_state=0), replace_tree),
    "bagging with a tree over more features": (
        BaggingClassifier(n_estimators=3, random_state=0), replace_tree),
    "bagging with fewer choices than trees": (
        BaggingClassifier(n_estimators=3, random_state=0), forget_features),
    "boosting with fewer columns than trees": (
        GradientBoostingClassifier(n_estimators=2, random_state=0),
        put("n_trees_per_iteration_", 2)),
    "boosting that begins with fewer classes": (
        GradientBoostingClassifier(n_estimators=2, random_state=0),
        lambda model: put("class_prior_", np.array([0.5, 0.5]))(model.init_)),
    "boosting that begins with anything": (
        GradientBoostingClassifier(n_estimators=2, random_state=0),
        put("init_", DecisionTreeClassifier())),
    "machines of regression with few weights": (SVR(), cut("_dual_coef_", ALL, slice(3))),
    "machines of regression that are another": (SVR(), put("_impl", "c_svc")),
    "neighbours of regression with few values": (
        KNeighborsRegressor(algorithm="brute"), cut("_y", slice(3))),
    "clusters with narrow centres": (
        KMeans(3, random_state=0), cut("cluster_centers_", ALL, slice(2))),
    "more processes than there can be": (
        RandomForestClassifier(2, random_state=0), put("n_jobs", 10**9)),
}  # fmt: skip


@pytest.mark.parametrize(("model", "change"), WHOLES.values(), ids=WHOLES.keys())
def test_a_whole_whose_parts_do_not_fit_is_refused(model, change):
    model.fit(ROWS, LABELS)
    require_sound(model)
    change(model)
    with pytest.raises(InputError, match="it holds what no training leaves"):
        require_sound(model)


ENCODERS = {
    "too few columns": put("_n_features_outs", [1]),
    "too many categories": lambda one: put("categories_", [np.arange(9.0)])(one),
    "categories out of order": lambda one: put("categories_", [np.array([3.0, 1, 2, 0])])(one),
    "a drop there is none of": put("_drop_idx_after_grouping", np.array([7], object)),
    "a mapping beyond": lambda one: (
        put("_infrequent_enabled", True)(one),
        put("_default_to_infrequent_mappings", [np.array([0, 1, 2, 99])])(one)),
}  # fmt: skip


@pytest.mark.parametrize("change", ENCODERS.values(), ids=ENCODERS.keys())
def test_an_encoder_that_would_write_beyond_its_columns_is_refused(change):
    encoder = OneHotEncoder(sparse_output=False).fit(LABELS.reshape(-1, 1).astype(float))
    require_sound(encoder)
    change(encoder)
    with pytest.raises(InputError, match="columns don't fit its categories"):
        require_sound(encoder)


@pytest.fixture
def by_category():
    rows = np.column_stack([ROWS, LABELS])
    model = HistGradientBoostingRegressor(max_iter=3, categorical_features=[5])
    return model.fit(rows, LABELS**2.0), rows


def test_boosted_trees_with_categories_read_as_before(store, by_category):
    model, rows = by_category
    assert any(node["is_categorical"] for node in model._predictors[0][0].nodes)
    expected = model.predict(rows)
    again = load_model(dump_model(model, store), store)
    np.testing.assert_array_equal(again.predict(rows), expected)


CATEGORIES = {
    "a set there is none of": lambda model, tree: tree.nodes["bitset_idx"].fill(99),
    "no sets": lambda model, tree: put("raw_left_cat_bitsets", np.zeros((0, 8), "u4"))(tree),
    "narrow sets": lambda model, tree: put(
        "raw_left_cat_bitsets", np.zeros((9, 2), "u4"))(tree),
    "a number for a category": lambda model, tree: put(
        "is_categorical_", np.zeros(6, np.uint8))(model._bin_mapper),
    "fewer features": lambda model, tree: put(
        "is_categorical_", np.ones(2, np.uint8))(model._bin_mapper),
    "another encoder": lambda model, tree: put("_preprocessor", OneHotEncoder())(model),
}  # fmt: skip


@pytest.mark.parametrize("change", CATEGORIES.values(), ids=CATEGORIES.keys())
def test_boosted_trees_with_other_categories_are_refused(store, by_category, change):
    model, _ = by_category
    dump_model(model, store)  # takes out what only the fit needed
    require_sound(model)
    change(model, model._predictors[0][0])
    with pytest.raises(InputError, match="boosted trees whose branches lead nowhere"):
        require_sound(model)


def test_trees_of_isolation_see_as_many_features_as_they_are_given():
    forest = IsolationForest(n_estimators=3, max_features=2, random_state=0).fit(ROWS)
    require_sound(forest)
    forest._max_features = 5
    with pytest.raises(InputError, match="over other features"):
        require_sound(forest)


@pytest.mark.parametrize("rounds", [6, pytest.param(400, marks=pytest.mark.soak)])
def test_whatever_changes_in_a_file_no_process_is_lost(tmp_path, rounds):
    """Change shapes, numbers and settings at random; what is not refused must predict."""
    script = Path(__file__).with_name("fuzz_models.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path, str(rounds)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    tried, refused = map(int, done.stdout.splitlines()[-1].split())
    assert tried > refused > tried / 20
