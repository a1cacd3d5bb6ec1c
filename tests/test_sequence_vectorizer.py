"""SequenceVectorizer: vocabulary, padded token ids and their words."""

import pickle
import re
from collections import Counter, OrderedDict
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.tokenize import TreebankWordTokenizer, WordPunctTokenizer
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.feature_extraction.text import CountVectorizer

from skreviews import SequenceVectorizer, TextCleaner, make_reviews
from skreviews.preprocessing import _texts
from skreviews.preprocessing._token_ids import TokenIds, check_ids, words_of

WORD = st.sampled_from("good bad app not the a crash 👍 好 é z".split())
DOCUMENTS = st.lists(st.lists(WORD, max_size=12).map(" ".join), min_size=1, max_size=15)
TEXTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(" \n\u3000\x1c"))
)

few = settings(deadline=None, derandomize=True, max_examples=20)
some = settings(few, max_examples=50)


def pad(rows, max_len, truncation):
    """Pad and truncate rows of ids one by one."""
    head = {"head": max_len, "tail": 0, "head_tail": int(np.ceil(max_len / 4))}
    padded = np.zeros((len(rows), max_len), dtype=np.int32)
    for line, row in zip(padded, rows, strict=True):
        if len(row) > max_len:
            n_head = head[truncation]
            row = row[:n_head] + row[len(row) - (max_len - n_head) :]
        line[: len(row)] = row
    return padded


def assert_same_vocabulary_as_sklearn(texts, min_df):
    peer = CountVectorizer(analyzer=str.split, min_df=min_df)
    vectorizer = SequenceVectorizer(min_df=min_df, max_features=None)
    try:
        expected = set(peer.fit(texts).vocabulary_)
    except ValueError:
        with pytest.raises(ValueError, match="min_df="):
            vectorizer.fit(texts)
    else:
        assert set(vectorizer.fit(texts).vocabulary_) == expected


# Vocabulary


@given(texts=DOCUMENTS)
@few
def test_ids_are_ordered_by_frequency_then_alphabetically(texts):
    counts = Counter(" ".join(texts).split())
    words = sorted(counts, key=lambda word: (-counts[word], word))
    for max_features in (None, 1, 3, np.int64(4)):
        vectorizer = SequenceVectorizer(max_features=max_features)
        if not words:
            with pytest.raises(ValueError, match="No word is in at least"):
                vectorizer.fit(texts)
            continue
        expected = {word: i for i, word in enumerate(words[:max_features], start=2)}
        assert vectorizer.fit(texts).vocabulary_ == expected


@given(
    texts=DOCUMENTS,
    min_df=st.integers(1, 5) | st.sampled_from([0.0, 0.01, 0.1, 1 / 3, 0.5, 0.9, 1.0]),
)
@some
def test_min_df_is_that_of_count_vectorizer(texts, min_df):
    assert_same_vocabulary_as_sklearn(texts, min_df)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lengths", ["even", "one long text", "some empty"])
