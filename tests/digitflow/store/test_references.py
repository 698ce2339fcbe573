"""A digest is of what something is, and of nothing else."""

import hashlib

import numpy as np

from digitflow.store import references
from digitflow.store.references import digest_array, digest_bytes, digest_file, digest_json


def test_digests_are_blake2b_of_128_bits(tmp_path, monkeypatch):
    wanted = hashlib.blake2b(b"abcdef", digest_size=16).hexdigest()
    assert digest_bytes(b"abc", b"def") == wanted
    path = tmp_path / "file"
    path.write_bytes(b"abcdef")
    assert digest_file(path) == wanted
    # In however many pieces it is read.
    monkeypatch.setattr(references, "HASH_CHUNK_BYTES", 4)
    assert digest_file(path) == wanted


def test_the_order_of_keys_is_no_difference_and_that_of_a_list_is():
    assert digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    assert digest_json([1, 2]) != digest_json([2, 1])


def test_the_names_of_fields_count_and_the_layout_in_memory_does_not():
    records = np.zeros(3, [("a", "f8")])
    assert digest_array(records) != digest_array(records.astype([("b", "f8")]))
    array = np.arange(6).reshape(2, 3)
    assert digest_array(array) == digest_array(np.asfortranarray(array))
    head = b"|u1 (2,)"
    assert digest_array(np.array([1, 2], np.uint8)) == digest_bytes(head, b"\x01\x02")
