"""Datasets that are bundled, generated, downloaded or read from files."""

import gzip
import hashlib
import io
import re
import tarfile
import threading
import warnings
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline

import skreviews
from skreviews.datasets import (
    _imdb,
    fetch_imdb,
    load_app_reviews,
    make_reviews,
)
from skreviews.io import _source, read_reviews

SUFFIXES = [".csv", ".csv.gz", ".csv.zst", ".tsv.gz", ".jsonl", ".jsonl.gz", ".parquet"]


def linear_model():
    return make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))


def test_public_names_are_exported_by_the_package():
    for name in skreviews.datasets.__all__:
        assert getattr(skreviews, name) is getattr(skreviews.datasets, name)


# load_app_reviews


@pytest.fixture(scope="module")
def app_reviews():
    return load_app_reviews()


@pytest.fixture(scope="module")
def app_words(app_reviews):
    return [re.findall(r"[^\W\d_]+", text.lower()) for text in app_reviews.data]


def test_app_reviews_have_the_columns_of_a_store_export(app_reviews):
    frame = app_reviews.frame
    columns = ["reviewId", "content", "score", "thumbsUpCount", "at"]
    assert frame.columns.tolist() == columns
    assert len(frame) >= 1200
    assert frame.notna().all(axis=None)
    assert frame["reviewId"].is_unique
    assert frame["score"].dtype == np.int64
    assert (frame["thumbsUpCount"] >= 0).all()
    assert pd.api.types.is_datetime64_dtype(frame["at"])


def test_app_reviews_are_a_bunch(app_reviews):
    pd.testing.assert_series_equal(app_reviews.data, app_reviews.frame["content"])
    pd.testing.assert_series_equal(app_reviews.target, app_reviews.frame["score"])
    assert app_reviews.target_names == [1, 2, 3, 4, 5]
    assert "were written for this package" in app_reviews.DESCR
    assert Path(app_reviews.filename).is_file()


def test_app_reviews_as_arrays(app_reviews):
    bunch = load_app_reviews(as_frame=False)
    assert bunch.frame is None
    assert isinstance(bunch.data, np.ndarray) and bunch.data.dtype == object
    assert isinstance(bunch.target, np.ndarray) and bunch.target.dtype == np.int64
    assert all(type(text) is str for text in bunch.data)
    assert bunch.data.tolist() == app_reviews.data.tolist()


@pytest.mark.parametrize("as_frame", [True, False])
def test_app_reviews_as_a_pair(as_frame):
    bunch = load_app_reviews(as_frame=as_frame)
    X, y = load_app_reviews(return_X_y=True, as_frame=as_frame)
    assert type(X) is type(bunch.data) and type(y) is type(bunch.target)
    assert (X == bunch.data).all() and (y == bunch.target).all()


def test_ratings_of_app_reviews_are_distributed_like_those_of_a_store(app_reviews):
    share = app_reviews.target.value_counts(normalize=True)
    assert set(share.index) == {1, 2, 3, 4, 5}
    assert share[5] > share[1] > share[[2, 3, 4]].max()
    assert share[[2, 3]].max() < 0.12
    assert share.min() > 0.02


def test_app_reviews_are_varied(app_reviews, app_words):
    assert not app_reviews.data.str.strip().eq("").any()
    assert not app_reviews.data.str.lower().duplicated().any()
    assert len(set().union(*app_words)) >= 2500


def test_app_reviews_are_not_made_from_templates(app_words):
    runs = [{tuple(row[i : i + 6]) for i in range(len(row) - 5)} for row in app_words]
    n_rows = Counter(run for row in runs for run in row)
    shares_a_run = [any(n_rows[run] > 1 for run in row) for row in runs]
    assert np.mean(shares_a_run) < 0.02


@pytest.mark.parametrize(
    "pattern, at_least",
    [
        pytest.param("[\U0001f300-\U0001faff❤]", 50, id="emoji"),
        pytest.param(r"https?://|www\.", 5, id="URL"),
        pytest.param(r"\d+\.\d+", 10, id="version number"),
        pytest.param(r"\n", 1, id="line break"),
    ],
)
def test_app_reviews_contain_what_a_cleaner_handles(app_reviews, pattern, at_least):
    assert app_reviews.data.str.contains(pattern).sum() >= at_least


