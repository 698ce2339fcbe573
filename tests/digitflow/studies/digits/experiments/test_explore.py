import numpy as np

from digitflow.studies.digits.experiments.explore import Components


def test_the_variance_that_components_hold_is_cumulated_as_shares_of_all():
    components = Components(
        mean=np.zeros(4), variances=np.array([6.0, 3.0, 1.0, 0.0]), vectors=np.eye(4)
    )
    np.testing.assert_allclose(components.cumulated, [0.6, 0.9, 1.0, 1.0])
