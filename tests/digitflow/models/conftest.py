"""A project with estimators and recipes of its own."""

import pytest
import yaml

from digitflow.config.reading import load_config

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
def configure(folder):
    """Read a config of one candidate from the project's folder."""

    def read(settings=(), **candidate):
        chosen = {"name": "mine", "estimator": "tree", "recipe": "pixels"} | candidate
        (folder / "config.yaml").write_text(
            yaml.safe_dump({"candidates": [chosen]} | dict(settings))
        )
        return load_config(folder / "config.yaml")

    return read