def test_app_reviews_are_learnable_but_not_trivial(app_reviews):
    scores = cross_val_score(linear_model(), app_reviews.data, app_reviews.target)
    assert 0.50 <= scores.mean() <= 0.80


# make_reviews


def test_make_reviews_returns_texts_and_ratings():
    X, y = make_reviews(500, random_state=0)
    assert X.shape == y.shape == (500,)
    assert X.dtype == object and y.dtype == np.int64
    assert all(type(text) is str for text in X)
    assert len(set(X)) > 490


def test_make_reviews_is_reproducible():
    X, y = make_reviews(2000, random_state=7)
    again = make_reviews(2000, random_state=np.random.RandomState(7))
    assert X.tolist() == again[0].tolist() and y.tolist() == again[1].tolist()
    other = make_reviews(2000, random_state=8)
    assert X.tolist() != other[0].tolist()


def test_make_reviews_does_not_change_the_global_random_state():
    before = np.random.get_state()[1].copy()
    make_reviews(10, random_state=0)
    assert (np.random.get_state()[1] == before).all()


def test_many_reviews_have_the_documented_statistics():
    X, y = make_reviews(101_000, random_state=0)  # more than one block
    lengths = np.array([len(text.split()) for text in X])
    assert lengths.min() >= 3
    assert 8 <= np.median(lengths) <= 12
    assert lengths.max() <= 60
    assert len({word for text in X for word in text.split()}) > 3000
    share = pd.Series(y).value_counts(normalize=True)
    assert share[5] > share[1] > share[4] > share[3] > share[2] > 0.03


@pytest.mark.parametrize("class_weights", [{2: 1, 4: 3}, [0, 10, 0, 30, 0]])
def test_make_reviews_follows_the_class_weights(class_weights):
    _, y = make_reviews(10_000, class_weights=class_weights, random_state=0)
    assert set(y) == {2, 4}
    assert np.mean(y == 4) == pytest.approx(0.75, abs=0.02)


def test_made_reviews_are_learnable_but_not_trivial():
    X, y = make_reviews(4000, random_state=0)
    scores = cross_val_score(linear_model(), X, y, cv=3)
    assert 0.70 <= scores.mean() <= 0.85


def test_neighbouring_ratings_of_made_reviews_are_confused_most():
    X, y = make_reviews(4000, class_weights=np.ones(5), random_state=0)
    confusion = confusion_matrix(y, cross_val_predict(linear_model(), X, y, cv=3))
    for star, row in enumerate(confusion):
        below, above = row[: star + 1], row[star:]
        assert (np.diff(below) > 0).all() and (np.diff(above) < 0).all()


@pytest.mark.parametrize(
    "class_weights, message",
    [
        ([1, 1], "one weight for each rating"),
        (np.ones((5, 1)), "one weight for each rating"),
        ([1, 1, 1, 1, -1], "not negative"),
        ([1, 1, 1, 1, np.nan], "finite"),
        ({}, "not all zero"),
        ({0: 1, 5: 1}, r"outside 1 to 5: \[0\]"),
        ("balanced", "class_weights"),
    ],
)
def test_make_reviews_rejects_invalid_weights(class_weights, message):
    with pytest.raises(ValueError, match=message):
        make_reviews(10, class_weights=class_weights)


@pytest.mark.parametrize("n_samples", [0, -1, 2.5])
def test_make_reviews_rejects_an_invalid_number_of_samples(n_samples):
    with pytest.raises(ValueError, match="n_samples"):
        make_reviews(n_samples)


# read_reviews


def write(frame, path):
    """Write a frame in the format of the file name."""
    if ".jsonl" in path.suffixes:
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    elif ".parquet" in path.suffixes:
        frame.to_parquet(path)
    else:
        sep = "\t" if ".tsv" in path.suffixes else ","
        compress(path, frame.to_csv(index=False, sep=sep).encode())
    return path


def compress(path, data):
    """Write bytes with the compression of the file name."""
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    elif path.suffix == ".zst":
        data = pa.compress(data, codec="zstd", asbytes=True)
    path.write_bytes(data)


