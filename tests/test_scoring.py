"""Scores of files and of batches: one row for each text, in order, with a status."""

import gzip
import io
import json
import mmap
import platform
import sys
import warnings
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skreviews import (
    iter_scores,
    make_review_pipeline,
    make_reviews,
    save,
    score_file,
)
from skreviews.io import _csv_parser, _source
from skreviews.io._targets import ParquetTarget

PROBA = [f"proba_{stars}" for stars in range(1, 6)]
STATUSES = ["ok", "empty", "missing", "all_unknown", "too_long_truncated", "unreadable"]


@pytest.fixture(scope="module")
def pipe():
    """A small fitted pipeline that truncates texts to 12 tokens."""
    X, y = make_reviews(200, random_state=0)
    params = {"lstm__hidden_size": 4, "lstm__max_epochs": 1, "vectorize__max_len": 12}
    return make_review_pipeline(random_state=0, device="cpu", **params).fit(X, y)


def _score(pipe, tmp_path, data, name="in.csv", **options):
    """Write the source, score it, and return the target as a frame."""
    source, target = tmp_path / name, tmp_path / "out.parquet"
    source.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        summary = score_file(pipe, source, target, **options)
    frame = pd.read_parquet(target)
    target.unlink()
    source.unlink()
    assert list(tmp_path.iterdir()) == []
    assert summary.rows == len(frame) == sum(summary.statuses.values())
    assert summary.statuses == {
        status: (frame["status"] == status).sum() for status in STATUSES
    }
    return frame


def test_each_row_has_a_status_and_only_texts_have_scores(pipe, tmp_path):
    texts = {
        "good app": "ok",
        "": "empty",
        " \t\n": "empty",
        None: "missing",
        "zzxxyy qqwwvv": "all_unknown",
        "123 !!": "all_unknown",
        "good " * 13: "too_long_truncated",
        "good " * 12: "ok",
        "zzxxyy " * 13: "all_unknown",
    }
    lines = [json.dumps({"content": text}) for text in texts]
    frame = _score(pipe, tmp_path, "\n".join(lines).encode(), "in.jsonl")
    assert list(frame["row"]) == list(range(len(texts)))
    assert list(frame["status"]) == list(texts.values())
    unscored = frame["status"].isin(["empty", "missing"])
    assert frame["prediction"].isna().equals(unscored)
    for name in PROBA:
        assert frame[name].isna().equals(unscored)


def test_probabilities_equal_those_of_each_text_alone(pipe, tmp_path):
    X, _ = make_reviews(60, random_state=3)
    data = pd.DataFrame({"content": X}).to_csv(index=False).encode()
    frame = _score(pipe, tmp_path, data, batch_rows=7)
    alone = np.vstack([pipe.predict_proba([text]) for text in X])
    np.testing.assert_allclose(frame[PROBA], alone, atol=1e-5)
    assert np.array_equal(frame["prediction"], pipe.predict(X))


def test_saved_model_and_pipeline_give_the_same_scores(pipe, tmp_path):
    save(pipe, tmp_path / "m.skr")
    (tmp_path / "in.csv").write_text("content\ngood app\nbad app\n")
    for name, model in (("a", pipe), ("b", tmp_path / "m.skr")):
        score_file(model, tmp_path / "in.csv", tmp_path / f"{name}.csv")
    a, b = [(tmp_path / f"{name}.csv").read_bytes() for name in "ab"]
    assert a == b


def test_prediction_follows_the_decision_of_the_model(pipe, tmp_path):
    X, _ = make_reviews(60, random_state=3)
    data = pd.DataFrame({"content": X}).to_csv(index=False).encode()
    pipe.set_params(lstm__decision="median")
    try:
        frame = _score(pipe, tmp_path, data)
        assert np.array_equal(frame["prediction"], pipe.predict(X))
    finally:
        pipe.set_params(lstm__decision="mode")


def test_labels_keep_their_type(tmp_path):
    X, y = make_reviews(100, random_state=0)
    params = {"lstm__hidden_size": 4, "lstm__max_epochs": 1}
    pipe = make_review_pipeline(random_state=0, **params)
    pipe.fit(X, np.where(y > 3, "=good", "bad"))
    frame = _score(pipe, tmp_path, b"content\ngood app\n")
    assert list(frame.columns) == [
        *("row", "prediction", "proba_=good", "proba_bad", "status")
    ]
    assert frame["prediction"][0] in ("=good", "bad")