def test_min_df_counts_texts_not_tokens(seed, lengths):
    # Words that are frequent but in few texts, and the reverse.
    random_state = np.random.default_rng(seed)
    n_texts = int(random_state.integers(20, 120))
    n_words = random_state.integers(0 if lengths == "some empty" else 1, 20, n_texts)
    if lengths == "one long text":
        n_words[random_state.integers(n_texts)] = 500
    words = np.array([f"w{i}" for i in range(80)])
    texts = []
    for n in n_words:
        ranks = np.minimum(random_state.zipf(1.3, n) - 1, 79)
        text = np.repeat(words[ranks], random_state.integers(1, 6, n))
        texts.append(" ".join(text[:n]))
    for min_df in (1, 2, 3, 7, n_texts // 2, n_texts, 0.02, 0.1, 0.25, 0.5, 1.0):
        assert_same_vocabulary_as_sklearn(texts, min_df)


@pytest.mark.parametrize(("n_texts", "min_df"), [(1, 1), (9_999, 1), (10_000, 2)])
def test_auto_min_df_depends_on_the_number_of_texts(n_texts, min_df):
    texts = ["all"] * n_texts
    texts[: min_df - 1] = ["all rare"] * (min_df - 1)
    texts[:min_df] = [f"{text} enough" for text in texts[:min_df]]
    assert SequenceVectorizer().min_df == "auto"
    vocabulary = SequenceVectorizer().fit(texts).vocabulary_
    assert vocabulary == SequenceVectorizer(min_df=min_df).fit(texts).vocabulary_
    assert set(vocabulary) == {"all", "enough"}


def test_max_features_keeps_the_most_frequent_words():
    texts = TextCleaner().transform(make_reviews(300, random_state=0)[0])
    peer = CountVectorizer(analyzer=str.split).fit(texts)
    counts = np.asarray(peer.transform(texts).sum(axis=0)).ravel()
    for max_features in (1, 10, 50, len(counts) + 9):
        vectorizer = SequenceVectorizer(max_features=max_features).fit(texts)
        kept = [counts[peer.vocabulary_[word]] for word in vectorizer.vocabulary_]
        assert kept == sorted(counts, reverse=True)[:max_features]


@given(texts=DOCUMENTS, data=st.data())
@some
def test_ids_do_not_depend_on_other_texts_order_or_slices(texts, data):
    texts = [*texts, "good app"]
    vectorizer = SequenceVectorizer(max_features=4)
    ids = vectorizer.fit_transform(texts)
    assert_array_equal(vectorizer.transform(texts), ids)
    rows = data.draw(st.lists(st.sampled_from(range(len(texts))), min_size=1))
    assert_array_equal(vectorizer.transform([texts[row] for row in rows]), ids[rows])
    shuffled = SequenceVectorizer(max_features=4).fit(data.draw(st.permutations(texts)))
    assert shuffled.vocabulary_ == vectorizer.vocabulary_
    assert shuffled.max_len_ == vectorizer.max_len_
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(_texts, "_CHUNK_ROWS", 2)
        sliced = SequenceVectorizer(max_features=4).fit_transform(texts)
    assert sliced.words == ids.words
    assert_array_equal(sliced, ids)


def test_every_container_gives_the_same_ids(as_container):
    texts = ["good app", "", "bad\u3000app 👍", "a\x1cb c"]
    expected = SequenceVectorizer()
    ids = expected.fit_transform(texts)
    vectorizer = SequenceVectorizer()
    assert_array_equal(vectorizer.fit_transform(as_container(texts)), ids)
    assert vectorizer.vocabulary_ == expected.vocabulary_
    assert_array_equal(expected.transform(as_container(texts)), ids)


def test_padding_is_0_and_out_of_vocabulary_words_are_1():
    vectorizer = SequenceVectorizer().fit(["good app", "good"])
    assert vectorizer.vocabulary_ == {"good": 2, "app": 3}
    assert vectorizer.max_len_ == 2
    ids = vectorizer.transform(["app", "", "bad good", "  "])
    assert ids.tolist() == [[3, 0], [0, 0], [1, 2], [0, 0]]


def test_an_empty_vocabulary_is_rejected():
    with pytest.raises(ValueError, match="min_df=3 of the 2 texts. Lower min_df"):
        SequenceVectorizer(min_df=3).fit(["good app", "good"])
    for params in ({}, {"tokenizer": lambda text: []}):
        with pytest.raises(ValueError, match="No word is in at least"):
            SequenceVectorizer(**params).fit(["", "  \n"])


# Fixed vocabulary


@pytest.mark.parametrize(
    "make",
    [list, tuple, np.array, pd.Series, pd.Index, iter]
    + [lambda words: dict.fromkeys(words).keys(), lambda words: {"good": 2, "app": 3}]
    + [lambda words: OrderedDict(app=3, good=2)]
    + [lambda words: MappingProxyType({"app": 3, "good": 2})],
    ids=["list", "tuple", "ndarray", "Series", "Index", "iterator", "keys"]
    + ["dict", "OrderedDict", "Mapping"],
)
def test_a_fixed_vocabulary_in_any_container(make):
    vectorizer = SequenceVectorizer(vocabulary=make(["good", "app"]), max_len=3)
    assert vectorizer.fit_transform(["app good bad"]).tolist() == [[3, 2, 1]]
    assert vectorizer.vocabulary_ == {"good": 2, "app": 3}


def test_a_mapping_assigns_the_ids():
    vocabulary = {"c": 4, "a": 2, "b": 3}
    ids = SequenceVectorizer(vocabulary=vocabulary).fit_transform(["a b c d"])
    assert ids.tolist() == [[2, 3, 4, 1]]
    assert ids.words == ("a", "b", "c")
    assert vocabulary == {"c": 4, "a": 2, "b": 3}


def test_a_learned_vocabulary_can_be_fixed_in_another_vectorizer():
    texts = make_reviews(50, random_state=0)[0]
    first = SequenceVectorizer(min_df=2).fit(texts)
    for vocabulary in (first.vocabulary_, list(first.vocabulary_)):
        second = SequenceVectorizer(vocabulary=vocabulary).fit(texts)
        assert second.vocabulary_ == first.vocabulary_
        assert_array_equal(second.transform(texts), first.transform(texts))


def test_a_fixed_vocabulary_ignores_min_df_and_max_features():
    vectorizer = SequenceVectorizer(vocabulary=["good"], min_df=5, max_features=1)
    assert vectorizer.fit_transform(["bad", ""]).tolist() == [[1], [0]]
    assert vectorizer.fit_transform(["", " "]).tolist() == [[0], [0]]


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        (["a", "b", "a"], r"vocabulary\[2\] repeats 'a' of vocabulary\[0\]"),
        (["a", 5], r"vocabulary\[1\] is 5 \(int\), not a str"),
        (["a", None], r"vocabulary\[1\] is None"),
        ([], "vocabulary is empty"),
        ({}, "vocabulary is empty"),
        ("abc", "vocabulary is a single str. Pass a list"),
        ({"a": 0, "b": 1}, "ids 2, 3, 4.*0 is padding, 1 out of vocabulary"),
        ({"a": 2, "b": 2}, "without gaps or duplicates"),
        ({"a": 2, "b": 4}, "without gaps or duplicates"),
        ({5: 2}, r"vocabulary\[0\] is 5"),
    ],
    ids=str,
)
def test_an_invalid_vocabulary_is_rejected_before_tokenizing(vocabulary, message):
    seen = []
    vectorizer = SequenceVectorizer(vocabulary=vocabulary, tokenizer=seen.append)
    with pytest.raises(ValueError, match=message):
        vectorizer.fit(["a b"])
    assert seen == []
    assert not hasattr(vectorizer, "vocabulary_")


