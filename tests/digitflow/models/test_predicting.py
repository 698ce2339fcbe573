"""A classifier is asked for probabilities, a regressor for values, many rows in parts."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from digitflow.models.predicting import (
    CHUNK_ROWS,
    choose_method,
    compute_features,
    name_method,
    predict_in_chunks,
)

MANY = np.random.default_rng(0).normal(size=(2 * CHUNK_ROWS + 7, 2))


def fit_regressor(targets):
    return Pipeline([("scale", StandardScaler()), ("fit", LinearRegression())]).fit(
        MANY, targets
    )


def test_a_pipeline_is_asked_by_what_its_last_step_predicts():
    classes = Pipeline([("scale", StandardScaler()), ("fit", KNeighborsClassifier())])
    classes.fit(MANY[:50], np.arange(50) % 3)
    assert name_method(classes) == "predict_proba"
    assert choose_method(classes)(MANY[:4]).shape == (4, 3)
    values = fit_regressor(MANY.sum(axis=1))
    assert name_method(values) == "predict"
    np.testing.assert_allclose(choose_method(values)(MANY[:4]), MANY[:4].sum(axis=1))


def test_chunks_of_classes_change_nothing():
    model = DummyClassifier(strategy="prior").fit(MANY, np.arange(len(MANY)) % 10)
    np.testing.assert_array_equal(predict_in_chunks(model, MANY), model.predict_proba(MANY))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_chunks_of_values_are_joined_to_one_row_of_float64(dtype):
    model = fit_regressor(MANY.sum(axis=1).astype(dtype))
    found = predict_in_chunks(model, MANY.astype(dtype))
    assert (found.dtype, found.shape) == (np.float64, (len(MANY),))
    np.testing.assert_allclose(found, MANY.sum(axis=1), atol=1e-4)


def test_no_more_rows_than_a_chunk_are_predicted_at_once():
    asked = []

    class Counting(LinearRegression):
        def predict(self, rows):
            asked.append(len(rows))
            return super().predict(rows)

    predict_in_chunks(Counting().fit(MANY, MANY[:, 0]), MANY)
    assert asked == [CHUNK_ROWS, CHUNK_ROWS, 7]


def join(*parts, **more):
    return FeatureUnion([(f"part-{n}", part) for n, part in enumerate(parts)], **more)


def square():
    return FunctionTransformer(np.square)


@pytest.mark.parametrize(
    "recipe",
    [
        Pipeline([("scale", StandardScaler()), ("nothing", "passthrough"), ("more", square())]),
        Pipeline([("join", join(StandardScaler(), Pipeline([("more", square())])))]),
        join(StandardScaler(), "passthrough", "drop"),
        join(StandardScaler(), square(), transformer_weights={"part-0": 2.0}),
        join(StandardScaler().set_output(transform="pandas"), square()),
        StandardScaler(),
    ],
)
def test_features_are_what_the_recipe_makes_of_samples(recipe):
    recipe.fit(MANY)
    np.testing.assert_array_equal(
        compute_features(recipe, MANY[:9]), recipe.transform(MANY[:9])
    )
