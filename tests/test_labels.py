"""Encoding of labels of any kind."""

from enum import Enum

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from sklearn.preprocessing import LabelEncoder

from skreviews._labels import (
    encode_keys,
    encode_known_labels,
    encode_labels,
    list_labels,
)


class Star(Enum):
    one = 1
    five = 5


@pytest.mark.parametrize(
    "y",
    [
        [5, 1, 5, 3],
        (5, 1, 5, 3),
        np.array([5, 1, 5, 3]),
        np.array([5.0, 1.0, 5.0]),
        ["good", "bad", "good"],
        np.array(["good", "bad", "good"]),
        np.array(["good", "bad", "good"], dtype=object),
        [True, False, True],
        pd.Series([5, 1, 5], index=[7, 7, 8]),
        pd.Series(["good", "bad", "good"]),
        pd.Series(["good", "bad", "good"], dtype="category"),
        pd.Series([5, 1, 5], dtype="category"),
    ],
    ids=str,
)
def test_plain_labels_are_encoded_like_label_encoder(y):
    classes, codes = encode_labels(y)
    peer = LabelEncoder().fit(np.asarray(y))
    assert classes.tolist() == peer.classes_.tolist()
    assert_array_equal(codes, peer.transform(np.asarray(y)))
    assert codes.dtype == np.int64
    assert classes[codes].tolist() == list(y)


@pytest.mark.parametrize(
    "y",
    [
        [("a", 1), ("b", 2), ("a", 1)],
        [("a",), ("b", 2), ("a",)],
        [Star.five, Star.one, Star.five],
        [frozenset({1}), frozenset({2}), frozenset({1}), frozenset({1, 2})],
        [1, "a", 1, "1"],
        np.array([1, "a", 1, "1"], dtype=object),
        [str, int, int],
    ],
    ids=["pairs", "tuples", "enum", "frozensets", "mixed", "mixed ndarray", "types"],
)
def test_labels_may_be_any_hashable_objects(y):
    classes, codes = encode_labels(y)
    assert len(classes) == len(set(y))
    assert classes[codes].tolist() == list(y)
    assert [type(label) for label in classes[codes].tolist()] == [type(v) for v in y]


@pytest.mark.parametrize(
    "y",
    [
        pd.Series([5, 1, 5], dtype="Int64"),
        pa.array([5, 1, 5]),
        pa.chunked_array([[5], [1, 5]]),
        pd.Series([5, 1, 5], dtype=pd.ArrowDtype(pa.int64())),
    ],
    ids=["Int64", "Array", "ChunkedArray", "ArrowDtype"],
)
def test_integer_labels_stay_integers(y):
    classes, codes = encode_labels(y)
    assert classes.tolist() == [1, 5]
    assert all(isinstance(label, int) for label in classes.tolist())
    assert codes.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    "make",
    [
        lambda y: np.array(y, np.dtypes.StringDType()),
        pa.array,
        lambda y: pd.Series(y, dtype="string"),
        lambda y: pa.array(y).dictionary_encode(),
    ],
    ids=["StringDType", "Array", "string Series", "dictionary"],
)
def test_string_labels_in_any_container(make):
    classes, codes = encode_labels(make(["good", "bad", "good"]))
    assert classes.tolist() == ["bad", "good"]
    assert codes.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    "y",
    [
        [1.0, 2.0, np.nan],
        [1, 2, None],
        ["good", "bad", None],
        ["good", "bad", np.nan],
        ("good", "bad", float("nan")),
        [Star.one, Star.five, None],
        ["good", "bad", pd.NA],
        np.array([1.0, 2.0, np.nan]),
        np.array(["good", "bad", np.nan], dtype=object),
        pd.Series(["good", "bad", None]),
        pd.Series([1, 2, None], index=[9, 8, 7]),
        pd.Series([1, 2, None], dtype="Int64"),
        pd.Series(["good", "bad", None], dtype="category"),
        pa.array(["good", "bad", None]),
        pa.array([1, 2, None]),
    ],
    ids=str,
)
def test_missing_labels_are_named_with_position_and_remedy(y):
    with pytest.raises(ValueError, match=r"y\[2\] is .*NaN or None.*Drop the samples"):
        encode_labels(y)


def test_invalid_labels_are_rejected():
    with pytest.raises(ValueError, match="1d array"):
        encode_labels(np.ones((3, 2)))
    with pytest.raises(ValueError, match="continuous"):
        encode_labels([1.5, 2.5, 3.25])
    with pytest.raises(ValueError, match="y is empty.*at least one label"):
        encode_labels([])
    with pytest.raises(ValueError):
        encode_labels("abc")
    with pytest.raises(ValueError):
        encode_labels(None)


def test_labels_are_not_modified():
    for y in (["b", "a"], np.array(["b", "a"], dtype=object), pd.Series(["b", "a"])):
        encode_labels(y)
        assert list(y) == ["b", "a"]


def test_known_labels_are_encoded_by_their_index():
    classes = np.array(["bad", "so-so", "good"])
    assert encode_known_labels(["good", "bad"], classes).tolist() == [2, 0]
    with pytest.raises(ValueError, match=r"y\[1\] is 'fine'.*'so-so'"):
        encode_known_labels(["good", "fine"], classes)


def test_keys_are_replaced_by_their_index():
    classes = np.array([1, 3, 5])
    assert encode_keys({5: "a", 1: "b"}, classes, "sizes") == {2: "a", 0: "b"}
    with pytest.raises(ValueError, match=r"sizes has the label 4.*\[1, 3, 5\]"):
        encode_keys({4: "a"}, classes, "sizes")


def test_listed_labels_are_distinct_and_may_be_tuples():
    labels = list_labels([("a", 1), ("b", 2)])
    assert labels.shape == (2,) and labels[1] == ("b", 2)
    with pytest.raises(ValueError, match=r"labels\[2\] is 1, which is a duplicate"):
        list_labels([1, 2, 1])