# Length, truncation and type


@given(
    texts=DOCUMENTS,
    max_len=st.integers(1, 15),
    truncation=st.sampled_from(["head", "tail", "head_tail"]),
)
@some
def test_padding_and_truncation_equal_a_loop(texts, max_len, truncation):
    texts = [*texts, "good"]
    vectorizer = SequenceVectorizer(
        max_len=max_len, truncation=truncation, max_features=6
    )
    ids = vectorizer.fit_transform(texts)
    get = vectorizer.vocabulary_.get
    rows = [[get(word, 1) for word in text.split()] for text in texts]
    assert_array_equal(ids, pad(rows, max_len, truncation))
    assert ids.shape == (len(texts), max_len)


@pytest.mark.parametrize(
    ("truncation", "kept"),
    [("head", "abcdefgh"), ("tail", "cdefghij"), ("head_tail", "abefghij")],
)
def test_truncation(truncation, kept):
    vectorizer = SequenceVectorizer(max_len=8, truncation=truncation)
    ids = vectorizer.fit_transform([" ".join("abcdefghij")])
    assert vectorizer.inverse_transform(ids).tolist() == [" ".join(kept)]
    assert SequenceVectorizer().truncation == "head_tail"


@given(lengths=st.lists(st.integers(0, 50), min_size=1, max_size=300))
@few
def test_auto_max_len_is_the_99th_percentile(lengths):
    lengths = [*lengths, 1]
    max_len = SequenceVectorizer().fit(["a " * n for n in lengths]).max_len_
    assert np.mean(np.array(lengths) <= max_len) >= 0.99
    assert max_len <= max(lengths)


