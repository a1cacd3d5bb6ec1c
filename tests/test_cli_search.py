"""search: parameters from a file, tried by cross-validation."""

import json
import re

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from skreviews import load, make_reviews
from skreviews.cli import main
from skreviews.metrics import quadratic_weighted_kappa
from skreviews.search import read_config, run_search, tabulate_results

FIXED = {
    "lstm__max_epochs": 1,
    "lstm__embedding_dim": 4,
    "lstm__ngrams__n_buckets": 64,
}
TOML = """
scoring = "quadratic_weighted_kappa"
cv = 2
[pipeline]
lstm__max_epochs = 1
lstm__embedding_dim = 4
lstm__ngrams__n_buckets = 64
[grid]
lstm__hidden_size = [2, 4]
resample = ["passthrough"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with reviews and a config."""
    X, y = make_reviews(80, random_state=0)
    pd.DataFrame({"content": X, "score": y}).to_csv(tmp_path / "in.csv", index=False)
    (tmp_path / "s.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_search_prints_and_saves_its_table_and_the_best_model(folder, capsys):
    args = ["search", "s.toml", "in.csv", "-o", "best.skr", "--results", "r.csv"]
    assert main(args) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("quadratic_weighted_kappa over 2 folds\n rank ")
    assert shown.err == ""  # no progress bar without a terminal
    table = pd.read_csv("r.csv")
    assert table["rank"].is_monotonic_increasing and table["rank"][0] == 1
    assert sorted(table["lstm__hidden_size"]) == [2, 4]
    best = load("best.skr")
    assert best["lstm"].hidden_size == table["lstm__hidden_size"][0]
    assert best["lstm"].max_epochs == 1 and best.steps[1][1] == "passthrough"
    assert {path.name for path in folder.iterdir()} == {
        "in.csv",
        "s.toml",
        "best.skr",
        "r.csv",
    }


def test_search_is_reproducible_and_supports_json_and_joblib(folder, capsys):
    config = {
        "cv": 2,
        "pipeline": FIXED,
        "grid": {"lstm__ngrams__ngram_range": [[1, 1], [1, 2]]},
    }
    (folder / "s.json").write_text(json.dumps(config))
    tables = []
    for _ in range(2):
        args = ["search", "s.json", "in.csv", "-o", "best.joblib", "--results", "r.csv"]
        assert main([*args, "--seed", "3", "--quiet"]) == 0
        assert "Saved" not in capsys.readouterr().out
        tables.append(pd.read_csv("r.csv").drop(columns="seconds"))
    assert tables[0].equals(tables[1])
    assert joblib.load("best.joblib").predict(["good"]).shape == (1,)


def test_the_scores_of_a_grid_equal_cross_validation():
    X, y = make_reviews(80, random_state=0)
    config = {
        "scoring": "quadratic_weighted_kappa",
        "cv": 2,
        "pipeline": FIXED | {"lstm__random_state": 0, "resample__random_state": 0},
        "grid": {"lstm__hidden_size": [2, 4]},
    }
    search = run_search(config, X, y, random_state=0)
    assert isinstance(search, GridSearchCV)
    for number, params in enumerate(search.cv_results_["params"]):
        scores = []
        for train, test in search.cv:
            pipe = search.estimator.set_params(**params).fit(X[train], y[train])
            scores.append(quadratic_weighted_kappa(y[test], pipe.predict(X[test])))
        found = search.cv_results_["mean_test_score"][number]
        assert found == pytest.approx(np.mean(scores))
    # The fitted search predicts and scores with its best estimator.
    again = joblib.hash(search.best_estimator_.predict(X))
    assert joblib.hash(search.predict(X)) == again
    assert search.score(X, y) == quadratic_weighted_kappa(y, search.predict(X))


def test_random_candidates_are_within_their_lists_and_ranges():
    X, y = make_reviews(100, random_state=0)
    config = {
        "cv": 2,
        "n_iter": 4,
        "pipeline": FIXED,
        "random": {
            "lstm__hidden_size": {"low": 2, "high": 3},
            "lstm__lr": {"low": 1e-4, "high": 1e-2, "log": True},
            "lstm__dropout": {"low": 0.25, "high": 0.5},
            "lstm__pooling": ["max", "mean"],
        },
    }
    search = run_search(config, X, y, random_state=0)
    assert isinstance(search, RandomizedSearchCV)
    table = tabulate_results(search)
    assert len(table) == 4 and table["lstm__lr"].nunique() == 4
    assert table["lstm__hidden_size"].isin([2, 3]).all()
    assert table["lstm__lr"].between(1e-4, 1e-2).all()
    assert table["lstm__dropout"].between(0.25, 0.5).all()
    assert table["lstm__pooling"].isin(["max", "mean"]).all()


def test_folds_are_stratified_and_keep_copies_of_a_text_together():
    X = np.array([f"good {n}" for n in range(12)] + [f"bad {n}" for n in range(12)])
    X, y = np.tile(X, 3), np.tile(np.repeat([5, 1], 12), 3)
    config = {
        "cv": 3,
        "pipeline": FIXED,
        "grid": {"lstm__hidden_size": [2]},
    }
    search = run_search(config, X, y, random_state=0)
    tested = np.concatenate([test for _, test in search.cv])
    assert sorted(tested) == list(range(72))
    for train, test in search.cv:
        assert not set(X[train]) & set(X[test])
        assert (y[test] == 5).mean() == 0.5
    pipe = search.best_estimator_
    assert accuracy_score(y, pipe.predict(X)) >= 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scorng = 'f1'\n[grid]\nlstm__lr = [1]", "key 'scorng' .* mean scoring"),
        ("[grid]\nlstm__hiden_size = [1]", "'lstm__hiden_size' .*lstm__hidden_size"),
        ("[grid]\nhidden_size = [1]", "'hidden_size' .*lstm__hidden_size"),
        ("[grid]\nlstm__hidden_size = [8, 0]", "lstm__hidden_size = 0: .*hidden_size"),
        (
            "[pipeline]\nlstm__cell = 'rnn'\n[grid]\nlstm__lr = [1]",
            "lstm__cell = 'rnn'",
        ),
        ("[grid]\nlstm__lr = 0.1", "lstm__lr = 0.1 must be a list"),
        ("[grid]\nlstm__lr = []", "lstm__lr = .* must be a list"),
        ("[grid]\nresample = ['no']", "resample = 'no' is not a step"),
        ("[grid]\nlstm = ['passthrough']", "parameter 'lstm' is unknown"),
        ("[grid]", r"\[grid\] must be a table"),
        ("cv = 2", r"either \[grid\] or \[random\]"),
        ("cv = 1\n[grid]\nlstm__lr = [1]", "cv = 1 must be an int of at least 2"),
        ("n_iter = 3\n[grid]\nlstm__lr = [1]", r"n_iter needs \[random\]"),
        ("scoring = 'acuracy'\n[grid]\nlstm__lr = [1]", "'acuracy'.*mean accuracy"),
        ("[random]\nlstm__lr = {low = 2, high = 1}", "is not a range"),
        ("[random]\nlstm__lr = {low = 0, high = 1, log = true}", "is not a range"),
        ("[random]\nlstm__lr = {low = -1.0, high = 1.0}", "lstm__lr = -1.0"),
        ("[grid]\nlstm__lr = {low = 1, high = 2}", "must be a list"),
        ("[pipeline]\nlstm__lr = 1\n[grid]\nlstm__lr = [1]", "lstm__lr is set in"),
        ("[grid\n", "s.toml: .*line 1"),
    ],
)
def test_an_invalid_config_is_refused_before_any_training(
    folder, text, message, capsys, monkeypatch
):
    monkeypatch.setattr("skreviews.read_reviews", None, raising=False)
    (folder / "s.toml").write_text(text)
    assert main(["search", "s.toml", "in.csv", "-o", "m.skr"]) == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert re.search(message, shown)


def test_a_score_that_is_undefined_for_the_labels_is_refused_before_any_fit():
    X, y = make_reviews(100, random_state=0)
    config = {"cv": 2, "grid": {"lstm__hidden_size": [2]}}
    words = np.where(y > 3, "good", "bad")
    with pytest.raises(ValueError, match="not a number"):
        run_search(config | {"scoring": "quadratic_weighted_kappa"}, X, words)
    with pytest.raises(ValueError, match="multiclass"):
        run_search(config | {"scoring": "f1"}, X, y)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        run_search(config, X, y[:-1])


def test_a_config_needs_a_known_suffix_and_a_table(tmp_path):
    with pytest.raises(ValueError, match=r"\*.toml or \*.json"):
        read_config(tmp_path / "s.yaml")
    (tmp_path / "s.json").write_text("[]")
    with pytest.raises(ValueError, match="a table of keys"):
        read_config(tmp_path / "s.json")
    (tmp_path / "s.json").write_text('{"scoring": 1, "grid": {"lstm__lr": [1]}}')
    with pytest.raises(ValueError, match="the score 1 is unknown"):
        read_config(tmp_path / "s.json")
