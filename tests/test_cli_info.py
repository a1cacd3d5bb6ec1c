"""info: what is in a model file."""

import json

import joblib
import pytest

from skreviews import make_review_pipeline, make_reviews, model_card, save
from skreviews.cli import main
from skreviews.persistence import describe


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model as .skr and for joblib."""
    folder = tmp_path_factory.mktemp("info")
    X, y = make_reviews(60, random_state=0)
    labels = [f"\x1b[31m{stars} stars" for stars in y]
    pipe = make_review_pipeline(
        random_state=0,
        lstm__hidden_size=4,
        lstm__max_epochs=1,
        lstm__ngrams__n_buckets=64,
    )
    save(pipe.fit(X, labels), folder / "m.skr")
    joblib.dump(pipe, folder / "m.joblib")
    return folder


def test_info_tells_sizes_versions_training_and_parameters(folder, capsys):
    assert main(["info", str(folder / "m.skr")]) == 0
    shown, about = capsys.readouterr().out, describe(folder / "m.skr")
    for part in (
        "format version  1\n",
        f"{about['bytes']:,} bytes",
        about["sha256"],
        about["training"]["date"],
        f"{about['training']['samples']:,} distinct samples",
        f"{about['n_words']:,} words",
        f"{about['n_weights']:,}; word vectors as float32",
        "skreviews.LSTMClassifier(class_weight='auto', hidden_size=4, max_epochs=1, "
        "ngrams='NgramClassifier(n_buckets=64)'",
        "smaller data need more steps",
        "lstm.head.bias",
        f"torch {about['versions']['torch']}",
    ):
        assert part in shown


def test_info_prints_json_for_machines(folder, capsys):
    assert main(["info", str(folder / "m.skr"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == describe(folder / "m.skr")


def test_info_prints_the_card_without_control_characters(folder, capsys):
    assert main(["info", str(folder / "m.skr"), "--card"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("# Model card\n") and shown.count("\n## ") == 6
    assert "\x1b" not in shown and r"\x1b\[31m1 stars" in shown
    assert "\x1b" in model_card(joblib.load(folder / "m.joblib"))


def test_info_opens_no_pickle(folder, capsys):
    assert main(["info", str(folder / "m.joblib")]) == 2
    assert "a pickle can run code when it is opened" in capsys.readouterr().err
    (folder / "renamed.skr").write_bytes((folder / "m.joblib").read_bytes())
    assert main(["info", str(folder / "renamed.skr")]) == 2
    shown = capsys.readouterr().err
    assert "it is not a model file" in shown and shown.count("\n") == 1


def test_info_needs_no_network(folder, monkeypatch, capsys):
    def fail(*args, **kwargs):
        raise AssertionError("a network was built")

    monkeypatch.setattr("skreviews.neural_network.LSTMModule.__init__", fail)
    assert main(["info", str(folder / "m.skr")]) == 0
