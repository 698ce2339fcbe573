"""A model's signature is read off what it must repeat."""

import numpy as np
import pytest

from digitflow.models.bundle import Golden, describe_signature


@pytest.fixture
def sign(store):
    """Return the signature of a model that predicted `predictions` for `samples`."""

    def sign(samples, predictions):
        refs = store.put_array(samples), store.put_array(predictions)
        golden = Golden(samples=refs[0], predictions=refs[1], libraries={}, machine="")
        return describe_signature(store, golden)

    return sign


def test_a_classifier_of_images_gives_probabilities(sign):
    found = sign(np.zeros((32, 28, 28), np.uint8), np.zeros((32, 10)))
    assert found.inputs == ("uint8", (-1, 28, 28))
    assert found.outputs == ("float64", (-1, 10))
    assert (found.method, found.columns) == ("predict_proba", ())


def test_a_regression_of_rows_gives_values_and_names_its_columns(sign):
    columns = [("income", "<f8"), ("ocean", "<U10")]
    found = sign(np.zeros(32, columns), np.zeros(32))
    assert found.inputs[1] == found.outputs[1] == (-1,)
    assert (found.method, found.columns) == (
        "predict",
        (("income", "float64"), ("ocean", "<U10")),
    )
