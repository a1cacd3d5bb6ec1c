"""The commands, called in this process."""

import json
import os
import re

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skreviews import evaluate, explain, load, make_reviews
from skreviews.cli import main
from skreviews.cli._model_files import save_model


@pytest.fixture(scope="module")
def exported(tmp_path_factory, fitted_pipe):
    """A folder with a CSV of reviews and a model as joblib and .skr file."""
    folder = tmp_path_factory.mktemp("cli")
    X, y = make_reviews(120, random_state=0)
    frame = pd.DataFrame({"id": np.arange(120), "content": X, "score": y})
    frame.loc[5, "content"] = 'Two\nlines, "quoted"'
    frame.to_csv(folder / "reviews.csv", index=False)
    save_model(fitted_pipe, folder / "m.joblib")
    save_model(fitted_pipe, folder / "m.skr")
    return folder


@pytest.fixture
def small_training(monkeypatch, make_small_pipeline):
    """Let `train` fit small pipelines."""

    def make(random_state, device, **params):
        return make_small_pipeline(**params).set_params(
            lstm__random_state=random_state, lstm__device=device
        )

    monkeypatch.setattr("skreviews.make_review_pipeline", make, raising=False)


def _run(*args):
    return main([str(arg) for arg in args])


def test_train_prints_a_report_and_saves_model_and_plot(
    exported, tmp_path, small_training, capsys
):
    reviews, model = exported / "reviews.csv", tmp_path / "out.joblib"
    assert _run("train", reviews, "--output", model) == 0
    shown = capsys.readouterr().out
    for part in (
        "train_loss",
        "The accuracy on ",
        "Scores by label",
        "Confusion matrix",
    ):
        assert part in shown
    assert "valid_loss" not in shown
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    pipe = joblib.load(model)
    assert list(pipe.classes_) == [1, 2, 3, 4, 5]
    assert {path.name for path in tmp_path.iterdir()} == {"out.joblib", "out.png"}
    # The report is that of evaluate on the held-out texts.
    n_test = int(re.search(r"tested on (\d+)", shown).group(1))
    assert f"The accuracy on {n_test} reviews is " in shown and 20 <= n_test <= 40


def test_train_prints_the_validation_loss_on_request(
    exported, tmp_path, small_training, capsys
):
    args = ("--output", tmp_path / "m.joblib", "--validation-fraction", 0.2)
    assert _run("train", exported / "reviews.csv", *args) == 0
    assert "valid_loss" in capsys.readouterr().out
    pipe = joblib.load(tmp_path / "m.joblib")
    assert pipe["lstm"].validation_fraction == 0.2
    assert pipe["lstm"].history_["valid_loss"].notna().all()


def test_train_is_reproducible(exported, tmp_path, small_training, capsys):
    reports = []
    for _ in range(2):
        _run("train", exported / "reviews.csv", "--output", tmp_path / "m.joblib")
        reports.append(capsys.readouterr().out.partition("Trained on")[2])
    assert reports[0] == reports[1]


def test_train_keeps_copies_of_a_text_on_one_side(tmp_path, small_training, capsys):
    X, y = make_reviews(30, random_state=0)
    X, y = np.tile(X, 20), np.tile(np.where(y > 3, "good", "bad"), 20)
    pd.DataFrame({"t": X, "s": y}).to_parquet(tmp_path / "in.parquet")
    args = ("--text", "t", "--target", "s", "--output", tmp_path / "m.skr")
    assert _run("train", tmp_path / "in.parquet", *args) == 0
    shown = capsys.readouterr().out
    n_train, n_test = map(
        int, re.search(r"Trained on (\d+) reviews, tested on (\d+)", shown).groups()
    )
    assert n_train + n_test == 600
    assert n_train % 20 == n_test % 20 == 0 < n_test
    assert load(tmp_path / "m.skr").predict(["good app"]).shape == (1,)


def test_evaluate_prints_its_report_and_saves_a_page(exported, tmp_path, capsys):
    X, y = make_reviews(100, random_state=1)
    pd.DataFrame({"t": X, "s": y}).to_csv(tmp_path / "test.csv", index=False)
    train = pd.read_csv(exported / "reviews.csv")
    train = train.rename(columns={"content": "t", "score": "s"})
    train.to_csv(tmp_path / "train.csv", index=False)
    args = ("--text", "t", "--target", "s", "--train", tmp_path / "train.csv")
    page = tmp_path / "report.html"
    model = exported / "m.joblib"
    assert _run("evaluate", model, tmp_path / "test.csv", *args, "--html", page) == 0
    shown = capsys.readouterr().out
    report = evaluate(
        joblib.load(model), X, y, X_train=train["t"], y_train=train["s"], random_state=0
    )
    assert shown == f"{report}\n\nSaved the page as {page}.\n"
    assert "TF-IDF" in shown
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_evaluate_needs_no_training_file(exported, capsys):
    args = (exported / "m.joblib", exported / "reviews.csv", "--seed", 3)
    assert _run("evaluate", *args, "--device", "cpu") == 0
    shown = capsys.readouterr().out
    assert "this model" in shown and "pass X_train" in shown