FORMATS = [*product(["csv", "tsv", "jsonl"], ["", ".gz", ".zst"]), ("parquet", "")]
FRAME = pd.DataFrame(
    {
        "id": ["007", "NA", "x", "", "5"],
        "content": ["good app", 'two\nlines, "quoted"', "007", "NA", None],
        "n": [1, 2, 3, 4, 5],
    }
)


def _compress(path, data):
    if path.suffix == ".gz":
        data = gzip.compress(data)
    elif path.suffix == ".zst":
        data = pa.compress(data, codec="zstd", asbytes=True)
    path.write_bytes(data)


@pytest.mark.parametrize("file_format, compression", FORMATS)
def test_all_source_formats_give_the_same_rows(
    pipe, tmp_path, file_format, compression
):
    source = tmp_path / f"in.{file_format}{compression}"
    out = io.BytesIO()
    frame = FRAME.astype({"n": str})
    if file_format == "parquet":
        frame.to_parquet(out)
    elif file_format == "jsonl":
        frame.to_json(out, orient="records", lines=True)
    else:
        frame.to_csv(out, index=False, sep="\t" if file_format == "tsv" else ",")
    _compress(source, out.getvalue())
    target = tmp_path / "out.parquet"
    score_file(pipe, source, target, id="id", columns=["content", "n"])
    scored = pd.read_parquet(target)
    assert list(scored["id"]) == list(FRAME["id"])
    assert list(scored["n"]) == ["1", "2", "3", "4", "5"]
    assert list(scored["content"])[:4] == list(FRAME["content"])[:4]
    assert list(scored["status"])[4] == "missing" and scored["content"].isna()[4]
    proba = pipe.predict_proba(FRAME["content"][:4])
    np.testing.assert_allclose(scored[PROBA][:4], proba, atol=1e-5)


