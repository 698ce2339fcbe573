"""Planted wrong labels are found, and right ones left alone."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from digitflow.studies.digits.experiments.errors import find_suspects


def test_the_joint_is_that_of_a_naive_loop():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(4), 200)
    labels = generator.integers(0, 4, 200)
    thresholds = [
        np.mean([p[c] for p, y in zip(probabilities, labels, strict=True) if y == c])
        for c in range(4)
    ]
    joint, rows = np.zeros((4, 4), int), []
    for row, (p, label) in enumerate(zip(probabilities, labels, strict=True)):
        sure = [c for c in range(4) if p[c] >= thresholds[c]]
        if sure:
            best = max(sure, key=lambda c: p[c])
            joint[label, best] += 1
            if best != label:
                rows.append(row)
    found = find_suspects(labels, probabilities)
    np.testing.assert_array_equal(found.joint, joint)
    assert sorted(found.rows) == rows
    assert (np.diff(found.margin) <= 0).all()


def test_planted_wrong_labels_are_found():
    features, labels = load_digits(return_X_y=True)
    generator = np.random.default_rng(1)
    wrong = generator.choice(len(labels), 60, replace=False)
    given = labels.copy()
    given[wrong] = (labels[wrong] + generator.integers(1, 10, 60)) % 10
    model = KNeighborsClassifier(10)
    probabilities = cross_val_predict(model, features, given, method="predict_proba")
    found = find_suspects(given, probabilities)
    hits = np.isin(found.rows, wrong)
    assert hits.sum() / len(wrong) > 0.7
    assert hits[:40].mean() > 0.9
    right = found.suggested[hits] == labels[found.rows[hits]]
    assert right.mean() > 0.95
