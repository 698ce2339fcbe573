"""The queue asks of what nobody labelled, and first of what versions together know least."""

import numpy as np
import pytest
from scipy.stats import entropy

from digitflow.feedback import reviewing
from digitflow.feedback.corrections import add_corrections, choose_role
from digitflow.feedback.predictions import PredictionLog
from digitflow.feedback.reviewing import choose_questions, measure_bits
from digitflow.feedback.tables import name_images
from digitflow.images.frame import digest_image


def say(*digits, share=1.0):
    """Probabilities of readings of these digits, as sure as `share`."""
    rows = np.full((len(digits), 10), (1 - share) / 9)
    rows[np.arange(len(digits)), list(digits)] = share
    return rows


@pytest.fixture
def log(store):
    """Keep what a version read: log(images, probabilities, statuses)."""

    def keep(images, probabilities, statuses, version="1", model="digits", files=None):
        with PredictionLog(store) as kept:
            kept.add(name_images(images), probabilities, statuses, model, version, files)

    return keep


def list_digests(questions):
    return [question.picture for question in questions]


def test_without_a_prediction_there_is_nothing_to_ask(store):
    assert choose_questions(store, "digits") == []


def test_what_was_unsure_is_asked_the_least_known_first(store, log, images):
    shares = [0.9, 0.4, 0.6, 0.99]
    log(images[:4], np.vstack([say(3, share=s) for s in shares]), ["unsure"] * 3 + ["read"])
    found = choose_questions(store, "digits")
    assert list_digests(found) == [digest_image(images[row]) for row in (1, 2, 0)]
    assert [question.reasons for question in found] == [("unsure",)] * 3
    for question, row in zip(found, (1, 2, 0), strict=True):
        np.testing.assert_array_equal(question.image, images[row])
        assert question.bits == pytest.approx(entropy(say(3, share=shares[row])[0], base=2))
        assert question.role == choose_role(question.picture)


def test_what_somebody_labelled_is_asked_no_more(store, log, images):
    log(images[:3], say(1, 2, 3, share=0.5), ["unsure"] * 3)
    add_corrections(store, [images[1]], [2], "ann", "a test")
    assert len(choose_questions(store, "digits")) == 2


def test_of_another_model_nothing_is_asked(store, log, images):
    log(images[:3], say(1, 2, 3, share=0.5), ["unsure"] * 3, model="letters")
    assert choose_questions(store, "digits") == []


def test_a_picture_is_asked_once_by_its_latest_reading(store, log, images):
    log(images[:2], say(1, 1, share=0.5), ["unsure"] * 2, files=["old.png", "b.png"])
    log(images[:1], say(1, share=0.99), ["read"], files=["new.png"])
    assert [question.file for question in choose_questions(store, "digits")] == ["b.png"]


def test_what_two_versions_read_differently_is_asked_however_sure_they_were(store, log, images):
    log(images[:2], say(4, 4, share=0.99), ["read"] * 2, version="1")
    log(images[:2], say(9, 4, share=0.99), ["read"] * 2, version="2")
    (found,) = choose_questions(store, "digits")
    assert found.reasons == ("read differently",)
    assert found.picture == digest_image(images[0])
    assert found.bits == pytest.approx(1, abs=0.2)  # which of two


def test_a_challenger_is_asked_only_of_what_it_has_not_read(store, log, images):
    log(images[:3], say(4, 4, 4, share=0.99), ["read"] * 3, version="1")
    log(images[1:2], say(9, share=0.99), ["read"], version="2")
    asked = []

    def read(new):
        asked.extend(digest_image(image) for image in new)
        return say(*[7] * len(new), share=0.99)

    found = choose_questions(store, "digits", {"1": pytest.fail, "2": read})
    assert set(asked) == {digest_image(images[row]) for row in (0, 2)}
    assert len(found) == 3
    for question in found:
        assert list(question.probabilities) == ["1", "2"]
        assert question.probabilities["1"].argmax() == 4
    said = {question.picture: question.probabilities["2"].argmax() for question in found}
    assert said == {
        digest_image(image): digit for image, digit in zip(images, (7, 9, 7), strict=False)
    }