@pytest.mark.parametrize("file_format, compression", FORMATS)
def test_all_target_formats_hold_the_same_rows(
    pipe, tmp_path, file_format, compression
):
    FRAME.to_csv(tmp_path / "in.csv", index=False)
    options = {"columns": ["content", "n", "id"], "batch_rows": 2}
    score_file(pipe, tmp_path / "in.csv", tmp_path / "a.parquet", **options)
    target = tmp_path / f"b.{file_format}{compression}"
    score_file(pipe, tmp_path / "in.csv", target, **options)
    expected = pq.read_table(tmp_path / "a.parquet")
    if file_format == "parquet":
        found = pq.read_table(target)
    else:
        data = pa.input_stream(target, compression="detect").read()
        if file_format == "jsonl":
            rows = [json.loads(line) for line in data.splitlines()]
            found = pa.Table.from_pylist(rows, schema=expected.schema)
        else:
            found = pa_csv.read_csv(
                pa.BufferReader(data),
                parse_options=pa_csv.ParseOptions(
                    delimiter="\t" if file_format == "tsv" else ",",
                    newlines_in_values=True,
                ),
                convert_options=pa_csv.ConvertOptions(
                    column_types=expected.schema,
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
    assert found.equals(expected)


def test_folder_target_gets_parquet_parts(pipe, tmp_path):
    FRAME.to_csv(tmp_path / "in.csv", index=False)
    for folder in (f"{tmp_path}/new/", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        score_file(pipe, tmp_path / "in.csv", folder, batch_rows=2)
        parts = sorted(path.name for path in (tmp_path / folder).iterdir())
        assert parts == [f"part-00000{number}.parquet" for number in range(3)]
        assert list(pd.read_parquet(folder)["row"]) == list(range(5))
    assert not list(tmp_path.glob("*.journal"))


def test_folders_and_patterns_are_read_in_the_order_of_their_names(pipe, tmp_path):
    folder = tmp_path / "days"
    folder.mkdir()
    for day in (2, 1, 3):
        frame = pd.DataFrame({"content": [f"day {day}"] * 2, "day": [day] * 2})
        frame.to_parquet(folder / f"{day}.parquet")
        frame.to_csv(folder / f"{day}.csv", index=False)
    (folder / "_hidden").mkdir()
    frame.to_parquet(folder / "_hidden" / "4.parquet")
    for number, source in enumerate((folder, folder / "*.csv")):
        target = tmp_path / f"{number}.csv"
        score_file(pipe, source, target, columns=["day"])
        scored = pd.read_csv(target)
        assert list(scored["day"]) == [1, 1, 2, 2, 3, 3]
        assert list(scored["row"]) == list(range(6))


def test_parquet_columns_keep_their_types(pipe, tmp_path):
    table = pa.table(
        {
            "content": pa.array(["good", None, "bad"]).dictionary_encode(),
            "key": pa.array([7, 8, 9], pa.int32()),
            "at": pa.array([1, 2, None], pa.timestamp("us")),
            "tags": [["a"], [], None],
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    options = {"id": "key", "columns": ["at", "tags"]}
    score_file(pipe, tmp_path / "in.parquet", tmp_path / "a.parquet", **options)
    found = pq.read_table(tmp_path / "a.parquet")
    for name in ("key", "at", "tags"):
        assert found[name].equals(table[name])
    score_file(pipe, tmp_path / "in.parquet", tmp_path / "a.jsonl", **options)
    first = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])
    assert first["key"] == 7 and first["tags"] == ["a"]
    with pytest.raises(ValueError, match="'tags' is list"):
        score_file(pipe, tmp_path / "in.parquet", tmp_path / "a.csv", **options)


BROKEN = [
    b"5,too,many",
    b"5",
    b'5,"never closed',
    b"5,caf\xe9 latin",
    b'"5,closed on the next line',
]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("position", [0, 2, 3])
@pytest.mark.parametrize("block_bytes", [8, 2**20])
def test_broken_row_of_a_csv_does_not_affect_other_rows(
    pipe, tmp_path, broken, position, block_bytes, monkeypatch
):
    monkeypatch.setattr(_source, "_BLOCK_BYTES", block_bytes)
    rows = [b"5,good app", b'4,"two\nlines, ""quoted"""', b"1,bad"]
    data = b"\r\n".join([b"score,content", *rows[:position], broken, *rows[position:]])
    frame = _score(pipe, tmp_path, data, columns=["content", "score"])
    others = frame.drop(index=position)
    assert frame["status"][position] == "unreadable"
    assert pd.isna(frame["prediction"][position])
    assert pd.isna(frame["content"][position])
    assert list(others["content"]) == ["good app", 'two\nlines, "quoted"', "bad"]
    assert list(others["score"]) == ["5", "4", "1"]
    assert set(others["status"]) <= {"ok", "all_unknown"}


def test_misplaced_quotes_within_a_line_are_read_leniently(pipe, tmp_path):
    data = b'score,content\n5,"great" app\n4,a 27" screen\n3,"a"\n'
    frame = _score(pipe, tmp_path, data, columns=["content"])
    assert list(frame["content"]) == ["great app", 'a 27" screen', "a"]
    assert "unreadable" not in set(frame["status"])


def test_nul_characters_and_large_fields_are_read(pipe, tmp_path):
    huge = "good " * 500_000
    data = f'content,n\nnul \0 here,1\n"{huge}\n{huge}",2\n{huge},3\nbad,4\n'.encode()
    frame = _score(pipe, tmp_path, data, columns=["n"])
    assert list(frame["n"]) == ["1", "2", "3", "4"]
    assert list(frame["status"])[1:3] == ["too_long_truncated"] * 2


def test_rows_above_the_size_limit_are_unreadable(pipe, tmp_path, monkeypatch):
    monkeypatch.setattr(_source, "_BLOCK_BYTES", 16)
    for module in (_source, _csv_parser):
        monkeypatch.setattr(module, "MAX_ROW_BYTES", 64)
    data = b'content,n\na,1\n"' + b"b " * 90 + b"\n" + b"c" * 200 + b",3\nd,4\n"
    frame = _score(pipe, tmp_path, data, columns=["n"])
    assert list(frame["n"].fillna("")) == ["1", "", "", "4"]
    assert list(frame["status"])[1:3] == ["unreadable"] * 2
    data = b'{"content": "a"}\n{"content": "' + b"b" * 200 + b'"}\n{"content": "c"}'
    frame = _score(pipe, tmp_path, data, "in.jsonl")
    assert (frame["status"] == "unreadable").tolist() == [False, True, False]


_FIELDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(_FIELDS, _FIELDS), min_size=1, max_size=6),
    st.sampled_from([3, 17, 2**20]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_fields_survive_a_round_trip_through_csv(rows, block_bytes, end):
    import csv

    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["content", "other"])
    writer.writerows(rows)
    found = _read_csv(out.getvalue().encode(), block_bytes)
    assert [(text or "", other) for text, other, _ in found] == rows
    assert not any(reason for *_, reason in found)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from('a,"\n\r='), max_size=40).map("".join),
    st.sampled_from([1, 2, 5]),
)
def test_rows_do_not_depend_on_the_blocks_of_a_csv(text, block_bytes):
    data = b"content,other\n" + text.encode()
    assert _read_csv(data, block_bytes) == _read_csv(data, 2**20)


