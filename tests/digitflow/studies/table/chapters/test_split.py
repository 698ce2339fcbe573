"""What is said of test rows is what was counted."""

import pytest

from digitflow.studies.plan import Findings

GROUPS = [f"income {name}" for name in ("up to 1.5", "1.5 to 3", "3 to 4.5", "4.5 to 6", "6")]


@pytest.fixture
def found():
    """Five groups whose published shares stratifying meets, and chance does not quite."""
    values = {
        "proportions": {
            "groups": GROUPS,
            "counts": [822, 6581, 7236, 3639, 2362],
            "overall": [0.0398, 0.3188, 0.3506, 0.1763, 0.1144],
            "stratified": [0.04, 0.3188, 0.3505, 0.1764, 0.1143],
            "random": [0.0424, 0.3074, 0.3452, 0.1841, 0.1219],
        },
        "shuffles": {"stratified": [0.01, 0.02, 0.03], "random": [0.1, 0.11, 0.06]},
        "added rows": {
            "earlier": 18_576,
            "later": 2064,
            "hash": {"test": 3700, "left": 0, "joined": 1},
            "shuffle": {"test": 3715, "left": 2900, "joined": 3100},
        },
    }
    return {name: Findings(values=each) for name, each in values.items()}


def test_all_that_is_said_follows_from_what_was_found(told_of, found):
    assert told_of("split", found) == TOLD


def test_stratifying_is_not_said_to_be_better_every_time_where_it_is_not(told_of, found):
    found["shuffles"].values["random"][1] = 0.02
    said = " ".join(told_of("split", found).split())
    assert "better every time" not in said
    assert "Of 3 shuffles each." in said


def test_without_groups_only_added_rows_are_told(told_of, found):
    said = told_of("split", {"added rows": found["added rows"]}, stratify=None)
    assert [line.partition(":")[0] for line in said.splitlines() if ": " in line] == [
        "added-rows"
    ]


TOLD = """\
Drawn at random, the share that is most off differs by 9.0 % (mean of 3 shuffles);
  stratified, by 2.0 %.
When 2,064 rows are added, 1 of the 18,576 earlier ones change sides by hash, and 6,000 by
  a shuffle.
proportions: Shares of each group of income: Of all rows, of the study's test rows, and of
  as many drawn at random; errors are relative to the share of all rows.
group | rows | overall (%) | stratified (%) | random (%) | error of stratified (%) | error
  of random (%)
up to 1.5 | 822 | 3.98 | 4 | 4.24 | 0.502513 | 6.53266
1.5 to 3 | 6581 | 31.88 | 31.88 | 30.74 | 0 | -3.57591
3 to 4.5 | 7236 | 35.06 | 35.05 | 34.52 | -0.0285225 | -1.54022
4.5 to 6 | 3639 | 17.63 | 17.64 | 18.41 | 0.0567215 | 4.42428
6 | 2362 | 11.44 | 11.43 | 12.19 | -0.0874126 | 6.55594
proportions: How far shares of income are off in the test rows: Below 0 the test rows have
  too few of the group, above it too many. draw_bars [up to 1.5 1.5 to 3 3 to 4.5 4.5 to 6
  6] {stratified: [0.502513 0 -0.0285225 0.0567215 -0.0874126], random: [6.53266 -3.57591
  -1.54022 4.42428 6.55594]} error of the share (%)
shares of the income categories, overall (%): 3.98, 31.88, 35.06, 17.63, 11.44, here 3.98,
  31.88, 35.06, 17.63, 11.44: met
shares of the income categories, stratified (%): 4, 31.88, 35.05, 17.64, 11.43, here 4,
  31.88, 35.05, 17.64, 11.43: met
shares of the income categories, random (%): 4.24, 30.74, 34.52, 18.41, 12.09, here 4.24,
  30.74, 34.52, 18.41, 12.19: not met
shuffles: The share that is most off, shuffle by shuffle: Of 3 shuffles each: stratifying
  is better every time, not by luck. draw_lines {stratified: [[1 2 3] [1 2 3]], random:
  [[1 2 3] [10 11 6]]} shuffle largest error of a share (%)
shuffles: shuffles:  (shown: 0)
shuffle | largest error, stratified (%) | largest error, random (%)
1 | 1 | 10
2 | 2 | 11
3 | 3 | 6
added-rows: What changes when 2,064 rows are added to 18,576: A row that changes sides was
  learnt from and then tests, or the other way round. The main job keeps the rows that its
  champion was judged on, whichever way it splits.
way | test rows before | of them no test rows after | training rows that became test rows
a hash of the row's identity decides | 3700 | 0 | 1
a shuffle with the same seed decides | 3715 | 2900 | 3100"""
