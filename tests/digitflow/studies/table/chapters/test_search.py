"""What is said of searches is what they found."""

import pytest

from digitflow.studies.plan import Findings


def try_out(params, scores=None, error=None):
    values = {"params": params}
    if error:
        values["error"] = error
    else:
        values |= {"scores": scores, "score": sum(scores) / len(scores)}
    return Findings(values=values, measured={"seconds": 1.5})


@pytest.fixture
def found():
    """A grid of two by two of which one is invalid, and three draws that get better."""
    grid = [
        ({"clusters": 4, "features": 2}, [5200.0, 5000.0, 5400.0], None),
        ({"clusters": 4, "features": 0}, None, "features must be above 0"),
        ({"clusters": 9, "features": 2}, [4900.0, 4800.0, 5000.0], None),
        ({"clusters": 9, "features": 8}, [5100.0, 5050.0, 5000.0], None),
    ]
    drawn = [
        ({"clusters": 3, "features": 5}, [5600.0, 5500.0, 5700.0], None),
        ({"clusters": 7, "features": 6}, [4600.0, 4500.0, 4700.0], None),
        ({"clusters": 8, "features": 1}, [4700.0, 4600.0, 4800.0], None),
    ]
    return {
        f"{search}: {number}": try_out(*each)
        for search, tried in (("grid", grid), ("randomised", drawn))
        for number, each in enumerate(tried)
    }


def test_all_that_is_said_follows_from_what_was_found(told_of, found):
    assert told_of("search", found) == TOLD


def test_where_nothing_is_valid_that_is_all_that_is_said(told_of, found):
    invalid = {f"grid: {k}": try_out({"features": -k}, error="no") for k in range(5)}
    said = told_of("search", invalid).splitlines()
    assert said[0] == "All 5 combinations are invalid."
    assert sum(line.startswith("Invalid: ") for line in said) == 3
    assert not any(line.startswith(("grid: ", "drawn: ", "progress: ")) for line in said)


def test_a_grid_of_more_than_two_parameters_is_not_drawn_as_a_matrix(told_of, found):
    found["grid: 0"].values["params"]["depth"] = 3
    found["randomised: 0"].values["params"]["depth"] = 3
    said = told_of("search", found)
    assert "\ngrid: RMSE" not in said
    assert "\ndrawn: RMSE" not in said


def test_small_scores_are_drawn_with_their_decimals(told_of, found):
    for facts in found.values():
        if "score" in facts.values:
            facts.values["score"] /= 10
    assert "[2 8] 3 lowest=" in " ".join(told_of("search", found).split())


TOLD = """\
The randomised search finds the best of 7 combinations: clusters 7, features 6, RMSE 4,600
  USD by 3 folds; the worst has 5,600 USD.
1 combinations are invalid; the searches went on.
searches: What each search found:
search | tried | invalid | best RMSE by folds (USD) | by | work (s)
grid | 4 | 1 | 4900 | clusters 9, features 2 | 6
randomised | 3 | 0 | 4600 | clusters 7, features 6 | 4.5
trials: Combinations, the best first: RMSE by 3 folds of the training rows. (shown: 12)
search | clusters | features | RMSE, mean (USD) | standard deviation
randomised | 7 | 6 | 4600 | 100
randomised | 8 | 1 | 4700 | 100
grid | 9 | 2 | 4900 | 100
grid | 9 | 8 | 5050 | 50
grid | 4 | 2 | 5200 | 200
randomised | 3 | 5 | 5600 | 100
Invalid: clusters 4, features 0: features must be above 0
grid: RMSE of each combination of the grid: The lower the better (USD); combinations that
  are not of the grid are left blank. draw_matrix [[5200 4900] [nan 5050]] clusters
  features [4 9] [2 8] 0 lowest=4750
drawn: RMSE of each combination that was drawn: Drawn combinations reach places that a
  grid of the same size leaves out. draw_points [3 7 8] [5 6 1] clusters features [5600
  4600 4700] RMSE (USD)
progress: Best so far: How low each search has come after so many combinations. draw_lines
  {grid: [[1 2 3] [5200 4900 4900]], randomised: [[1 2 3] [5600 4600 4600]]} combinations
  tried lowest RMSE by folds (USD)"""