def _read_csv(data, block_bytes):
    """Return the rows of a CSV read in blocks of this size."""
    source = _source.Source.__new__(_source.Source)
    source.format, source.names, source.n_checked = "csv", ["content", "other"], 1
    blocks = (
        data[start : start + block_bytes] for start in range(0, len(data), block_bytes)
    )
    _, *tables = source._open_text(blocks, "x.csv")
    return [
        row
        for table in tables
        for row in zip(*(column.to_pylist() for column in table.columns), strict=True)
    ]


def test_broken_lines_of_jsonl_do_not_affect_other_rows(pipe, tmp_path):
    lines = [
        '{"content": "good app", "n": 1}',
        "{broken",
        "[1, 2]",
        "",
        '{"n": true}',
        '{"content": "half \\ud800 pair"}',
        '{"content": 7, "n": {"a": [1]}}',
        "[" * 100_000,
    ]
    data = "\n".join(lines).encode() + b'\n{"content": "caf\xe9"}'
    frame = _score(pipe, tmp_path, data, "in.jsonl", columns=["content", "n"])
    unreadable = frame["status"] == "unreadable"
    assert list(np.flatnonzero(unreadable)) == [1, 2, 4, 6, 7]
    assert list(frame["content"][~unreadable].fillna("-")) == ["good app", "-", "7"]
    assert list(frame["n"][~unreadable]) == ["1", "true", '{"a": [1]}']


def test_invalid_bytes_in_parquet_do_not_affect_other_rows(pipe, tmp_path):
    table = pa.table({"content": pa.array([b"good", b"caf\xe9", None], pa.binary())})
    pq.write_table(table, tmp_path / "in.parquet")
    with pytest.warns(
        UserWarning, match=r"1 of 3 rows are unreadable; row 1: its text"
    ):
        score_file(pipe, tmp_path / "in.parquet", tmp_path / "out.csv")
    scored = pd.read_csv(tmp_path / "out.csv")
    assert list(scored["status"])[1:] == ["unreadable", "missing"]


def test_on_error_raise_names_the_row(pipe, tmp_path):
    (tmp_path / "in.csv").write_text("a,content\n1,good\n2,bad\n3\n4,x\n")
    with pytest.raises(
        ValueError, match=r"row 2 of .*in.csv is unreadable: .* is 1 where"
    ):
        paths = tmp_path / "in.csv", tmp_path / "out.csv"
        score_file(pipe, *paths, batch_rows=2, on_error="raise")
    assert not (tmp_path / "out.csv").exists()
    with pytest.warns(UserWarning, match="row 2: the number of fields is 1"):
        summary = score_file(pipe, tmp_path / "in.csv", tmp_path / "out.csv")
    assert summary.resumed_rows == 2 and summary.rows == 4


def test_error_of_a_tokenizer_does_not_affect_other_rows(tmp_path):
    X, y = make_reviews(100, random_state=0)
    params = {"lstm__hidden_size": 4, "lstm__max_epochs": 1}
    pipe = make_review_pipeline(vectorize__tokenizer=_tokenize, **params).fit(X, y)
    frame = _score(pipe, tmp_path, b"content\ngood app\nrefuse me\nbad\n\xff\n")
    assert (frame["status"] == "unreadable").tolist() == [False, True, False, True]
    with pytest.raises(ValueError, match="refused"):
        list(iter_scores(pipe, [["refuse", "refuse me"]]))
    with pytest.raises(ValueError, match="row 1 of the stream is unreadable"):
        list(iter_scores(pipe, [["good", "refuse me"]], on_error="raise"))


