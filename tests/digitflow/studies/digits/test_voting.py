"""Votes are scikit-learn's; weights, temperatures and stacks are what minimises their loss."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.naive_bayes import BernoulliNB

from digitflow.studies.digits.voting import (
    ask_stack,
    calibrate,
    compare_readers,
    cool,
    fit_stack,
    fit_temperature,
    join,
    join_crosswise,
    vote_hard,
    vote_soft,
    weigh_members,
)

KINDS = ("hard voting", "soft voting", "weighted voting", "stacking")


def _said(*digits):
    """Probabilities (members, 1, 10) of members that are nearly sure of a digit each."""
    return np.stack([np.full((1, 10), 0.01) + 0.9 * np.eye(10)[[digit]] for digit in digits])


def _draw(members=3, n=400, sharpness=(1.0, 2.0, 3.0), seed=0):
    """Members' probabilities and the truth; the sharper a member, the better it reads."""
    generator = np.random.default_rng(seed)
    truth = np.arange(n) % 10
    scores = generator.normal(size=(members, n, 10))
    scores += np.array(sharpness)[:members, None, None] * np.eye(10)[truth]
    read = np.exp(scores)
    return read / read.sum(axis=2, keepdims=True), truth


@pytest.fixture(scope="module")
def fitted():
    """Three fitted members of scikit-learn, and the pixels of other images."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    members = [
        LogisticRegression(C=0.001, max_iter=50),
        BernoulliNB(),
        ExtraTreesClassifier(8, random_state=0),
    ]
    return [m.fit(pixels[:600] / 16, labels[:600]) for m in members], pixels[600:] / 16, labels


@pytest.mark.parametrize("weights", [None, [0.5, 0.2, 0.3]])
def test_votes_are_those_of_scikit_learn(fitted, weights):
    members, pixels, labels = fitted
    read = np.stack([member.predict_proba(pixels) for member in members])
    named = [(str(k), FrozenEstimator(member)) for k, member in enumerate(members)]
    oracle = VotingClassifier(named, voting="soft", weights=weights).fit(pixels, labels[600:])
    said = vote_soft(read, None if weights is None else np.array(weights))
    assert (said == oracle.predict(pixels)).all()
    oracle = VotingClassifier(named, voting="hard").fit(pixels, labels[600:])
    agreed = np.array([len(set(votes)) < 3 for votes in read.argmax(axis=2).T])
    assert (vote_hard(read) == oracle.predict(pixels))[agreed].all()
    assert 0 < (~agreed).sum() < len(agreed)


def test_a_tie_goes_to_the_best_member_and_a_majority_does_not():
    assert vote_hard(_said(3, 5, 7)).tolist() == [3]
    assert vote_hard(_said(3, 5, 5)).tolist() == [5]


@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
def test_cooled_probabilities_keep_their_order_and_their_sum(temperature):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(10), 50)
    cooled = cool(probabilities, temperature)
    np.testing.assert_allclose(cooled.sum(axis=1), 1)
    np.testing.assert_array_equal(cooled.argsort(axis=1), probabilities.argsort(axis=1))


def test_a_temperature_undoes_what_another_has_done():
    read, truth = _draw()
    right = fit_temperature(read[1], truth)
    assert fit_temperature(cool(read[1], 1 / 3), truth) == pytest.approx(3 * right, rel=1e-3)
    assert (cool(read[1], 2.5).argmax(axis=1) == read[1].argmax(axis=1)).all()
    np.testing.assert_allclose(cool(read[1], 1.0), read[1], rtol=1e-9)


def test_a_member_that_claims_too_much_does_not_outvote_the_others():
    read, truth = _draw(sharpness=(1.0, 3.0, 3.0))
    loud = np.stack([cool(read[0], 0.02), *read[1:]])
    plain = (vote_soft(loud) == truth).mean()
    assert (vote_soft(calibrate(loud, truth)[0]) == truth).mean() > plain + 0.1


def test_who_guesses_has_no_weight_and_who_reads_has():
    read, truth = _draw(sharpness=(0.0, 4.0, 0.0))
    weights = weigh_members(read, truth)
    assert weights.sum() == pytest.approx(1)
    assert weights[1] > 0.8


def test_a_stack_is_the_minimum_of_its_loss():
    read, truth = _draw()
    weights = fit_stack(read, truth)

    def lose(at):
        scores = np.tensordot(at, np.log(read), 1)
        own = scores[np.arange(len(truth)), truth]
        entropy = (np.log(np.exp(scores).sum(axis=1)) - own).sum()
        return entropy + 0.5 * ((at - 1 / 3) ** 2).sum()

    assert weights.argmax() == 2
    for step in 0.01 * np.vstack([np.eye(3), -np.eye(3)]):
        assert lose(weights + step) > lose(weights)


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_judged_by_what_others_taught(kind):
    read, truth = _draw()
    made = join_crosswise(kind, read, truth, 7)
    assert (made == join_crosswise(kind, read, truth, 7)).all()
    assert (made == truth).mean() == pytest.approx(
        (join(kind, read, truth, read) == truth).mean(), abs=0.05
    )
    # What a half taught, from labels that are all wrong, misleads the other half alone.
    if kind == "hard voting":
        assert (made == join(kind, read, truth[::-1], read)).all()


def test_only_images_that_one_side_has_right_are_counted():
    ours, theirs, truth = np.array([[1, 2, 3, 4, 5], [1, 0, 0, 4, 6], [1, 2, 3, 9, 6]])
    found = compare_readers(ours, theirs, truth)
    assert (found["wins"], found["losses"]) == (2, 1)
    # Of three coins, two or more alike that way or the other: certain.
    assert found["p"] == 1.0
    assert compare_readers(np.ones(8), np.zeros(8), np.ones(8))["p"] == pytest.approx(2 / 2**8)


def test_weights_are_how_often_a_member_was_the_best_to_add_to_those_before():
    read, truth = _draw(sharpness=(1.0, 2.0, 3.0), n=60)
    likely = np.maximum(read[:, np.arange(60), truth], 0)
    taken, total = [0, 0, 0], np.zeros(60)
    for count in range(1, 21):
        losses = [-np.log(np.maximum((total + one) / count, 1e-6)).sum() for one in likely]
        best = int(np.argmin(losses))
        taken[best] += 1
        total = total + likely[best]
    assert weigh_members(read, truth).tolist() == [each / 20 for each in taken]
    # A probability of 0 is as bad as one in a million, and no worse.
    sure = np.array([[[1.0, 0.0]] * 3, [[0.4, 0.6]] * 3])
    assert weigh_members(sure, np.array([0, 0, 0])).tolist() == [1, 0]
    assert np.isfinite(weigh_members(sure, np.array([0, 1, 1]))).all()


def test_a_temperature_is_the_one_of_least_loss_within_its_bounds():
    read, truth = _draw(n=200)
    found = fit_temperature(read[0], truth)

    def lose(temperature):
        cooled = cool(read[0], temperature)[np.arange(200), truth]
        return -np.log(np.maximum(cooled, 1e-6)).mean()

    assert lose(found) <= min(lose(found * step) for step in (0.9, 0.97, 1.03, 1.1))
    # Who is always right may be as sharp as e to the -4, who never is as blunt as e to the 4.
    right = 0.01 + 0.9 * np.eye(10)[truth]
    assert np.exp(-4) <= fit_temperature(right, truth) < 0.5
    wrong = 0.01 + 0.9 * np.eye(10)[(truth + 1) % 10]
    assert fit_temperature(wrong, truth) == pytest.approx(np.exp(4), rel=0.01)


def test_cooling_is_by_logarithms():
    probabilities = np.array([[0.8, 0.2], [0.5, 0.5], [1.0, 0.0]])
    cooled = cool(probabilities, 2.0)
    roots = np.sqrt(probabilities)
    np.testing.assert_allclose(cooled[:2], (roots / roots.sum(axis=1)[:, None])[:2])
    assert cooled[2, 0] == pytest.approx(1)


def test_each_member_is_brought_to_its_own_scale_everywhere():
    read, truth = _draw(n=200)
    others = read[:, ::-1]
    held, moved = calibrate(read, truth, others)
    for member in range(3):
        own = fit_temperature(read[member], truth)
        np.testing.assert_allclose(held[member], cool(read[member], own))
        np.testing.assert_allclose(moved[member], cool(others[member], own))


def test_a_stack_answers_by_the_weighed_sum_of_logarithms():
    read = np.array([[[0.7, 0.3]], [[0.2, 0.8]]])
    for weights in ([1.0, 0.0], [0.0, 1.0], [2.0, 1.0], [1.0, 2.0]):
        sums = np.tensordot(weights, np.log(read), 1)
        assert ask_stack(np.array(weights), read).tolist() == sums.argmax(axis=1).tolist()
    assert ask_stack(np.array([1.0, 0.1]), np.array([[[0.0, 1.0]], [[1.0, 0.0]]])).tolist() == [
        1
    ]


def test_hard_votes_are_of_what_was_read_and_others_of_what_held_out_images_taught():
    read, truth = _draw(n=200)
    asked = _draw(n=80, seed=1)[0]
    assert (join("hard voting", read, truth, asked) == vote_hard(asked)).all()
    held, scaled = calibrate(read, truth, asked)
    assert (join("soft voting", read, truth, asked) == vote_soft(scaled)).all()
    weights = weigh_members(held, truth)
    assert (join("weighted voting", read, truth, asked) == vote_soft(scaled, weights)).all()
    stacked = ask_stack(fit_stack(held, truth), scaled)
    assert (join("stacking", read, truth, asked) == stacked).all()
    halves = KFold(2, shuffle=True, random_state=7).split(truth)
    crosswise = join_crosswise("stacking", read, truth, 7)
    for taught, other in halves:
        wanted = join("stacking", read[:, taught], truth[taught], read[:, other])
        assert (crosswise[other] == wanted).all()


def test_the_odds_of_a_difference_count_both_ways():
    ours = np.array([1] * 9 + [0] * 2)
    theirs = np.array([0] * 9 + [1] * 2)
    found = compare_readers(ours, theirs, np.ones(11))
    assert (found["wins"], found["losses"]) == (9, 2)
    # Of eleven coins, nine or more alike: 1 + 11 + 55 of 2,048 ways, and as many the other.
    assert found["p"] == pytest.approx(2 * (1 + 11 + 55) / 2048)
    assert compare_readers(theirs, ours, np.ones(11))["p"] == found["p"]
