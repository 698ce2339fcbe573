"""What is wrong with a candidate shows before there are data."""

import pytest

from digitflow.errors import InputError
from digitflow.models import checking
from digitflow.models.checking import check_candidates


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


def test_candidates_that_were_well_are_not_built_again_until_they_change(
    store, configure, monkeypatch
):
    built = []
    build = checking.build_estimator
    monkeypatch.setattr(
        checking, "build_estimator", lambda *given: built.append(given) or build(*given)
    )
    for depth in (3, 3, 4):
        check_candidates(configure(estimator="tree", params={"max_depth": depth}), store)
    assert [given[1] for given in built] == [{"max_depth": 3}, {"max_depth": 4}]
    with pytest.raises(InputError):
        check_candidates(configure(estimator="tree", params={"max_depth": "deep"}), store)
    with pytest.raises(InputError):
        check_candidates(configure(estimator="tree", params={"max_depth": "deep"}), store)