def test_auto_max_len_ignores_rare_lengths_and_has_a_limit():
    def auto(*lengths):
        return SequenceVectorizer().fit(["a " * n for n in lengths]).max_len_

    assert auto(3, 7, 5) == 7
    assert auto(*[7] * 995, *[300] * 5) == 7
    assert auto(*[7] * 980, *[300] * 20) == 300
    assert auto(1, *[0] * 500) == 1
    assert auto(5000, 1) == 2000
    assert SequenceVectorizer(max_len=5000).fit(["a"]).max_len_ == 5000


@pytest.mark.parametrize("dtype", [np.int32, "int64", np.uint16, np.dtype("i8"), int])
def test_dtype(dtype):
    vectorizer = SequenceVectorizer(dtype=dtype)
    assert vectorizer.fit_transform(["good app"]).dtype == np.dtype(dtype)
    assert vectorizer.transform(["x"]).dtype == np.dtype(dtype)
    assert SequenceVectorizer().fit_transform(["a"]).dtype == np.int32


@pytest.mark.parametrize("dtype", [float, np.float32, bool, object, None])
def test_dtypes_that_are_not_integers_are_rejected(dtype):
    with pytest.raises(ValueError, match="dtype=.* is not an integer type"):
        SequenceVectorizer(dtype=dtype).fit(["a"])


def test_a_dtype_too_narrow_for_the_vocabulary_is_rejected_and_changes_nothing():
    vectorizer = SequenceVectorizer(dtype=np.int8)
    vectorizer.fit([f"w{i}" for i in range(126)])  # ids to 127
    state = pickle.dumps(vectorizer)
    with pytest.raises(ValueError, match="dtype.*numbers up to 127"):
        vectorizer.fit([f"w{i}" for i in range(127)])
    assert pickle.dumps(vectorizer) == state


@pytest.mark.parametrize(
    "params",
    [
        {"max_len": 0},
        {"max_len": -3},
        {"max_len": 2.5},
        {"max_len": None},
        {"max_len": "long"},
        {"max_features": 0},
        {"max_features": 1.5},
        {"min_df": 0},
        {"min_df": 1.5},
        {"min_df": -0.1},
        {"min_df": "2"},
        {"truncation": "middle"},
        {"tokenizer": "split"},
    ],
    ids=str,
)
def test_invalid_parameters_are_named_and_change_nothing(params):
    ((name, value),) = params.items()
    vectorizer = SequenceVectorizer().fit(["good app"]).set_params(**params)
    state = pickle.dumps(vectorizer)
    message = f"'{name}' parameter of SequenceVectorizer.*Got {value!r} instead"
    with pytest.raises(ValueError, match=message):
        vectorizer.fit(["bad"])
    assert pickle.dumps(vectorizer) == state


# Tokenizers


@pytest.mark.parametrize(
    "tokenizer",
    [
        TreebankWordTokenizer().tokenize,
        WordPunctTokenizer().tokenize,
        re.compile(r"\w+").findall,
        str.split,
        lambda text: tuple(text),
        lambda text: iter(text.split()),
    ],
    ids=["Treebank", "WordPunct", "regex", "split", "characters", "iterator"],
)
def test_tokenizer(tokenizer):
    texts = ["It's good, isn't it?", "", "Don't  buy!", "good"]
    vectorizer = SequenceVectorizer(tokenizer=tokenizer, max_len=30)
    ids = vectorizer.fit_transform(texts)
    rows = [list(tokenizer(text)) for text in texts]
    assert set(vectorizer.vocabulary_) == {token for row in rows for token in row}
    get = vectorizer.vocabulary_.get
    assert_array_equal(ids, pad([[get(t) for t in row] for row in rows], 30, "head"))
    assert_array_equal(vectorizer.transform(texts), ids)
    assert vectorizer.transform(["", " "])[0].tolist() == [0] * 30
    assert vectorizer.oov_rate([""]) == 0.0


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (None, r"returned None for X\[0\]. It must return a list of str"),
        ("a b", r"returned 'a b' for X\[0\]"),
        (["a", 5], r"returned the token 5 for X\[0\], which is not a str"),
    ],
)
def test_invalid_tokens_are_rejected(tokens, message):
    with pytest.raises(ValueError, match=message):
        SequenceVectorizer(tokenizer=lambda text: tokens).fit(["good"])