def _tokenize(text):
    if "refus" in text:  # the stem
        raise ValueError("refused")
    return text.split()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_read(pipe, tmp_path, encoding):
    frame = _score(pipe, tmp_path, "content\ncafé 😀\n".encode(encoding))
    assert list(frame["status"]) != ["unreadable"]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_truncated_archive_is_an_error(pipe, tmp_path, suffix):
    rng = np.random.default_rng(0)
    words = rng.integers(10**9, size=20_000)
    data = ("content\n" + "\n".join(map(str, words))).encode()
    source = tmp_path / f"in.csv{suffix}"
    _compress(source, data)
    source.write_bytes(source.read_bytes()[:-50])
    with pytest.raises(ValueError, match=f"cannot read in.csv{suffix}"):
        score_file(pipe, source, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_empty_source_gives_an_empty_target(pipe, tmp_path):
    (tmp_path / "in.csv").write_text("content\n")
    for name in ("a.csv", "a.jsonl", "a.parquet", "folder/"):
        summary = score_file(pipe, tmp_path / "in.csv", f"{tmp_path}/{name}")
        assert summary.rows == 0
    assert len(pd.read_csv(tmp_path / "a.csv").columns) == 8
    assert (tmp_path / "a.jsonl").read_bytes() == b""
    for name in ("a.parquet", "folder"):
        assert len(pd.read_parquet(tmp_path / name).columns) == 8


def test_formulas_are_escaped_in_csv_and_numbers_are_not(pipe, tmp_path):
    cells = {
        "=1+1": "'=1+1",
        "+cmd": "'+cmd",
        "-cmd": "'-cmd",
        "@x": "'@x",
        "\tx": "'\tx",
        "\rx": "'\rx",
        "\nx": "'\nx",
        "＝1": "'＝1",
        "-5": "-5",
        "+3.2e5": "+3.2e5",
        "-5\n=1": "'-5\n=1",
        "a=1": "a=1",
        "": "",
        "'=1": "'=1",
    }
    frame = pd.DataFrame({"content": "good", "=c": list(cells)})
    frame.to_parquet(tmp_path / "in.parquet")
    for name, sep in (("a.csv", ","), ("a.tsv", "\t")):
        target = tmp_path / name
        score_file(pipe, tmp_path / "in.parquet", target, columns=["=c"])
        scored = pd.read_csv(
            io.StringIO(target.read_bytes().decode(), newline=""),
            sep=sep,
            keep_default_na=False,
            lineterminator=None,
            engine="python",
        )
        assert list(scored["'=c"]) == list(cells.values())
    for name, options in (("b.csv", {"escape_formulas": False}), ("b.jsonl", {})):
        target = tmp_path / name
        score_file(pipe, tmp_path / "in.parquet", target, columns=["=c"], **options)
        assert "'=1+1" not in target.read_text()


def test_standard_streams(pipe, tmp_path, monkeypatch):
    class Stream(io.BytesIO):
        buffer = property(lambda self: self)

    (tmp_path / "in.csv").write_text("content,n\ngood,1\nbad,2\n")
    score_file(pipe, tmp_path / "in.csv", tmp_path / "a.csv", columns=["n"])
    out = Stream()
    monkeypatch.setattr(sys, "stdin", Stream((tmp_path / "in.csv").read_bytes()))
    monkeypatch.setattr(sys, "stdout", out)
    score_file(pipe, "-", "-", columns=["n"])
    assert out.getvalue() == (tmp_path / "a.csv").read_bytes()
    monkeypatch.setattr(sys, "stdin", Stream(b'{"content": "good"}\n'))
    score_file(pipe, "-", tmp_path / "b.jsonl", source_format="jsonl")
    assert json.loads((tmp_path / "b.jsonl").read_text())["status"] == "ok"
    for streams in (("-", tmp_path / "c.csv"), (tmp_path / "in.csv", "-")):
        with pytest.raises(ValueError, match="Parquet is"):
            options = {"source_format": "parquet", "target_format": "parquet"}
            score_file(pipe, *streams, **options)


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        ("in.csv", "out.csv", {"text": "contnt"}, "Did you mean 'content'"),
        ("in.csv", "out.csv", {"id": "nn"}, "column 'nn' is not in in.csv"),
        ("in.csv", "out.csv", {"columns": ["x"]}, "column 'x' is not in in.csv"),
        ("in.csv", "out.csv", {"columns": "n"}, "must be an array-like. Got 'n'"),
        ("in.csv", "out.csv", {"columns": ["n", "n"]}, "'n' more than once"),
        ("in.csv", "out.csv", {"columns": ["status"]}, "'status', which is also"),
        ("in.csv", "out.csv", {"id": "status"}, "id column 'status'"),
        ("in.csv", "out.csv", {"columns": ["row"]}, "'row', which is also"),
        ("in.csv", "in.csv", {}, "are the same file"),
        ("in.csv", "old.csv", {}, "already exists and is not overwritten"),
        ("in.csv", "old", {}, "already exists"),
        ("in.csv", "old", {"target_format": "csv"}, "is a folder"),
        ("in.csv", "out.xlsx", {}, "cannot infer the format of out.xlsx"),
        ("in.csv", "out.parquet.gz", {}, "cannot infer the format"),
        ("in.csv", "no/out.csv", {}, "the folder .*no does not exist"),
        ("in.txt", "out.csv", {}, "cannot infer the format of in.txt"),
        ("no-*.csv", "out.csv", {}, "no file matches the pattern"),
        ("*.[cp]*", "out.csv", {}, "several formats"),
        ("old", "out.csv", {}, "holds no .parquet file"),
        ("days", "days/out.parquet", {}, "is inside the source"),
        ("nil.csv", "out.csv", {}, "nil.csv is empty"),
        ("number.parquet", "out.csv", {}, "'content' of number.parquet is int64"),
        ("in.csv", "out.csv", {"batch_rows": 0}, "batch_rows"),
        ("in.csv", "out.csv", {"on_error": "skip"}, "on_error"),
        (
            "in.csv",
            "out.csv",
            {"device": "cpu"},
            "device='cpu' applies to a model file",
        ),
    ],
)
def test_invalid_arguments_are_errors_before_any_work(
    pipe, tmp_path, source, target, options, message
):
    for name in ("in.csv", "in.txt"):
        text = "content,n,status,row\ngood,1,2,3\n"
        (tmp_path / name).write_text(text)
    (tmp_path / "nil.csv").touch()
    (tmp_path / "old.csv").write_text("keep me")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "keep.txt").touch()
    (tmp_path / "days").mkdir()
    pd.DataFrame({"content": ["a"]}).to_parquet(tmp_path / "days" / "1.parquet")
    pd.DataFrame({"content": [1]}).to_parquet(tmp_path / "number.parquet")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=message):
        score_file(pipe, tmp_path / source, tmp_path / target, **options)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "old.csv").read_text() == "keep me"


