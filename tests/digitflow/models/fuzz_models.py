"""Change stored models at random, load them, and let what loads predict.

Run by test_soundness.py in a process of its own, which a crash would end:
`python fuzz_models.py FOLDER ROUNDS`. Prints how many files were tried and how many refused.
"""

import faulthandler
import io
import json
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)  # fmt: skip
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier

from digitflow.errors import InputError
from digitflow.models.persistence import dump_model, load_model
from digitflow.models.types import iterate_nodes
from digitflow.store.artifacts import Store

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.random((60, 4)).round(1)
ROWS[:, 3] = RANDOM.integers(0, 4, 60)
LABELS = np.arange(60) % 3
FEW = {"n_estimators": 3, "random_state": 0}
MODELS = [
    DecisionTreeClassifier(max_depth=3), RandomForestClassifier(**FEW),
    ExtraTreesRegressor(**FEW), BaggingRegressor(max_features=2, **FEW),
    IsolationForest(**FEW), GradientBoostingClassifier(**FEW),
    HistGradientBoostingRegressor(max_iter=2, categorical_features=[3], min_samples_leaf=5),
    SVC(), SVR(), KNeighborsClassifier(algorithm="brute"), KMeans(3, n_init=1),
    KNeighborsRegressor(algorithm="brute"), GaussianNB(),
    make_pipeline(
        OneHotEncoder(handle_unknown="ignore", sparse_output=False), LogisticRegression()
    ),
]  # fmt: skip
NUMBERS = (-1, 0, 1, 2, 7, 10**4, 2**31 - 1, 2**40)


def change_array(array: np.ndarray) -> np.ndarray:
    """Return an array of another shape, or with one other number."""
    if array.dtype.names:
        changed = array.copy()
        field = RANDOM.choice(array.dtype.names)
        if changed.size and changed[field].dtype.kind in "iu":
            flat = changed[field].reshape(-1)
            flat[RANDOM.integers(len(flat))] = np.array(RANDOM.choice(NUMBERS)).astype(
                flat.dtype
            )
        return changed
    if RANDOM.random() < 0.5 and array.ndim:
        axis = int(RANDOM.integers(array.ndim))
        length = int(RANDOM.integers(0, array.shape[axis] + 1))
        kept = np.take(array, range(length), axis)
        return kept if RANDOM.random() < 0.5 else np.concatenate([array, kept], axis)
    changed = array.copy()
    if changed.size and changed.dtype.kind in "iuf":
        number = np.array(RANDOM.choice(NUMBERS)).astype(changed.dtype)
        changed.reshape(-1)[RANDOM.integers(changed.size)] = number
    return changed


def change_member(content: bytes) -> bytes:
    """Return a changed member of a file."""
    buffer = io.BytesIO()
    np.save(buffer, change_array(np.load(io.BytesIO(content))))
    return buffer.getvalue()


def change_setting(schema: dict) -> None:
    """Change a number, or exchange the values of two attributes."""
    nodes = [
        node for node in iterate_nodes(schema)
        if node["__loader__"] == "JsonNode" and node["content"].lstrip("-").isdigit()
    ]  # fmt: skip
    attributes = [
        node["content"] for node in iterate_nodes(schema)
        if node["__loader__"] == "DictNode" and len(node["content"]) > 3
    ]  # fmt: skip
    if RANDOM.random() < 0.6 and nodes:
        nodes[RANDOM.integers(len(nodes))]["content"] = str(RANDOM.choice(NUMBERS))
    elif attributes:
        chosen = attributes[RANDOM.integers(len(attributes))]
        one, other = RANDOM.choice(list(chosen), 2, replace=False)
        chosen[one], chosen[other] = chosen[other], chosen[one]


def forge(path: Path, target: Path) -> None:
    """Write a changed copy of a model's file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members.pop("schema.json"))
    if members and RANDOM.random() < 0.7:
        name = str(RANDOM.choice(list(members)))
        members[name] = change_member(members[name])
    else:
        change_setting(schema)
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
        for name, content in members.items():
            archive.writestr(name, content)


def try_file(path: Path, store: Store) -> bool:
    """Load a file and let it predict; tell whether it was refused."""
    try:
        model = load_model(path, store)
    except InputError:
        return True
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        try:
            getattr(model, method, len)(ROWS)
        except Exception:  # whatever Python can say of it is fine
            continue
    return False


def main() -> None:
    """Try every kind of model so many times."""
    faulthandler.enable()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
    store, refused = Store(folder / "store"), 0
    for number, model in enumerate(MODELS):
        ref = dump_model(model.fit(ROWS, LABELS), store)
        for round_ in range(rounds):
            target = folder / f"{number}-{round_}.skops"
            forge(store.path_of(ref), target)
            refused += try_file(target, store)
            target.unlink()
    sys.stdout.write(f"{rounds * len(MODELS)} {refused}\n")


if __name__ == "__main__":
    main()