@given(texts=TEXTS)
@some
def test_the_default_tokenizer_is_str_split(texts):
    texts = [*texts, "word"]
    fast = SequenceVectorizer(max_features=None, max_len=100)
    slow = SequenceVectorizer(max_features=None, max_len=100, tokenizer=str.split)
    ids = fast.fit_transform(texts)
    assert_array_equal(slow.fit_transform(texts), ids)
    assert fast.vocabulary_ == slow.vocabulary_
    assert fast.oov_rate(["x word"]) == slow.oov_rate(["x word"])
    expected = [" ".join(text.split()) for text in texts]
    assert fast.inverse_transform(ids).tolist() == expected


# inverse_transform and oov_rate


@given(texts=DOCUMENTS)
@few
def test_inverse_transform_returns_the_texts(texts):
    texts = [*texts, "good"]
    vectorizer = SequenceVectorizer()
    ids = vectorizer.fit_transform(texts)
    back = vectorizer.inverse_transform(ids)
    assert back.dtype == object
    for same in (ids, np.asarray(ids), ids.tolist(), pd.DataFrame(ids), ids + 0.0):
        assert vectorizer.inverse_transform(same).tolist() == texts


def test_inverse_transform_of_out_of_vocabulary_ids():
    vectorizer = SequenceVectorizer().fit(["good app"])
    assert vectorizer.inverse_transform([[3, 1], [0, 0]]).tolist() == ["good <unk>", ""]
    assert vectorizer.inverse_transform([[4, 999]]).tolist() == ["<unk> <unk>"]


@given(train=DOCUMENTS, test=DOCUMENTS)
@few
def test_oov_rate_is_the_share_of_out_of_vocabulary_tokens(train, test):
    vectorizer = SequenceVectorizer(max_features=3, max_len=2).fit([*train, "good"])
    tokens = " ".join(test).split()
    is_oov = [token not in vectorizer.vocabulary_ for token in tokens]
    rate = vectorizer.oov_rate(test)
    assert isinstance(rate, float)
    assert rate == pytest.approx(np.mean(is_oov) if tokens else 0.0)
    assert SequenceVectorizer().fit([*train, "good"]).oov_rate([*train, "good"]) == 0.0


# DataFrame output


def test_feature_names():
    vectorizer = SequenceVectorizer(max_len=3).fit(["good app"])
    expected = ["sequencevectorizer0", "sequencevectorizer1", "sequencevectorizer2"]
    assert vectorizer.get_feature_names_out().tolist() == expected


def test_set_output_pandas_keeps_the_index_and_the_words():
    X = pd.Series(["good app", "bad", "app"], index=[30, 10, 20])
    vectorizer = SequenceVectorizer()
    ids = vectorizer.fit_transform(X)
    frame = vectorizer.set_output(transform="pandas").transform(X)
    expected = pd.DataFrame(
        np.asarray(ids), index=X.index, columns=vectorizer.get_feature_names_out()
    )
    assert_frame_equal(frame, expected)
    assert_frame_equal(vectorizer.fit_transform(X), expected)
    with sklearn.config_context(transform_output="pandas"):
        assert_frame_equal(SequenceVectorizer().fit_transform(X), expected)
        default = SequenceVectorizer().set_output(transform="default")
        assert type(default.fit_transform(X)) is TokenIds
    assert vectorizer.inverse_transform(frame).tolist() == X.tolist()
    assert words_of(frame) == words_of(ids) == ids.words


# TokenIds


@pytest.fixture
def token_ids():
    return SequenceVectorizer().fit_transform(["good app", "bad app", "good good bad"])