def test_other_models_are_rejected(pipe, tmp_path):
    (tmp_path / "in.csv").write_text("content\ngood\n")
    paths = tmp_path / "in.csv", tmp_path / "out.csv"
    other = make_pipeline(TfidfVectorizer(), LogisticRegression())
    with pytest.raises(TypeError, match="does not end with a SequenceVectorizer"):
        score_file(other.fit(["a1", "b1"], [1, 2]), *paths)
    with pytest.raises(ValueError, match="is not a .skr file"):
        score_file(tmp_path / "m.joblib", *paths)
    with pytest.raises(ValueError, match="not fitted"):
        score_file(make_review_pipeline(), *paths)
    with pytest.raises(FileNotFoundError):
        score_file(pipe, tmp_path / "nothing.csv", paths[1])


def test_parquet_files_must_have_the_same_types(pipe, tmp_path):
    for name, number in (("1.parquet", 1), ("2.parquet", "x")):
        frame = pd.DataFrame({"content": ["a"], "n": [number]})
        frame.to_parquet(tmp_path / name)
    with pytest.raises(ValueError, match="'n' of 2.parquet is string"):
        score_file(pipe, tmp_path / "?.parquet", tmp_path / "o.csv", columns=["n"])


def test_progress_is_logged_and_prints_nothing(pipe, tmp_path, capfd):
    FRAME.to_csv(tmp_path / "in.csv", index=False)
    events = []
    options = {"batch_rows": 2, "log": events.append}
    score_file(pipe, tmp_path / "in.csv", tmp_path / "out.csv", **options)
    assert [event["rows"] for event in events] == [2, 4, 5]
    assert events[-1]["share"] == 1 and events[-1]["seconds_left"] == 0
    assert events[-1]["statuses"]["missing"] == 1
    assert events[-1]["rows_per_second"] > 0
    json.dumps(events)
    assert capfd.readouterr() == ("", "")


