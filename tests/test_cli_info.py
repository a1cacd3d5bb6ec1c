"""info: the contents of a model file."""

import json

import joblib
import numpy as np
import pytest

from skreviews import make_reviews, model_card, save
from skreviews.cli import main
from skreviews.persistence import describe


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_small_pipeline):
    """A folder with a model as .skr and joblib file."""
    folder = tmp_path_factory.mktemp("info")
    X, y = make_reviews(60, random_state=0)
    pipe = make_small_pipeline().fit(X, np.where(y > 3, "\x1b[31mgood", "bad"))
    save(pipe, folder / "m.skr")
    joblib.dump(pipe, folder / "m.joblib")
    return folder


def test_info_prints_sizes_versions_training_parameters_and_recipe(folder, capsys):
    assert main(["info", str(folder / "m.skr")]) == 0
    shown, about = capsys.readouterr().out, describe(folder / "m.skr")
    for part in (
        f"format version  {about['format_version']}\n",
        f"{about['bytes']:,} bytes",
        about["sha256"],
        about["training"]["date"],
        f"{about['training']['samples']:,} distinct samples",
        f"{about['n_words']:,} words",
        f"{about['n_weights']:,}; word vectors as float32",
        "skreviews.LSTMClassifier(class_weight='auto', ",
        "ngrams='NgramClassifier(n_buckets=256)'",
        "lstm.head.bias",
        f"torch {about['versions']['torch']}",
        *(setting["why"] for setting in about["recipe"]),
    ):
        assert part in shown


def test_info_prints_json(folder, capsys):
    assert main(["info", str(folder / "m.skr"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == describe(folder / "m.skr")


def test_info_prints_the_card_without_control_characters(folder, capsys):
    assert main(["info", str(folder / "m.skr"), "--card"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("# Model card\n") and "\n## " in shown
    assert "\x1b" not in shown and "\ufffd\\[31mgood" in shown
    assert "\x1b" in model_card(joblib.load(folder / "m.joblib"))


def test_info_refuses_pickles(folder, capsys):
    assert main(["info", str(folder / "m.joblib")]) == 2
    assert "does not open pickles, which can run code" in capsys.readouterr().err
    (folder / "renamed.skr").write_bytes((folder / "m.joblib").read_bytes())
    assert main(["info", str(folder / "renamed.skr")]) == 2
    shown = capsys.readouterr().err
    assert "it is not a model file" in shown and shown.count("\n") == 1


def test_info_builds_no_network(folder, monkeypatch, capsys):
    def fail(*args, **kwargs):
        raise AssertionError("a network was built")

    monkeypatch.setattr("skreviews.neural_network.LSTMModule.__init__", fail)
    assert main(["info", str(folder / "m.skr")]) == 0
