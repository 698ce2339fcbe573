"""Estimators and recipes by name or import path, checked before there are data."""

import pytest
import yaml
from sklearn.ensemble import HistGradientBoostingClassifier

from digitflow.catalogue import ESTIMATORS
from digitflow.config.reading import load_config
from digitflow.errors import CandidateFailed, InputError
from digitflow.features.preparing import build_steps
from digitflow.models import building
from digitflow.models.building import (
    EstimatorChoice,
    RecipeChoice,
    build_estimator,
    check_candidates,
    list_chosen,
)
from digitflow.project.code import read_code

PROMISED = {
    "logistic", "sgd", "knn", "tree", "forest", "extra_trees", "svm", "mlp", "nystroem",
    "boosting", "scratch_mlp", "scratch_softmax",
}  # fmt: skip


def test_an_estimator_is_a_module_that_defines_build():
    assert set(ESTIMATORS.names()) >= PROMISED
    assert "kernels" not in ESTIMATORS.names()


def test_an_estimator_has_the_dotted_name_of_its_module():
    assert ESTIMATORS.module("svm") == "digitflow.models.estimators.svm"


@pytest.mark.parametrize("name", ["kernels", "SVM", "", "bayes", "..catalogue"])
def test_an_unknown_estimator_lists_the_known_ones(name):
    with pytest.raises(InputError, match=r"known: boosting, extra_trees, forest, knn, .*tree"):
        ESTIMATORS.module(name)


@pytest.mark.parametrize("name", ESTIMATORS.names())
def test_the_seed_and_the_threads_reach_the_estimator(name):
    given = build_estimator(name, {}, 7, 2).get_params(deep=False)
    assert given.get("random_state", 7) == 7
    assert given.get("n_jobs") in (2, None)


@pytest.mark.parametrize("name", ["forest", "extra_trees", "knn", "sgd"])
def test_what_can_use_threads_gets_them(name):
    assert build_estimator(name, {}, 7, 2).n_jobs == 2


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("logistic", {"C": 3.0, "max_iter": 7}),
        ("sgd", {"alpha": 0.5}),
        ("knn", {"n_neighbors": 9}),
        ("tree", {"max_depth": 3}),
        ("forest", {"n_estimators": 5}),
        ("extra_trees", {"n_estimators": 6}),
        ("svm", {"C": 2.0, "gamma": 0.3}),
        ("mlp", {"hidden_layer_sizes": [12]}),
        ("nystroem", {"n_components": 50, "random_state": 1}),
    ],
)
def test_parameters_override_the_defaults(name, params):
    given = build_estimator(name, params, 7, 1).get_params(deep=False)
    assert {key: given[key] for key in params} == params


@pytest.mark.parametrize("name", ESTIMATORS.names())
def test_an_unknown_parameter_is_named_beside_the_accepted_ones(name):
    accepted = sorted(build_estimator(name, {}, 0, 1).get_params(deep=False))
    with pytest.raises(CandidateFailed, match=f"{name} takes no parameter 'colour'") as caught:
        build_estimator(name, {"colour": "red", accepted[0]: None}, 0, 1)
    assert all(parameter in str(caught.value) for parameter in accepted)


def test_the_given_parameters_are_not_changed():
    params = {"n_estimators": 5}
    build_estimator("forest", params, 0, 1)
    assert params == {"n_estimators": 5}


MODELS = """
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

chain = make_pipeline(StandardScaler(), RandomForestClassifier(max_depth=3))
seeded = RandomForestClassifier(random_state=5)

class Mine(RandomForestClassifier):
    def __init__(self, shade="dark", random_state=None):
        self.shade, self.random_state = shade, random_state

def build(params, seed, threads):
    return RandomForestClassifier(**{"n_estimators": 9} | params, warm_start=seed > 5)

def made(depth, leaf=2, seed=0):
    return RandomForestClassifier(max_depth=depth, min_samples_leaf=leaf, random_state=seed)

def line():
    return LinearRegression()

def nothing():
    return 3

def broken(params):
    return params["no-such"]
"""
FEATURES = """
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer

def flatten(seed):
    return [("flat", FunctionTransformer())]

def build_steps(seed, components=10):
    return [("flat", FunctionTransformer()), ("pca", PCA(components, random_state=seed))]

def no_steps(seed):
    return 7
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "my_models.py").write_text(MODELS)
    (folder / "my_features.py").write_text(FEATURES)
    return folder


@pytest.fixture
def make(folder):
    code = read_code(folder, "my_models")

    def build(name, params=(), seed=7, threads=2):
        mine = name.startswith("my_models")
        return build_estimator(name, dict(params), seed, threads, code if mine else None)

    return build


@pytest.fixture
def configure(folder):
    """Read a config of one candidate from the project's folder."""

    def read(settings=(), **candidate):
        chosen = {"name": "mine", "estimator": "tree", "recipe": "pixels"} | candidate
        (folder / "config.yaml").write_text(
            yaml.safe_dump({"candidates": [chosen]} | dict(settings))
        )
        return load_config(folder / "config.yaml")

    return read