def test_bar_is_shown_on_a_terminal(pipe, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    FRAME.to_csv(tmp_path / "in.csv", index=False)
    for progress, name in ((True, "a.csv"), (False, "b.csv")):
        monkeypatch.setattr(sys, "stderr", Terminal())
        score_file(pipe, tmp_path / "in.csv", tmp_path / name, progress=progress)
        assert ("5 rows" in sys.stderr.getvalue()) == progress
        assert ("100%" in sys.stderr.getvalue()) == progress


def test_summary_is_one_line(pipe, tmp_path):
    FRAME.to_csv(tmp_path / "in.csv", index=False)
    summary = score_file(pipe, tmp_path / "in.csv", tmp_path / "out.csv")
    assert str(summary).startswith("Scored 5 rows in ")
    assert "1 missing" in str(summary) and "empty" not in str(summary)


def test_batches_of_all_types(pipe):
    frame = pd.DataFrame({"content": ["good app", None], "key": [7, 8]})
    table = pa.Table.from_pandas(frame)
    before = frame.copy()
    options = {"id": "key", "columns": ["content"]}
    batches = [frame, table, table.to_batches()[0], frame[:0]]
    *scores, empty = iter_scores(pipe, batches, **options)
    for found in scores:
        assert found["key"].to_pylist() == [7, 8]
        assert found["status"].to_pylist() == ["ok", "missing"]
        assert found.column_names[-1] == "content"
        np.testing.assert_allclose(
            [found[name][0].as_py() for name in PROBA],
            pipe.predict_proba(["good app"])[0],
            atol=1e-5,
        )
    assert len(empty) == 0
    assert frame.equals(before)
    texts = ["good app", None]
    batches = [texts, pd.Series(texts), np.array(texts, object), pa.array(texts)]
    found = list(iter_scores(pipe, batches))
    assert [scores["row"].to_pylist() for scores in found] == [
        [0, 1],
        [2, 3],
        [4, 5],
        [6, 7],
    ]
    assert all(scores["status"].to_pylist() == ["ok", "missing"] for scores in found)


def test_invalid_batches_are_errors(pipe):
    with pytest.raises(ValueError, match="not the column 'key'"):
        list(iter_scores(pipe, [["good"]], id="key"))
    with pytest.raises(ValueError, match="column 'content' is not in the DataFrame"):
        list(iter_scores(pipe, [pd.DataFrame({"text": ["good"]})]))
    with pytest.raises(ValueError, match=r"X\[1\] is 5"):
        list(iter_scores(pipe, [["good", 5]]))
    with pytest.raises(ValueError, match="must be an array-like"):
        iter_scores(pipe, [], columns="key")  # before the first batch


def test_all_rows_of_messy_reviews_are_scored(pipe, tmp_path, data_folder):
    source, target = data_folder / "messy_reviews.csv", tmp_path / "out.parquet"
    summary = score_file(pipe, source, target, columns=["content", "score"])
    scored = pd.read_parquet(target)
    raw = pd.read_csv(source, dtype=str, keep_default_na=False)
    assert len(scored) == len(raw) == summary.rows == 26_591
    assert scored["status"].isin(STATUSES).all()
    assert scored["content"].fillna("").equals(raw["content"])
    assert list(scored["score"]) == list(raw["score"])


def test_memory_of_joining_parts_does_not_grow_with_their_number(tmp_path):
    table = pa.table({"text": [f"text {i}" for i in range(5_000)]})
    target = ParquetTarget(table.schema)
    part = tmp_path / "part.parquet"
    part.write_bytes(target.encode(table))
    before, most = pa.default_memory_pool(), []
    for n_parts in (2, 40):
        pool = pa.proxy_memory_pool(before)
        pa.set_memory_pool(pool)
        try:
            target.join([part] * n_parts, tmp_path / "joined.parquet")
        finally:
            pa.set_memory_pool(before)
        most.append(pool.max_memory())
    assert pq.read_table(tmp_path / "joined.parquet") == pa.concat_tables([table] * 40)
    assert most[1] <= 1.1 * most[0]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_is_returned_to_the_system(pipe):
    blocks = [bytes(3_000) for _ in range(40_000)]
    del blocks[::2], blocks[::2], blocks[::2]  # glibc keeps these holes
    before = _find_held()
    list(iter_scores(pipe, [["Love it!"]]))
    assert before - _find_held() > 50_000_000
    assert len(blocks) == 5_000


def _find_held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE
