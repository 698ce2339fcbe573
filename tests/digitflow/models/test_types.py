"""What a model file may hold: scikit-learn's own at once, a user's after a word of trust."""

import importlib
import inspect
import json
import pkgutil
import warnings
import zipfile

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, is_classifier
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestRegressor,
    StackingRegressor,
    VotingClassifier,
)  # fmt: skip
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    HuberRegressor,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    SGDRegressor,
)  # fmt: skip
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor, NearestCentroid
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)  # fmt: skip
from sklearn.svm import SVC, SVR, LinearSVR, NuSVC, OneClassSVM

from digitflow.errors import InputError
from digitflow.models.persistence import dump_model, load_model
from digitflow.models.types import SKLEARN_PACKAGES, is_known_estimator, list_types
from digitflow.project.code import read_code
from digitflow.project.importing import load_object

RANDOM = np.random.default_rng(0)
ROWS = np.abs(RANDOM.normal(size=(80, 5)))
ROWS[:, 4] = RANDOM.integers(0, 4, 80)
VALUES, CLASSES = ROWS @ np.arange(5.0) + 0.1, np.arange(80) % 3
FEW = {"n_estimators": 4, "random_state": 0}
LINEAR = [("a", LinearRegression()), ("b", KNeighborsRegressor(3, algorithm="brute"))]

MODELS = [
    LinearRegression(), LassoCV(cv=3), HuberRegressor(), PoissonRegressor(),
    SGDRegressor(loss="epsilon_insensitive"), SVR(), LinearSVR(), NuSVC(), OneClassSVM(),
    SVC(kernel="poly"), KNeighborsRegressor(algorithm="brute", weights="distance"),
    NearestCentroid(), RandomForestRegressor(**FEW), ExtraTreesRegressor(**FEW),
    GradientBoostingRegressor(**FEW, loss="huber"), GradientBoostingClassifier(**FEW),
    GradientBoostingRegressor(**FEW, init="zero"), AdaBoostRegressor(**FEW),
    AdaBoostClassifier(**FEW), BaggingRegressor(max_features=2, **FEW), IsolationForest(**FEW),
    HistGradientBoostingRegressor(max_iter=3, categorical_features=[4], max_features=0.5),
    HistGradientBoostingRegressor(max_iter=3, loss="quantile", quantile=0.5),
    HistGradientBoostingClassifier(max_iter=3), StackingRegressor(LINEAR, cv=3),
    VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())], voting="soft"),
    OneVsRestClassifier(LogisticRegression()), LinearDiscriminantAnalysis(),
    MLPRegressor(hidden_layer_sizes=(5,), max_iter=20, early_stopping=True),
    KernelRidge(kernel="rbf"),
    GaussianProcessRegressor(RBF() + WhiteKernel()),
    TransformedTargetRegressor(LinearRegression(), func=np.log1p, inverse_func=np.expm1),
    make_pipeline(
        ColumnTransformer(
            [("a", OneHotEncoder(min_frequency=3, handle_unknown="ignore"), [4]),
             ("b", FeatureUnion([("p", PCA(2)), ("q", PolynomialFeatures())]), [0, 1, 2]),
             ("c", make_pipeline(SimpleImputer(), FunctionTransformer(np.sqrt)), slice(0, 3))],
            remainder="passthrough",
        ),
        QuantileTransformer(n_quantiles=10), SelectKBest(f_regression, k=4),
        Nystroem(n_components=10),
        StandardScaler(), LinearRegression(),
    ),
    make_pipeline(KBinsDiscretizer(3, encode="onehot-dense"), TargetEncoder(cv=3), KMeans(3)),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def describe(model):
    return model.steps[-1][0] if hasattr(model, "steps") else type(model).__name__


@pytest.mark.parametrize("model", MODELS, ids=describe)
def test_what_scikit_learn_fits_is_stored_and_predicts_as_before(store, model):
    fitted = model.fit(ROWS, CLASSES if is_classifier(model) else VALUES)
    ref = dump_model(fitted, store)
    # How an array lies in memory may change the last bit of a sum.
    found, expected = load_model(ref, store).predict(ROWS), fitted.predict(ROWS)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert ref.trusted == ()


def test_all_estimators_are_made_alike_apart_from_those_we_know():
    # The rule of the module's docstring, of the scikit-learn that is installed.
    other = {
        "sklearn.linear_model._passive_aggressive.PassiveAggressiveClassifier",
        "sklearn.linear_model._passive_aggressive.PassiveAggressiveRegressor",
    }
    found = {f"{kind.__module__}.{kind.__name__}" for kind in _list_estimators()}
    assert len(found) > 200
    assert {name for name in found if not is_known_estimator(name)} == other


def _list_estimators():
    for package in SKLEARN_PACKAGES:
        root = importlib.import_module(f"sklearn.{package}")
        names = [
            f"{root.__name__}.{each.name}"
            for each in pkgutil.iter_modules(getattr(root, "__path__", []))
            if each.name != "tests"
        ]
        for module in map(importlib.import_module, [root.__name__, *names]):
            for kind in vars(module).values():
                is_estimator = inspect.isclass(kind) and issubclass(kind, BaseEstimator)
                if is_estimator and kind.__module__ == module.__name__:
                    yield kind