def test_score_keeps_every_row_and_column(exported, tmp_path, capsys):
    frame = pd.read_csv(exported / "reviews.csv", dtype=str)
    frame.loc[7, "content"] = np.nan
    frame.to_csv(tmp_path / "in.csv", index=False)
    out = tmp_path / "scored.csv"
    args = (exported / "m.joblib", tmp_path / "in.csv", "-o", out)
    assert _run("score", *args, "--id", "id", "--columns", "content", "score") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Scored 120 rows in ") and "1 missing" in shown
    scored = pd.read_csv(out)
    assert list(scored["id"]) == list(range(120))
    assert scored["content"][5] == 'Two\nlines, "quoted"'
    has_text = scored["content"].notna()
    assert scored["prediction"].notna().equals(has_text)
    proba = scored.filter(like="proba_")
    assert list(proba) == [f"proba_{stars}" for stars in (1, 2, 3, 4, 5)]
    pipe = joblib.load(exported / "m.joblib")
    texts = scored["content"][has_text]
    np.testing.assert_allclose(proba[has_text], pipe.predict_proba(texts), atol=1e-6)
    assert np.array_equal(scored["prediction"][has_text], pipe.predict(texts))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["train", "nowhere.csv"], "nowhere.csv"),
        (["train", __file__], "cannot infer the format of test_cli.py"),
        (["train", "{folder}/reviews.csv", "--text", "contnt"], "'content'"),
        (
            ["train", "--output", "{folder}/no/m.joblib"],
            "the folder .*no does not exist",
        ),
        (["train", "--device", "tpu"], "device='tpu' is unknown"),
        (["train", "--validation-fraction", "2"], "=2.0 is not between 0 and 1"),
        (["evaluate", "nothing.joblib", "{folder}/reviews.csv"], "does not exist"),
        (
            ["evaluate", "{folder}/m.joblib", "{folder}/reviews.csv"]
            + ["--html", "{folder}/no/r.html"],
            "the folder .*no does not exist",
        ),
        (
            ["score", "nothing.joblib", "{folder}/reviews.csv", "-o", "x.csv"],
            "does not exist",
        ),
        (
            ["score", "{folder}/reviews.csv", "{folder}/reviews.csv", "-o", "x.csv"],
            "not a model",
        ),
        (
            ["score", "{folder}/m.joblib", "{folder}/reviews.csv", "-o", "x.csv"]
            + ["--text", "contnt"],
            "Did you mean 'content'",
        ),
        (["explain", "nothing.joblib", "good"], "does not exist"),
        (["explain", "{folder}/m.joblib", "good", "--html", "no/x"], "the folder no"),
        (["explain", "{folder}/m.joblib", "good", "--target", "6"], "--target=6 is"),
    ],
)
def test_invalid_input_is_one_line_and_exits_with_2(
    exported, args, message, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert _run(*(arg.format(folder=exported) for arg in args)) == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1 and f"skreviews {args[0]}: error: " in shown
    assert re.search(message, shown)
    assert list(tmp_path.iterdir()) == []


def test_score_reads_all_formats(exported, tmp_path):
    frame = pd.read_csv(exported / "reviews.csv", dtype=str)[:20]
    frame["big"] = 12345678901234567890
    frame.to_csv(tmp_path / "a.csv", index=False, encoding="utf-16")
    frame.to_csv(tmp_path / "b.tsv.gz", index=False, sep="\t")
    frame.to_json(tmp_path / "c.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "d.parquet")
    scored = []
    for name in ("a.csv", "b.tsv.gz", "c.jsonl", "d.parquet"):
        out = tmp_path / f"{name}.csv"
        args = ("-o", out, "--columns", "big", "content")
        assert _run("score", exported / "m.joblib", tmp_path / name, *args) == 0
        scored.append(pd.read_csv(out, dtype=str))
        assert scored[-1]["big"].eq("12345678901234567890").all()
        assert scored[-1].equals(scored[0])


def test_score_follows_the_decision_of_the_model(exported, tmp_path):
    pipe = joblib.load(exported / "m.joblib").set_params(lstm__decision="median")
    joblib.dump(pipe, tmp_path / "m.joblib")
    out = tmp_path / "out.csv"
    assert (
        _run("score", tmp_path / "m.joblib", exported / "reviews.csv", "-o", out) == 0
    )
    texts = pd.read_csv(exported / "reviews.csv")["content"]
    assert np.array_equal(pd.read_csv(out)["prediction"], pipe.predict(texts))


def test_a_truncated_archive_is_an_error(exported, tmp_path, capsys):
    frame = pd.read_csv(exported / "reviews.csv", dtype=str)
    frame.to_csv(tmp_path / "in.csv.gz", index=False)
    whole = (tmp_path / "in.csv.gz").read_bytes()
    (tmp_path / "in.csv.gz").write_bytes(whole[:-50])
    out = tmp_path / "out.csv"
    assert _run("score", exported / "m.joblib", tmp_path / "in.csv.gz", "-o", out) == 2
    assert "cannot read in.csv.gz" in capsys.readouterr().err


def test_existing_files_and_columns_are_not_overwritten(exported, tmp_path, capsys):
    once, twice = tmp_path / "once.csv", tmp_path / "twice.csv"
    args = (exported / "m.joblib", exported / "reviews.csv", "-o", once)
    assert _run("score", *args) == 0
    assert _run("score", *args) == 2
    assert "already exists and is not overwritten" in capsys.readouterr().err
    args = (exported / "m.joblib", once, "-o", twice, "--columns", "prediction")
    assert _run("score", *args) == 2
    assert "has the column 'prediction', which is also" in capsys.readouterr().err


def test_score_logs_json_and_writes_to_standard_output(exported, capfdbinary):
    args = (exported / "m.joblib", exported / "reviews.csv", "-o", "-")
    options = ("--log-json", "--batch-rows", 50, "--target-format", "jsonl")
    assert _run("score", *args, *options, "--columns") == 0
    out, err = capfdbinary.readouterr()
    assert [json.loads(line)["rows"] for line in err.splitlines()] == [50, 100, 120]
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["row"] for row in rows] == list(range(120))
    assert "content" not in rows[0]


def test_a_file_without_texts_keeps_its_rows(exported, tmp_path):
    pd.DataFrame({"content": ["", "  "], "n": [1, 2]}).to_csv(
        tmp_path / "in.csv", index=False
    )
    out = tmp_path / "out.csv"
    args = ("-o", out, "--columns", "n")
    assert _run("score", exported / "m.joblib", tmp_path / "in.csv", *args) == 0
    scored = pd.read_csv(out)
    assert list(scored["n"]) == [1, 2] and scored["prediction"].isna().all()


def test_saved_files_have_the_permissions_of_the_umask(exported, tmp_path):
    save_model(joblib.load(exported / "m.joblib"), tmp_path / "m.skr")
    for path in (exported / "m.joblib", tmp_path / "m.skr"):
        assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_explain_prints_the_words_and_saves_a_page(exported, tmp_path, capsys):
    page = tmp_path / "page.html"
    args = ["I love it", "<b>crashes</b>", "--html", page, "--target", 5]
    assert _run("explain", exported / "m.joblib", *args) == 0
    shown = capsys.readouterr().out
    pipe = joblib.load(exported / "m.joblib")
    assert str(explain(pipe, args[:2], target=5)) in shown
    assert "\x1b" not in shown and f"Saved the page as {page}." in shown
    assert "&lt;b&gt;" in page.read_text(encoding="utf-8")


def test_explain_takes_the_predicted_label_by_default(exported, capsys):
    assert _run("explain", exported / "m.joblib", "I love it") == 0
    pipe = joblib.load(exported / "m.joblib")
    (predicted,) = pipe.predict(["I love it"])
    assert capsys.readouterr().out.startswith(f"{predicted} (probability 0.")


def test_a_model_without_an_lstm_is_refused(tmp_path, capsys):
    pipe = make_pipeline(TfidfVectorizer(), LogisticRegression())
    joblib.dump(pipe.fit(["good", "bad"], [5, 1]), tmp_path / "m.joblib")
    assert _run("explain", tmp_path / "m.joblib", "good") == 2
    assert "does not end with a SequenceVectorizer" in capsys.readouterr().err


def _umask():
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_a_label_with_one_text_is_refused(tmp_path, capsys):
    pd.DataFrame(
        {"content": ["a", "b", "c", "d", "e"], "score": ["x", "x", "y", "y", "v1.2"]}
    ).to_csv(tmp_path / "in.csv", index=False)
    assert _run("train", tmp_path / "in.csv") == 2
    assert (
        "The label 'v1.2' has 1 distinct texts, but 2 are needed"
        in capsys.readouterr().err
    )


def test_dropped_rows_are_one_line(exported, tmp_path, capsys):
    frame = pd.read_csv(exported / "reviews.csv", dtype=object)
    frame.loc[3, "content"] = None
    frame.to_csv(tmp_path / "in.csv", index=False)
    assert _run("evaluate", exported / "m.joblib", tmp_path / "in.csv") == 0
    warning = "warning: in.csv: dropped 1 of 120 rows: 1 without text."
    assert warning in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    "command", ["train", "search", "evaluate", "score", "explain", "info"]
)
def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as stop:
        _run(command, "--help")
    assert not stop.value.code
    assert "example: python -m skreviews" in capsys.readouterr().out


def test_skr_and_joblib_files_give_the_same_scores(exported, tmp_path, capsys):
    outs = [tmp_path / "skr.csv", tmp_path / "joblib.csv"]
    texts = exported / "reviews.csv"
    assert _run("score", exported / "m.skr", texts, "-o", outs[0]) == 0
    assert _run("score", exported / "m.joblib", texts, "-o", outs[1]) == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert _run("explain", exported / "m.skr", "good app") == 0
    (tmp_path / "m.skr").write_bytes(b"broken")
    capsys.readouterr()
    assert _run("score", tmp_path / "m.skr", texts, "-o", tmp_path / "c.csv") == 2
    shown = capsys.readouterr().err
    assert "m.skr cannot be loaded" in shown and shown.count("\n") == 1
