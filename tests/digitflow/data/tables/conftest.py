import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def people():
    """200 rows of three features and two targets, all different, with a gap in each feature."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "height": draw.normal(170, 10, 200).round(6),
            "children": draw.integers(0, 4, 200),
            "town": draw.choice(["Oslo", "Bern", "Wien"], 200),
            "wage": draw.normal(50, 9, 200).round(2),
            "kind": draw.choice(["old", "young"], 200),
        }
    )
    frame["children"] = frame["children"].astype(float)
    frame.loc[3, "height"] = frame.loc[4, "children"] = np.nan
    frame.loc[5, "town"] = None
    return frame