@pytest.mark.parametrize(
    "name",
    [
        "sklearn.base.clone",
        "sklearn.svm.SVC",  # not where it is defined
        "sklearn.feature_extraction.text.CountVectorizer",  # reads files
        "sklearn.datasets._openml.fetch_openml",
        "sklearn.linear_model._base.make_dataset",
        "sklearn.linear_model._no_such.Thing",
        "sklearn.svm.tests.test_svm.SVC",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearnish.svm.SVC",
        "os.system",
    ],
)
def test_nothing_else_of_scikit_learn_is_an_estimator(name):
    assert not is_known_estimator(name)


@pytest.mark.parametrize("name", ["sklearn.datasets.load_files", "numpy.load", "os.abort"])
def test_a_function_is_allowed_only_where_it_computes_and_does_nothing_else(tmp_path, name):
    module, _, function = name.rpartition(".")
    node = {"__class__": function, "__module__": module, "__loader__": "FunctionNode"}
    with zipfile.ZipFile(tmp_path / "f.skops", "w") as archive:
        archive.writestr("schema.json", json.dumps(node))
    with zipfile.ZipFile(tmp_path / "f.skops") as archive:
        assert list_types(archive) == ([], [], [name])
        assert list_types(archive, [name]) == ([name], [name], [])


def test_trees_of_neighbours_are_refused_with_what_to_set(store):
    knn = KNeighborsRegressor(algorithm="kd_tree").fit(ROWS, VALUES)
    with pytest.raises(InputError, match=r"holds .*KDTree.*set algorithm: brute"):
        dump_model(knn, store)


OWN = """
import my_units
from sklearn.base import BaseEstimator, RegressorMixin

class Scale:
    def __init__(self, factor):
        self.factor = factor

class Mean(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.scale_ = Scale(my_units.FACTOR)
        self.mean_ = float(y.mean())
        return self

    def predict(self, X):
        import numpy as np
        import my_units

        assert my_units.FACTOR == self.scale_.factor
        return np.full(len(X), self.mean_ * self.scale_.factor)

def halve(X):
    return X / 2
"""
TRUSTED = ("my_own.Mean", "my_own.Scale")


@pytest.fixture
def project(tmp_path):
    """A project's folder, and a function that reads and loads what it has now."""
    (tmp_path / "my_own.py").write_text(OWN)
    (tmp_path / "my_units.py").write_text("FACTOR = 2.0")

    def read(name):
        code = read_code(tmp_path, "my_own")
        return load_object(f"my_own:{name}", code), code

    return tmp_path, read


def test_a_users_own_type_is_stored_once_it_is_trusted_and_brings_its_code(store, project):
    _, read = project
    mean, code = read("Mean")
    fitted = make_pipeline(StandardScaler(), mean().fit(ROWS, VALUES))
    with pytest.raises(InputError, match=r"holds my_own.Mean, my_own.Scale, which nobody"):
        dump_model(fitted, store)
    with pytest.raises(InputError, match=r"holds my_own.Scale, which nobody"):
        dump_model(fitted, store, TRUSTED[:1], code)
    ref = dump_model(fitted, store, TRUSTED, code)
    assert ref.trusted == TRUSTED


def test_a_champion_keeps_its_code_beside_newer_code_of_the_same_name(store, project):
    folder, read = project
    old, code = read("Mean")
    first = dump_model(old().fit(ROWS, VALUES), store, TRUSTED, code)
    (folder / "my_units.py").write_text("FACTOR = 3.0")
    new, code = read("Mean")
    second = dump_model(new().fit(ROWS, VALUES), store, TRUSTED, code)
    for file in folder.glob("*.py"):
        file.unlink()
    loaded = [load_model(ref, store).predict(ROWS[:1])[0] for ref in (first, second)]
    np.testing.assert_allclose(loaded, VALUES.mean() * np.array([2.0, 3.0]))


def test_without_a_reference_that_trusts_it_nothing_of_the_code_is_run(store, project):
    folder, read = project
    marker = folder / "ran"
    mean, code = read("Mean")
    ref = dump_model(mean().fit(ROWS, VALUES), store, TRUSTED, code)
    sources = code.sources | {"my_own.py": f"open({str(marker)!r}, 'w')\n" + OWN}
    forged = dump_model(
        mean().fit(ROWS, VALUES), store, TRUSTED, code.model_copy(update={"sources": sources})
    )
    for source in (store.path_of(forged), forged.model_copy(update={"trusted": ()})):
        with pytest.raises(InputError, match=r"Mean, my_own.Scale. Nothing of it was run"):
            load_model(source, store)
    with pytest.raises(InputError, match=r"my_own.Scale. Nothing of it was run"):
        load_model(ref.model_copy(update={"trusted": TRUSTED[:1]}), store)
    assert not marker.exists()


def test_a_function_of_a_user_is_trusted_by_name_too(store, project):
    _, read = project
    halve, code = read("halve")
    ref = dump_model(FunctionTransformer(halve), store, ["my_own.halve"], code)
    np.testing.assert_array_equal(load_model(ref, store).transform(ROWS), ROWS / 2)


def test_the_version_of_scikit_learn_has_the_packages_that_are_listed():
    assert set(SKLEARN_PACKAGES) <= {*sklearn.__all__, "isotonic"}