def write_text(text, path, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_all_formats_give_the_same_texts_and_ratings(suffix, tmp_path):
    frame = pd.DataFrame(
        {
            "at": ["2024-01-01", "2024-01-02", None],
            "score": [5, 1, 3],
            "content": ['Says "hi",\tnice 😀', "1st line\n\n2nd line\r\n3rd", "naïve"],
        }
    )
    with warnings.catch_warnings(action="error"):
        X, y = read_reviews(write(frame, tmp_path / f"reviews{suffix}"))
    assert isinstance(X, pd.Series) and isinstance(y, pd.Series)
    assert X.name == "content" and y.name == "score"
    assert X.tolist() == frame["content"].tolist()
    assert y.tolist() == [5, 1, 3] and y.dtype == np.int64
    assert X.index.tolist() == y.index.tolist() == [0, 1, 2]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_line_breaks_inside_a_review_are_kept(suffix, tmp_path):
    text = "first\nsecond\n\nlast\n"
    frame = pd.DataFrame({"content": [text] * 3, "score": [1, 2, 3]})
    X, _ = read_reviews(write(frame, tmp_path / f"reviews{suffix}"))
    assert X.tolist() == [text] * 3


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_columns_may_have_other_names(suffix, tmp_path):
    frame = pd.DataFrame({"Review Text": ["ok", "free!!"], "kind": ["ham", "spam"]})
    path = write(frame, tmp_path / f"sms{suffix}")
    X, y = read_reviews(path, text="Review Text", target="kind")
    assert (X.name, X.tolist()) == ("Review Text", ["ok", "free!!"])
    assert (y.name, y.tolist()) == ("kind", ["ham", "spam"])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_dropped_rows_are_counted_by_reason(suffix, tmp_path):
    frame = pd.DataFrame(
        {
            "content": ["a", None, "c", " \n", "", "f", None],
            "score": [1, 2, None, 4, None, 5, 3],
        }
    )
    path = write(frame, tmp_path / f"reviews{suffix}")
    message = (
        f"reviews{suffix}: dropped 5 of 7 rows: 3 without text, 1 without a label, "
        "1 without both."
    )
    with pytest.warns(UserWarning, match=f"^{re.escape(message)}$") as record:
        X, y = read_reviews(path)
    assert X.to_dict() == {0: "a", 5: "f"}
    assert y.to_dict() == {0: 1, 5: 5} and y.dtype == np.int64
    assert [warning.filename for warning in record] == [__file__]


def test_only_reasons_that_occur_are_named(tmp_path):
    path = write_text("content,score\na,1\nb,\n", tmp_path / "reviews.csv")
    with pytest.warns(UserWarning, match="of 2 rows: 1 without a label\\.$"):
        read_reviews(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_texts_are_never_parsed_as_other_types(suffix, tmp_path):
    texts = ["007", "NA", "1.0", "null", "2024-01-01", "True", " spaced "]
    frame = pd.DataFrame({"content": texts, "score": 5})
    X, _ = read_reviews(write(frame, tmp_path / f"reviews{suffix}"))
    assert X.tolist() == texts


@pytest.mark.parametrize("sign", ["", " ", "NA", "NaN", "null", "#N/A"])
def test_usual_signs_of_a_missing_label_are_known(sign, tmp_path):
    path = write_text(f"content,score\na,{sign}\nb,5\n", tmp_path / "reviews.csv")
    with pytest.warns(UserWarning, match="1 without a label"):
        _, y = read_reviews(path)
    assert y.to_dict() == {1: 5}


@pytest.mark.parametrize(
    "labels, expected",
    [
        (["5", "1"], [5, 1]),
        (["5.0", "1"], [5, 1]),
        (["-1", " 0 "], [-1, 0]),
        (["4.5", "5.5"], ["4.5", "5.5"]),
        (["01", "02"], ["01", "02"]),
        (["9" * 20, "8" * 20], ["9" * 20, "8" * 20]),
        (["good", "bad"], ["good", "bad"]),
        (["true", "false"], ["true", "false"]),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_labels_become_integers_only_if_all_are_whole_numbers(
    labels, expected, suffix, tmp_path
):
    frame = pd.DataFrame({"content": ["a", "b"], "score": labels})
    _, y = read_reviews(write(frame, tmp_path / f"reviews{suffix}"))
    assert y.tolist() == expected
    assert (y.dtype == np.int64) == isinstance(expected[0], int)


@pytest.mark.parametrize(
    "labels, expected",
    [
        (np.array([5, 1], dtype=np.uint8), [5, 1]),
        (np.array([5.0, 1.0]), [5, 1]),
        (np.array([4.5, 1.0]), [4.5, 1.0]),
        (np.array([True, False]), [True, False]),
        (pd.Categorical(["good", "bad"]), ["good", "bad"]),
        (pd.Categorical([5, 1]), [5, 1]),
    ],
)
def test_labels_of_parquet_keep_their_type(labels, expected, tmp_path):
    frame = pd.DataFrame({"content": pd.Categorical(["a", "b"]), "score": labels})
    X, y = read_reviews(write(frame, tmp_path / "reviews.parquet"))
    assert X.tolist() == ["a", "b"]
    assert y.tolist() == expected
    assert type(y.tolist()[0]) is type(expected[0])


def test_json_may_mix_numbers_and_strings(tmp_path):
    lines = '{"content": 7, "score": 5}\n\n{"content": "b", "score": "1"}\n'
    X, y = read_reviews(write_text(lines, tmp_path / "reviews.jsonl"))
    assert X.tolist() == ["7", "b"]
    assert y.tolist() == [5, 1] and y.dtype == np.int64


def test_labels_that_are_not_whole_numbers_are_named(tmp_path):
    path = write_text("content,score\na,5\n,1\nc,2.1.0\n", tmp_path / "reviews.csv")
    message = "1 of 2 labels are not whole numbers, such as '2.1.0' in row 2"
    with (
        pytest.warns(UserWarning, match="1 without text"),
        pytest.warns(UserWarning, match=message),
    ):
        _, y = read_reviews(path)
    assert y.tolist() == ["5", "2.1.0"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_mark_of_a_csv(encoding, tmp_path):
    text = 'content,score\n"é 😀",5\n'
    X, y = read_reviews(write_text(text, tmp_path / "reviews.csv", encoding))
    assert (X.name, X.tolist(), y.tolist()) == ("content", ["é 😀"], [5])


def test_byte_order_mark_of_json(tmp_path):
    line = '{"content": "é", "score": 5}\n'
    X, y = read_reviews(write_text(line, tmp_path / "reviews.jsonl", "utf-8-sig"))
    assert (X.tolist(), y.tolist()) == (["é"], [5])


def test_path_may_be_a_str_with_a_suffix_in_upper_case(tmp_path):
    path = write_text("content,score\na,1\n", tmp_path / "REVIEWS.CSV")
    X, _ = read_reviews(str(path))
    assert X.tolist() == ["a"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_unknown_column_is_an_error_that_lists_the_columns(suffix, tmp_path):
    frame = pd.DataFrame({"content": ["a"], "score": [1]})
    path = write(frame, tmp_path / f"reviews{suffix}")
    message = (
        f"column 'contnt' is not in reviews{suffix}; its columns are: "
        "'content', 'score'. Did you mean 'content'?"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_reviews(path, text="contnt")
    with pytest.raises(ValueError, match=r"'xyz' is not .* 'content', 'score'\.$"):
        read_reviews(path, target="xyz")


def test_text_and_target_must_differ(tmp_path):
    path = write_text("content,score\na,1\n", tmp_path / "reviews.csv")
    with pytest.raises(ValueError, match="text and target are the same column"):
        read_reviews(path, target="content")


def test_column_must_be_unique(tmp_path):
    path = write_text("content,score,score\na,1,2\n", tmp_path / "reviews.csv")
    with pytest.raises(ValueError, match="more than one column 'score'"):
        read_reviews(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_file_without_complete_rows_is_an_error(suffix, tmp_path):
    frame = pd.DataFrame({"content": ["a", None], "score": [None, 1]})
    path = write(frame, tmp_path / f"reviews{suffix}")
    with pytest.raises(ValueError, match=r"reviews\..*: none of its 2 rows has"):
        read_reviews(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_absent_file_is_an_error(suffix, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"nothing{suffix}"):
        read_reviews(tmp_path / f"nothing{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_empty_file_is_an_error(suffix, tmp_path):
    path = tmp_path / f"reviews{suffix}"
    compress(path, b"")
    with pytest.raises(ValueError, match=rf"reviews{re.escape(suffix)}\b"):
        read_reviews(path)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.csv", b"content,score\na,1\nb,c,2\n", "a.csv: row 1 .* is 3 .* has 2"),
        ("a.csv", b'content,score\na,1\n"b,2\nc,3\n', "a.csv: row 1 .*not closed"),
        ("a.csv", b'content,"score\na,1\n', "a.csv: the header: a quote"),
        ("a.csv", b"content,score\na,1\n\xe9,1\n", "a.csv: row 1 .*text .*UTF-8"),
        ("a.csv", b"content,score\na,1\nb,\xe9\n", "a.csv: row 1 .*'score' .*UTF-8"),
        ("a.csv.gz", b"content,score\na,1\n", "a.csv.gz: .*incorrect header"),
        (
            "a.csv.gz",
            gzip.compress(b"content,score\na,1\n", mtime=0)[:-9],
            "a.csv.gz: ",
        ),
        ("a.jsonl", b'{"content": "a", "score": 1}\n{"cont', "a.jsonl: row 1 "),
        ("a.jsonl", b'{"content": "\xe9", "score": 1}\n', "a.jsonl: .*first: .*utf-8"),
        ("a.jsonl", b"[1, 2]\n", "a.jsonl: .*first: .*list"),
        ("a.jsonl", b'{"content": "\\ud83d", "score": 1}', "a.jsonl: row 0 .*UTF-8"),
        ("a.jsonl", b'{"content": {"b": 1}, "score": 1}', "a.jsonl: row 0 .*object"),
        ("a.parquet", b"content,score\na,1\n", "a.parquet: "),
    ],
)
def test_broken_content_is_an_error_with_its_position(name, content, message, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"cannot read {message}"):
        read_reviews(path)


def test_unknown_format_is_an_error_that_lists_the_formats(tmp_path):
    path = write_text("content,score\na,1\n", tmp_path / "reviews.xlsx")
    with pytest.raises(ValueError, match=r"\.csv, \.tsv, \.jsonl .* or \.parquet"):
        read_reviews(path)


def test_messy_export_of_a_store_is_read(data_folder):
    with (
        pytest.warns(UserWarning, match=r"dropped 7,395 of 26,591 rows: 31 without a"),
        pytest.warns(UserWarning, match=r"14 of 19,196 labels are not whole numbers"),
    ):
        X, y = read_reviews(data_folder / "messy_reviews.csv")
    assert len(X) == len(y) == 19_196
    assert not X.str.strip().eq("").any()
    assert y.value_counts()["5"] == 8987


def test_folders_and_patterns_are_read_in_the_order_of_their_names(tmp_path):
    for day in (2, 1):
        frame = pd.DataFrame({"content": [f"day {day}"] * 2, "score": day})
        write(frame, tmp_path / f"{day}.parquet")
        write(frame, tmp_path / f"{day}.csv")
    for path in (tmp_path, tmp_path / "*.csv"):
        X, y = read_reviews(path)
        assert X.to_dict() == {0: "day 1", 1: "day 1", 2: "day 2", 3: "day 2"}
        assert y.tolist() == [1, 1, 2, 2]


def test_json_column_may_begin_after_the_first_block(tmp_path, monkeypatch):
    monkeypatch.setattr(_source, "_BLOCK_BYTES", 20)
    lines = '{"content": "no label"}\n' * 9 + '{"content": "a", "score": 5}\n'
    with pytest.warns(UserWarning, match="dropped 9 of 10 rows: 9 without a label"):
        _, y = read_reviews(write_text(lines, tmp_path / "reviews.jsonl"))
    assert y.to_dict() == {9: 5}


def test_texts_of_parquet_must_be_strings(tmp_path):
    path = write(pd.DataFrame({"content": [1], "score": [2]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="'content' of a.parquet is int64, not text"):
        read_reviews(path)


# fetch_imdb

REVIEWS = {
    "aclImdb/test/neg/0_2.txt": "Dull.<br />Very dull.",
    "aclImdb/test/pos/0_10.txt": "Très bon!",
    "aclImdb/train/pos/1_7.txt": "Fine film",
    "aclImdb/train/pos/0_9.txt": "Loved it",
    "aclImdb/train/neg/0_3.txt": "Bad",
    "aclImdb/train/neg/10_1.txt": "Worse\nthan bad",
    "aclImdb/train/neg/9_4.txt": "Not good",
    "aclImdb/train/unsup/0_0.txt": "Who knows",
    "aclImdb/train/labeledBow.feat": "9 0:9 1:1",
    "aclImdb/README": "Large Movie Review Dataset v1.0",
}
TRAIN_TEXTS = ["Bad", "Not good", "Worse\nthan bad", "Loved it", "Fine film"]
TEST_TEXTS = ["Dull.<br />Very dull.", "Très bon!"]


def member(name, content=b"", **attributes):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, io.BytesIO(content)


def make_archive(*extra, reviews=REVIEWS):
    """Return the bytes of an archive with the layout of the real one."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.addfile(*member("aclImdb/train/pos", type=tarfile.DIRTYPE))
        for name, text in reviews.items():
            archive.addfile(*member(name, text.encode()))
        for info, content in extra:
            archive.addfile(info, content)
    return file.getvalue()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Function that serves an archive on this machine and returns its path."""
    folder = tmp_path / "www"
    folder.mkdir()
    handler = partial(QuietHandler, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    poll_often = partial(server.serve_forever, poll_interval=0.01)
    threading.Thread(target=poll_often, daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def serve(content):
        url = f"http://127.0.0.1:{server.server_port}/aclImdb_v1.tar.gz"
        monkeypatch.setattr(_imdb, "ARCHIVE_URL", url)
        checksum = hashlib.sha256(content).hexdigest()
        monkeypatch.setattr(_imdb, "ARCHIVE_SHA256", checksum)
        archive = folder / "aclImdb_v1.tar.gz"
        archive.write_bytes(content)
        return archive

    yield serve
    server.shutdown()
    server.server_close()


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_fetch_imdb_returns_a_bunch(serve, home):
    serve(make_archive())
    bunch = fetch_imdb(data_home=home)
    assert bunch.data.tolist() == TRAIN_TEXTS
    assert bunch.target.tolist() == [0, 0, 0, 1, 1] and bunch.target.dtype == np.int64
    assert bunch.target_names == ["neg", "pos"]
    assert bunch.stars.tolist() == [3, 4, 1, 9, 7]
    assert bunch.frame.columns.tolist() == ["text", "target", "stars", "subset"]
    assert "Maas" in bunch.DESCR


@pytest.mark.parametrize(
    "subset, texts",
    [("train", TRAIN_TEXTS), ("test", TEST_TEXTS), ("all", TRAIN_TEXTS + TEST_TEXTS)],
)
def test_fetch_imdb_returns_the_subset(subset, texts, serve, home):
    serve(make_archive())
    X, y = fetch_imdb(data_home=home, subset=subset, return_X_y=True)
    assert X.tolist() == texts
    assert X.index.tolist() == y.index.tolist() == list(range(len(texts)))


def test_fetch_imdb_returns_arrays(serve, home):
    serve(make_archive())
    bunch = fetch_imdb(data_home=home, as_frame=False)
    assert bunch.frame is None
    assert bunch.data.dtype == object and bunch.data.tolist() == TRAIN_TEXTS
    assert isinstance(bunch.target, np.ndarray) and isinstance(bunch.stars, np.ndarray)


def test_fetch_imdb_downloads_once_and_leaves_only_its_cache(serve, home):
    archive = serve(make_archive())
    first = fetch_imdb(data_home=home)
    assert names_in(home) == ["aclImdb_v1.parquet"]
    archive.unlink()
    again = fetch_imdb(data_home=home, download_if_missing=False)
    pd.testing.assert_frame_equal(first.frame, again.frame)


def test_fetch_imdb_uses_the_data_home_of_sklearn(serve, home, monkeypatch):
    serve(make_archive())
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(home))
    fetch_imdb()
    assert names_in(home) == ["aclImdb_v1.parquet"]


def test_fetch_imdb_uses_an_archive_in_the_data_home(serve, home):
    archive = serve(make_archive())
    home.mkdir()
    archive.rename(home / archive.name)
    assert fetch_imdb(data_home=home).data.tolist() == TRAIN_TEXTS


def test_fetch_imdb_without_download(serve, home):
    serve(make_archive())
    with pytest.raises(OSError, match="IMDb dataset not found"):
        fetch_imdb(data_home=home, download_if_missing=False)
    assert names_in(home) == []


def test_fetch_imdb_replaces_a_broken_cache(serve, home):
    serve(make_archive())
    home.mkdir()
    (home / "aclImdb_v1.parquet").write_bytes(b"incomplete file")
    with pytest.warns(UserWarning, match="Ignoring the broken cache"):
        bunch = fetch_imdb(data_home=home)
    assert bunch.data.tolist() == TRAIN_TEXTS
    with warnings.catch_warnings(action="error"):
        fetch_imdb(data_home=home)


def test_fetch_imdb_rejects_a_wrong_checksum(serve, home):
    archive = serve(make_archive())
    archive.write_bytes(archive.read_bytes() + b"\0")
    with pytest.raises(OSError, match="SHA256 checksum"):
        fetch_imdb(data_home=home)
    assert names_in(home) == []


def test_fetch_imdb_retries_before_it_fails(serve, home):
    serve(make_archive()).unlink()
    with (
        pytest.warns(UserWarning, match="Retry downloading"),
        pytest.raises(OSError, match="404"),
    ):
        fetch_imdb(data_home=home, n_retries=1, delay=0.001)
    assert names_in(home) == []


@pytest.mark.parametrize(
    "unsafe, message",
    [
        (member("../unsafe.txt", b"!"), "outside the archive's folder"),
        (
            member("aclImdb/train/pos/../../../../unsafe.txt", b"!"),
            "outside the archive's folder",
        ),
        (member("/tmp/unsafe.txt", b"!"), "outside the archive's folder"),
        (member(r"..\unsafe.txt", b"!"), "outside the archive's folder"),
        (
            member("aclImdb/train/pos/2_9.txt", type=tarfile.SYMTYPE, linkname="/x"),
            "neither a file nor a folder",
        ),
        (
            member("aclImdb/link", type=tarfile.LNKTYPE, linkname="aclImdb/README"),
            "neither a file nor a folder",
        ),
        (member("aclImdb/null", type=tarfile.CHRTYPE), "neither a file nor a folder"),
        (member("aclImdb/pipe", type=tarfile.FIFOTYPE), "neither a file nor a folder"),
        (member("aclImdb/test/pos/1_9.txt", bytes(2**20 + 1)), "too large"),
        (member("aclImdb/test/pos/1_9.txt", b"\xff\xfe\xfd"), "utf-8"),
    ],
)
def test_fetch_imdb_rejects_an_unsafe_archive(unsafe, message, serve, home, tmp_path):
    info, content = unsafe
    content.seek(0)
    serve(make_archive((info, content)))
    with pytest.raises(ValueError, match=message):
        fetch_imdb(data_home=home)
    assert names_in(home) == ["aclImdb_v1.tar.gz"]
    assert not list(tmp_path.rglob("*unsafe*"))


def test_fetch_imdb_rejects_an_archive_that_is_too_large(serve, home, monkeypatch):
    monkeypatch.setattr(_imdb, "MAX_TOTAL_BYTES", 2**20)
    serve(make_archive(member("aclImdb/imdb.vocab", bytes(2**20))))
    with pytest.raises(ValueError, match="more than 1048576 bytes"):
        fetch_imdb(data_home=home)


def test_fetch_imdb_rejects_an_archive_without_reviews(serve, home):
    serve(make_archive(reviews={"aclImdb/README": "Large Movie Review Dataset v1.0"}))
    with pytest.raises(ValueError, match="holds no reviews"):
        fetch_imdb(data_home=home)


@pytest.mark.parametrize(
    "parameter", [{"subset": "unsup"}, {"n_retries": 0}, {"data_home": 3}]
)
def test_fetch_imdb_rejects_invalid_parameters(parameter):
    with pytest.raises(ValueError, match=f"The '{next(iter(parameter))}' parameter"):
        fetch_imdb(**parameter)