def test_a_class_of_scikit_learn_gets_its_parameters_seed_and_threads(make):
    name = "sklearn.ensemble.HistGradientBoostingClassifier"
    boosting = make(name, {"max_iter": 3})
    assert type(boosting) is HistGradientBoostingClassifier
    assert (boosting.max_iter, boosting.random_state) == (3, 7)
    forest = make("sklearn.ensemble:RandomForestClassifier")
    assert (forest.random_state, forest.n_jobs) == (7, 2)


@pytest.mark.parametrize("name", ["my_models:chain", "my_models.chain"])
def test_an_unfitted_pipeline_is_copied_and_set_inside(make, name):
    params = {"randomforestclassifier__max_depth": 4}
    first, second = make(name, params), make(name)
    inner = first[-1]
    assert (inner.max_depth, inner.random_state, inner.n_jobs) == (4, 7, 2)
    assert second[-1].max_depth == 3


def test_a_function_that_takes_params_gets_them_as_they_are_with_seed_and_threads(make):
    forest = make("my_models:build", {"max_depth": 2})
    assert (forest.n_estimators, forest.max_depth, forest.warm_start) == (9, 2, True)
    assert (forest.random_state, forest.n_jobs) == (7, 2)


def test_a_function_may_name_its_parameters_itself(make):
    forest = make("my_models:made", {"depth": 3})
    assert (forest.max_depth, forest.min_samples_leaf, forest.random_state) == (3, 2, 7)


def test_what_params_or_the_module_set_is_left_alone(make):
    assert make("my_models:seeded").random_state == 5
    params = {"random_state": 1, "n_jobs": 1}
    forest = make("sklearn.ensemble.RandomForestClassifier", params)
    assert (forest.random_state, forest.n_jobs) == (1, 1)
    assert make("sklearn.linear_model.LogisticRegression").n_jobs is None


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        ("sklearn.ensemble.RandomForestClassifier", {"depth": 3}, "'depth'; it takes n_est"),
        ("my_models:made", {"depth": 3, "leaves": 2}, "'leaves'; it takes depth, leaf"),
        ("my_models:chain", {"pca__n": 1}, "'pca__n'; it takes memory, steps"),
        ("my_models:Mine", {"color": 1}, "'color'; it takes shade, random_state"),
        ("my_models:broken", {}, "my_models:broken can't be built: KeyError: 'no-such'"),
        ("my_models:made", {}, "missing 1 required positional argument: 'depth'"),
        ("sklearn.ensemble.VotingClassifier", {}, "missing 1 required .* 'estimators'"),
    ],
)
def test_parameters_that_do_not_fit_are_named_beside_the_known_ones(make, name, params, said):
    with pytest.raises(CandidateFailed, match=said):
        make(name, params)


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        ({"estimator": "my_models:biuld"}, "my_models has no 'biuld'; it has .*build"),
        ({"estimator": "my_modles:build"}, "there is no module my_modles"),
        ({"estimator": "my_models:nothing"}, "gives a int, which is no scikit-learn estimator"),
        ({"estimator": "my_models:line"}, "made for regression; the config's task is class"),
        ({"estimator": "sklearn.svm.SVR"}, "made for regression; the config's task is class"),
        ({"estimator": "sklearn.decomposition.PCA"}, "neither a classifier nor a regressor"),
        ({"estimator": "os.getcwd"}, "gives a str, which is no scikit-learn estimator"),
        ({"estimator": "os.sep"}, "os.sep is a str: neither"),
        ({"params": {"max_depth": 0}}, "'max_depth' parameter of DecisionTreeClassifier must"),
        (
            {"estimator": "my_models:chain",
             "params": {"randomforestclassifier__max_depth": "deep"}},
            "'max_depth' parameter of RandomForestClassifier must be .* Got 'deep'",
        ),
        ({"estimator": "svm", "params": {"C": -1}}, "The 'C' parameter of RbfSvm must be"),
        ({"estimator": "svm", "params": {"gamma": "auto"}}, "The 'gamma' parameter of RbfSvm"),
        ({"estimator": "nystroem", "params": {"n_components": -5}}, "The 'n_components' param"),
        ({"estimator": "nystroem", "params": {"alpha": -1}}, "The 'alpha' parameter of Nystr"),
        (
            {"estimator": "mlp", "params": {"hidden_layer_sizes": [0]}},
            "ValueError: hidden_layer_sizes must be > 0",
        ),
        (
            {"estimator": "sklearn.neural_network.MLPClassifier",
             "params": {"hidden_layer_sizes": [5, -1], "max_iter": 10**9}},
            "ValueError: hidden_layer_sizes must be > 0",
        ),
        (
            {"estimator": "logistic", "params": {"solver": "lbfgs", "l1_ratio": 1}},
            "ValueError: Solver lbfgs supports only",
        ),
        ({"recipe": "my_features:build"}, "my_features has no 'build'; it has .*build_steps"),
        ({"recipe": "my_features:no_steps"}, "must give a list of .name, transformer., got 7"),
        ({"recipe": "pca", "recipe_params": {"n": 3}}, "recipe pca .* argument 'n'"),
        (
            {"recipe": "my_features:build_steps", "recipe_params": {"components": -1}},
            "'n_components' parameter of PCA must be",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_candidate_shows_before_there_are_data(configure, candidate, said):
    with pytest.raises(InputError, match=f"(candidate mine: .*|^){said}"):
        check_candidates(configure(**candidate))


@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        ("knn", {"n_neighbors": 1000}),
        ("sklearn.neighbors.KNeighborsClassifier", {"n_neighbors": 1000}),
        ("nystroem", {"n_components": 10**6}),
        ("forest", {"min_samples_split": 500, "n_estimators": 10**6}),
        ("boosting", {"min_samples_leaf": 500, "max_iter": 10**6}),
        ("mlp", {"batch_size": 5000, "max_iter": 10**6}),
    ],
)
def test_what_only_suits_many_rows_is_not_refused_for_lack_of_them(
    configure, estimator, params
):
    check_candidates(configure(estimator=estimator, params=params))