def test_token_ids_carry_their_words(token_ids):
    assert isinstance(token_ids, TokenIds)
    vectorizer = SequenceVectorizer().fit(["good app", "bad app", "good good bad"])
    for word, i in vectorizer.vocabulary_.items():
        assert token_ids.words[i - 2] == word
    assert vectorizer.transform(["a"]).words is vectorizer.transform(["b"]).words


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_token_ids_keep_the_words(token_ids, protocol):
    back = pickle.loads(pickle.dumps(token_ids, protocol))
    assert type(back) is TokenIds
    assert back.words == token_ids.words
    assert back.dtype == token_ids.dtype
    assert_array_equal(back, token_ids)


@pytest.mark.parametrize(
    "select",
    [
        lambda ids: ids[1:],
        lambda ids: ids[[2, 0]],
        lambda ids: ids[np.array([True, False, True])],
        lambda ids: ids[:, :1],
        lambda ids: ids[0],
        lambda ids: ids.copy(),
        lambda ids: ids.astype(np.int64),
        lambda ids: ids.take([1, 1], axis=0),
        lambda ids: sklearn.utils._safe_indexing(ids, [0, 2]),
        lambda ids: ids.reshape(-1),
    ],
    ids=["slice", "rows", "mask", "columns", "row", "copy", "astype", "take"]
    + ["safe_indexing", "reshape"],
)
def test_selections_of_token_ids_keep_the_words(token_ids, select):
    selected = select(token_ids)
    assert type(selected) is TokenIds
    assert selected.words == token_ids.words


def test_token_ids_are_an_integer_array(token_ids):
    plain = np.asarray(token_ids)
    assert type(plain) is np.ndarray
    assert_array_equal(token_ids + 1, plain + 1)
    assert token_ids.max() == plain.max()
    assert np.zeros(3).view(TokenIds).words is None


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[2, 3], [3, 2.5]], r"X\[1, 1\] is 2.5, which is not a whole number"),
        ([[2, 3], [3, -1]], r"X\[1, 1\] is -1, which is negative"),
        ([[2, 3], [3, np.nan]], "NaN"),
        ([[2, 3], [3, np.inf]], "infinity"),
        (["good"], "X holds texts, not token ids"),
    ],
)
def test_invalid_ids_are_rejected(X, message):
    vectorizer = SequenceVectorizer().fit(["good app"])
    for reject in (vectorizer.inverse_transform, lambda X: check_ids(X, vectorizer)):
        with pytest.raises(ValueError, match=message):
            reject(X)


# Stems


@pytest.mark.parametrize("stemmer", ["porter", "snowball", "lancaster"])
def test_stemming_in_the_vectorizer_equals_stemming_in_the_cleaner(stemmer):
    X = [f"{text} crashing crashes!" for text in make_reviews(50, random_state=0)[0]]
    cleaner, stemming = TextCleaner(), TextCleaner(stemmer=stemmer)
    vectorizer = SequenceVectorizer(stemmer=stemmer)
    plain = SequenceVectorizer()
    ids = vectorizer.fit_transform(cleaner.fit_transform(X))
    assert_array_equal(ids, plain.fit_transform(stemming.fit_transform(X)))
    assert vectorizer.vocabulary_ == plain.vocabulary_
    new = ["It crashed again", "unheard-of words"]
    assert_array_equal(
        vectorizer.transform(cleaner.transform(new)),
        plain.transform(stemming.transform(new)),
    )


def test_ids_carry_the_most_frequent_word_of_each_stem_in_any_order_of_the_texts():
    texts = ["crashes crashes crash", "loved loves", "the crashing app"]
    for X in (texts, texts[::-1]):
        ids = SequenceVectorizer(stemmer="snowball").fit_transform(X)
        assert ids.words == ("crashes", "loved", "app", "the")


def test_stems_of_another_language():
    vectorizer = SequenceVectorizer(stemmer="snowball", language="german")
    vectorizer.fit(["die Häuser", "das Haus"])
    assert set(vectorizer.vocabulary_) == {"die", "haus", "das"}
    with pytest.raises(ValueError, match="'klingon' has no snowball stemmer"):
        vectorizer.set_params(language="klingon").fit(["nuqneH"])
