"""Samples are known by their digests, and asked for in as many as a query may name."""

import numpy as np
import pytest

from digitflow.errors import InputError
from digitflow.feedback import tables
from digitflow.feedback.tables import (
    FEEDBACK,
    Sample,
    add_samples,
    find_sample,
    is_row,
    iterate_parts,
    name_images,
    open_image,
    read_contents,
    read_images,
)
from digitflow.images.frame import digest_image


def keep(store, samples):
    FEEDBACK.require_tables(store)
    with FEEDBACK.connect(store) as connection:
        add_samples(connection, samples)
        connection.commit()


def test_an_image_is_its_bytes_and_comes_back(images):
    (first, *_) = name_images(images[:2])
    assert first == Sample(digest_image(images[0]), images[0].tobytes())
    opened = open_image(first.content)
    assert opened.shape == (28, 28)
    np.testing.assert_array_equal(opened, images[0])


@pytest.mark.parametrize(
    ("content", "row"),
    [(b'{"a": 1}', True), (b"{}", True), (b"}", False), (b"{x", False), (b"x}", False),
     (bytes(784), False)],
)  # fmt: skip
def test_a_row_is_told_by_its_braces(content, row):
    assert is_row(content) is row


def test_values_come_in_as_many_as_a_query_may_name():
    values = [str(n) for n in range(1001)]
    parts = list(iterate_parts(values))
    assert [len(part) for part in parts] == [500, 500, 1]
    assert [each for part in parts for each in part] == values
    assert list(iterate_parts([])) == []
    assert tables.MOST_NAMED == 500  # older builds of SQLite take 999 parameters


def test_samples_are_kept_once_and_read_by_their_digests(store, images):
    samples = name_images(images[:3])
    keep(store, [*samples, samples[0]])
    keep(store, samples[1:])
    keep(store, [])
    found = read_contents(store, [samples[0].digest, samples[2].digest, "f" * 32])
    assert found == {each.digest: each.content for each in (samples[0], samples[2])}
    opened = read_images(store, [samples[1].digest])
    np.testing.assert_array_equal(opened[samples[1].digest], images[1])
    rows = FEEDBACK.read_rows(store, "SELECT digest FROM samples")
    assert len(rows) == 3


@pytest.mark.parametrize(("beginning", "said"), [
    ("abc", "the first 4 or more"), ("abcd", None), ("abcg", "hexadecimal"),
    ("ab", "the first 4"), ("abce", "several .* begin with abce"),
    ("ffff", "nothing begins with ffff; only what was predicted"),
])  # fmt: skip
def test_four_digits_of_a_digest_name_it_if_nothing_else_begins_so(store, beginning, said):
    keep(store, [Sample(f"{head}{'0' * 28}", b"x") for head in ("abcd", "abce0", "abce1")])
    if said is None:
        assert find_sample(store, beginning) == "abcd" + "0" * 28
        return
    with pytest.raises(InputError, match=said):
        find_sample(store, beginning)


def test_a_digest_may_hold_every_digit(store):
    digest = "0123456789abcdef" * 2
    keep(store, [Sample(digest, b"x")])
    assert find_sample(store, digest) == digest
