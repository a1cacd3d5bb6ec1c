"""check_texts: validation of raw texts."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from unittest.mock import patch

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st

from skreviews import SequenceVectorizer, TextCleaner
from skreviews.preprocessing import _texts, check_texts

CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "U ndarray": lambda texts: np.array(texts, dtype=str),
    "object ndarray": lambda texts: np.array(texts, dtype=object),
    "StringDType ndarray": lambda texts: np.array(
        texts, np.dtypes.StringDType(na_object=None)
    ),
    "object Series": lambda texts: pd.Series(texts, dtype=object),
    "str Series": lambda texts: pd.Series(texts, dtype="str"),
    "string Series": lambda texts: pd.Series(texts, dtype="string"),
    "category Series": lambda texts: pd.Series(texts, dtype="category"),
    "Arrow Series": lambda texts: pd.Series(texts, dtype=pd.ArrowDtype(pa.string())),
    "Series with odd index": lambda texts: pd.Series(
        texts, index=range(7 * len(texts), 0, -7), dtype="str"
    ),
    "Index": lambda texts: pd.Index(texts, dtype="str"),
    "Array": lambda texts: pa.array(texts, pa.string()),
    "large_string": lambda texts: pa.array(texts, pa.large_string()),
    "string_view": lambda texts: pa.array(texts, pa.string_view()),
    "dictionary": lambda texts: pa.array(texts, pa.string()).dictionary_encode(),
    "slice": lambda texts: pa.array(["no", *texts, "no"], pa.string())[1:-1],
    "ChunkedArray": lambda texts: pa.chunked_array(
        [texts[:2], [], texts[2:]], pa.string()
    ),
}
WITH_MISSING = {name: make for name, make in CONTAINERS.items() if name != "U ndarray"}
WHITE_SPACE = [char for char in map(chr, range(0x110000)) if char.isspace()]
# numpy drops null characters at the end of a text.
TEXTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    min_size=1,
    max_size=6,
)

few = settings(deadline=None, derandomize=True, max_examples=15)


@pytest.fixture(params=[TextCleaner(), SequenceVectorizer(max_len=4)], ids=["c", "v"])
def estimator(request):
    return sklearn.clone(request.param)


# Valid texts


@given(texts=TEXTS)
@few
def test_every_container_gives_the_same_texts(texts):
    for make in CONTAINERS.values():
        checked = check_texts(make(texts))
        assert checked.type == pa.large_string()
        assert checked.to_pylist() == texts


@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_null_characters_are_part_of_the_text(make):
    texts = ["good\0bad", "\0", "x"]
    checked = check_texts(make(texts)).to_pylist()
    assert checked[0] == "good\0bad"
    if not isinstance(make(texts), np.ndarray) or make(texts).dtype == object:
        assert checked == texts


def test_any_object_with_an_array_method_is_accepted():
    class Column:
        def __init__(self, *texts):
            self.texts = texts

        def __len__(self):
            return len(self.texts)

        def __array__(self, dtype=None, copy=None):
            return np.array(self.texts, dtype=object)

    assert check_texts(Column("a", "b")).to_pylist() == ["a", "b"]
    with pytest.raises(ValueError, match=r"X\[1\] is 3 \(int\)"):
        check_texts(Column("a", 3))


def test_subclasses_of_str_are_texts():
    class Star(StrEnum):
        one = "bad"

    assert check_texts([np.str_("a"), Star.one]).to_pylist() == ["a", "bad"]


def test_read_only_arrays_are_accepted(estimator):
    X = np.array(["good app", "bad app"], dtype=object)
    X.flags.writeable = False
    assert len(estimator.fit(X).transform(X)) == 2


# Missing texts


@pytest.mark.parametrize("make", WITH_MISSING.values(), ids=WITH_MISSING)
def test_missing_texts_raise_or_become_empty(make):
    X = make(["Good", "bad", None, "x", None])
    message = r'X\[2\] is .*not a str.*Drop the row.*TextCleaner\(missing="empty"\)'
    for reject in (check_texts, TextCleaner().transform, SequenceVectorizer().fit):
        with pytest.raises(ValueError, match=message):
            reject(X)
    checked = check_texts(X, missing="empty").to_pylist()
    assert checked == ["Good", "bad", "", "x", ""]
    cleaned = TextCleaner(missing="empty").transform(X)
    assert cleaned.tolist() == ["good", "bad", "", "x", ""]


@pytest.mark.parametrize("make", [list, lambda texts: pd.Series(texts, dtype=object)])
def test_every_missing_value_is_recognised(make):
    for value in (None, np.nan, float("nan"), pd.NA, pd.NaT, np.float32("nan")):
        X = make(["a", value, "b"])
        assert check_texts(X, missing="empty").to_pylist() == ["a", "", "b"]
        with pytest.raises(ValueError, match=r"X\[1\] is .*Drop the row"):
            check_texts(X)


def test_all_texts_may_be_missing():
    for X in ([None, None], [np.nan] * 2, pd.Series([np.nan] * 2), pa.nulls(2)):
        assert check_texts(X, missing="empty").to_pylist() == ["", ""]
        with pytest.raises(ValueError, match=r"X\[0\]"):
            check_texts(X)


# Invalid texts


@pytest.mark.parametrize(
    ("item", "value", "remedy"),
    [
        (b"bytes", "b'bytes' (bytes)", "Decode it"),
        (5, "5 (int)", "not token ids"),
        (2.5, "2.5 (float)", "one str for each text"),
        (["a", "b"], "['a', 'b'] (list)", "one str for each text"),
        (("a",), "('a',) (tuple)", "one str for each text"),
        ({"a": 1}, "{'a': 1} (dict)", "one str for each text"),
        (True, "True (bool)", ""),
    ],
)
def test_invalid_items_are_named_with_position_value_and_remedy(item, value, remedy):
    array = np.empty(3, dtype=object)
    array[:2] = ["good", "bad"]
    array[2] = item
    for X in (list(array), tuple(array), array, pd.Series(array, index=[9, 8, 7])):
        for missing in ("error", "empty"):
            with pytest.raises(ValueError) as error:
                check_texts(X, missing=missing)
            assert str(error.value).startswith(f"X[2] is {value}, not a str.")
            assert remedy in str(error.value)


def test_numbers_and_bytes_are_rejected():
    for X in (np.arange(3), [1, 2], pd.Series([1.5, 2.5]), pa.array([1, 2])):
        with pytest.raises(ValueError, match=r"X\[0\] is .*not a str"):
            check_texts(X)
    for X in (pa.array([b"a", b"b"]), np.array([b"a", b"b"])):
        with pytest.raises(ValueError, match=r"X\[0\] is .*bytes.*Decode"):
            check_texts(X)


def test_long_values_are_shortened_in_the_message():
    with pytest.raises(ValueError) as error:
        check_texts(["a", list(range(10_000))])
    assert len(str(error.value)) < 200


def test_lone_surrogates_are_rejected_with_a_remedy():
    for make in (list, tuple, np.array, lambda texts: pd.Series(texts, dtype=object)):
        X = make(["good", "bad \ud83d"])
        with pytest.raises(ValueError, match=r"X\[1\] holds half a surrogate.*encode"):
            check_texts(X)
    repaired = "bad \ud83d".encode("utf-8", "replace").decode()
    assert check_texts([repaired]).to_pylist() == [repaired]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("one text", r"X is a single str.*Pass a list: \[text\]"),
        (b"one text", r"X is a single bytes.*Pass a list"),
        (bytearray(b"one text"), "X is a bytearray.*Pass a list"),
        (np.array("one text"), r"X has the shape \(\)"),
        (np.array([["a", "b"]]), r"shape \(1, 2\).*Pass one column"),
        (np.empty((0, 2), dtype=object), r"shape \(0, 2\)"),
        (pd.DataFrame({"content": ["a"]}), r"DataFrame.*\(1, 1\).*X\['content'\]"),
        (pd.DataFrame(), "DataFrame"),
        ({"a": "b"}, "X is a dict"),
        ({"a", "b"}, "X is a set"),
        ((text for text in "ab"), "X is a generator"),
        (None, "X is a NoneType"),
        (5, "X is a int"),
        (["a", None], r"X\[1\]"),
        ([["a"]], r"X\[0\]"),
        (["a", 3], r"X\[1\]"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_invalid_input_is_rejected_and_changes_nothing(X, message, estimator):
    estimator.fit(["good app", "bad app"])
    state = pickle.dumps(estimator)
    calls = (estimator.fit, estimator.fit_transform, estimator.transform)
    for reject in (check_texts, *calls):
        with pytest.raises(ValueError, match=message):
            reject(X)
    assert pickle.dumps(estimator) == state


@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_empty_input_is_rejected(make, estimator):
    for reject in (check_texts, estimator.fit, estimator.fit_transform):
        with pytest.raises(ValueError, match="X is empty.*at least one text"):
            reject(make([]))


def test_all_texts_are_checked_before_the_tokenizer_runs():
    seen = []
    with pytest.raises(ValueError, match=r"X\[2\]"):
        SequenceVectorizer(tokenizer=seen.append).fit(["a", "b", None])
    assert seen == []


# The caller's data


@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_the_input_is_not_modified(make, estimator):
    texts = ["It's <b>GOOD</b> &amp; fast!!", "", "sooo  bad 😡", "5/5"]
    X = make(texts)
    check_texts(X)
    estimator.fit(X).transform(X)
    estimator.fit_transform(X)
    items = X.to_pylist() if hasattr(X, "to_pylist") else list(X)
    assert items == texts
    assert type(X) is type(make(texts))


def test_the_output_shares_no_memory_with_the_input():
    X = np.array(["good", "bad"], dtype=object)
    TextCleaner().fit_transform(X)[0] = "changed"
    assert X[0] == "good"


# Words and threads


@pytest.mark.parametrize("spaces", [WHITE_SPACE[:10], WHITE_SPACE])
@given(data=st.data())
@settings(few, max_examples=40)
def test_words_are_those_of_str_split(spaces, data):
    text = st.text(st.sampled_from([*spaces, "a", "é", "\x00", "\x1b", "\u200b"]))
    texts = data.draw(st.lists(text, min_size=1))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(_texts, "_CHUNK_ROWS", 2)
        codes, offsets, words = _texts.split_words(check_texts(texts))
    tokens = np.array(words.to_pylist(), dtype=object)[codes]
    rows = np.split(tokens, offsets[1:-1])
    assert [row.tolist() for row in rows] == [text.split() for text in texts]
    assert len(set(words.to_pylist())) == len(words)


def _count_threads():
    with patch.object(_texts, "ThreadPoolExecutor", wraps=ThreadPoolExecutor) as pool:
        SequenceVectorizer().fit(["good app"] * 5000)
    return pool.call_args.args[0] if pool.called else 1


def test_threads_respect_the_limits_of_joblib_and_arrow(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
    monkeypatch.setattr(pa, "cpu_count", lambda: 2)
    assert _count_threads() == 2
    monkeypatch.setattr(pa, "cpu_count", lambda: 1)
    assert _count_threads() == 1


@pytest.mark.slow
def test_parallel_jobs_share_the_cores():
    n_threads = joblib.Parallel(n_jobs=2)([joblib.delayed(_count_threads)()] * 2)
    assert 2 * max(n_threads) <= max(2, joblib.cpu_count())