def test_an_older_version_has_no_say_beside_those_that_are_compared(store, log, images):
    log(images[:1], say(9, share=0.99), ["read"], version="1")
    log(images[:1], say(4, share=0.99), ["read"], version="2")
    assert choose_questions(store, "digits", {"2": pytest.fail}) == []


def test_what_is_unlike_the_learnt_is_asked_and_in_what_is_said(store, log, images):
    log(images[:3], say(1, 2, 3, share=0.99), ["read"] * 3)

    def measure(asked):
        return np.where((asked == images[1]).all(axis=(1, 2)), 1.5, 0.5), ["slant"] * len(asked)

    (found,) = choose_questions(store, "digits", measure=measure)
    assert (found.reasons, found.drifted) == (("drifted",), "slant")
    assert found.picture == digest_image(images[1])


def test_what_was_taken_for_no_digit_comes_last(store, log, images):
    statuses = ["not a digit", "unsure"]
    log(images[:2], np.vstack([say(1, share=0.2), say(1, share=0.7)]), statuses)
    found = choose_questions(store, "digits")
    assert [question.reasons for question in found] == [("unsure",), ("not a digit",)]


def test_only_the_latest_predictions_are_looked_at_and_so_many_asked(store, log, images):
    log(images[:20], say(*[1] * 20, share=0.5), ["unsure"] * 20)
    found = choose_questions(store, "digits", limit=3, latest=10)
    latest = [digest_image(image) for image in images[19:9:-1]]
    assert list_digests(found) == latest[:3]  # equal ones: the latest first


def test_many_pictures_are_gone_through_in_parts(store, log, images, monkeypatch):
    log(images, say(*[1] * 60, share=0.99), ["read"] * 60)
    monkeypatch.setattr("digitflow.feedback.tables.MOST_NAMED", 25)
    sizes = []

    def read(new):
        sizes.append(len(new))
        return say(*[2] * len(new), share=0.99)

    found = choose_questions(store, "digits", {"1": read, "2": read}, limit=60)
    assert (len(found), sizes) == (60, [25, 25, 10])


def test_bits_are_the_entropy_of_the_mean():
    assert measure_bits([np.eye(10)[3]]) == 0
    assert measure_bits([np.full(10, 0.1)]) == pytest.approx(np.log2(10))
    assert measure_bits([np.eye(10)[3], np.eye(10)[4]]) == pytest.approx(1)
    rows = np.random.default_rng(0).dirichlet(np.ones(10), 3)
    assert measure_bits([*rows]) == pytest.approx(entropy(rows.mean(axis=0), base=2))


def test_all_that_a_question_knows_is_of_the_latest_reading(store, log, images):
    log(images[:1], say(1, share=0.5), ["unsure"], files=["a.png"])
    log(images[:1], say(1, share=0.4), ["unsure"], version="2", files=["b.png"])
    (found,) = choose_questions(store, "digits")
    assert (found.file, found.drifted) == ("b.png", "")
    assert list(found.probabilities) == ["2", "1"]
    assert found.probabilities["1"].max() == pytest.approx(0.5)
    assert found.at.endswith("+00:00")


@pytest.mark.parametrize(("distance", "asked"), [(1.0, 0), (1.001, 1)])
def test_farther_than_the_farthest_learnt_is_too_far(store, log, images, distance, asked):
    log(images[:1], say(1, share=0.99), ["read"])
    found = choose_questions(
        store, "digits", measure=lambda images: (np.full(len(images), distance), ["ink"])
    )
    assert len(found) == asked


def test_so_many_are_looked_at_and_asked_unless_more_are_wanted():
    assert (reviewing.LATEST, reviewing.LIMIT) == (5000, 200)