def test_a_regressor_is_right_where_the_task_is_regression(configure):
    table = {
        "workload": "table",
        "task": "regression",
        "target": "y",
        "source": {"kind": "sklearn", "name": "diabetes"},
    }
    check_candidates(configure(table, estimator="my_models:line"))
    with pytest.raises(InputError, match=r"made for classification; .* task is regression"):
        check_candidates(configure(table))


def test_a_recipe_of_a_project_gets_seed_and_parameters(folder):
    code = read_code(folder, "my_features")
    (_, _flat), (_, pca) = build_steps("my_features:build_steps", 3, {"components": 5}, code)
    assert (pca.n_components, pca.random_state) == (5, 3)


def test_a_choice_knows_its_code_by_its_text(configure, folder):
    config = configure(estimator="my_models:build", recipe="my_features:build_steps")
    estimator = EstimatorChoice.from_candidate(config.candidates[0], config)
    recipe = RecipeChoice.from_candidate(config.candidates[0], config)
    assert estimator.code.sources == {"my_models.py": MODELS}
    assert recipe.code.sources == {"my_features.py": FEATURES}
    assert list_chosen(config) == [estimator.code, recipe.code]


def test_the_recipes_parameters_tell_two_apart(configure):
    for params, said in (({}, "pca"), ({"n": 3}, "pca(n=3)")):
        config = configure(recipe="pca", recipe_params=params)
        assert config.candidates[0].describe_recipe() == said


def test_candidates_that_were_well_are_not_built_again_until_they_change(
    store, configure, monkeypatch
):
    built = []
    build = building.build_estimator
    monkeypatch.setattr(
        building, "build_estimator", lambda *given: built.append(given) or build(*given)
    )
    for depth in (3, 3, 4):
        check_candidates(configure(estimator="tree", params={"max_depth": depth}), store)
    assert [given[1] for given in built] == [{"max_depth": 3}, {"max_depth": 4}]
    with pytest.raises(InputError):
        check_candidates(configure(estimator="tree", params={"max_depth": "deep"}), store)
    with pytest.raises(InputError):
        check_candidates(configure(estimator="tree", params={"max_depth": "deep"}), store)
