"""What the defaults reach on real reviews; minutes of training."""

import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score

from skreviews import make_review_pipeline

pytestmark = pytest.mark.slow


def _predict(data_folder, name, **step_params):
    train = pd.read_parquet(data_folder / f"{name}_train.parquet")
    test = pd.read_parquet(data_folder / f"{name}_test.parquet")
    pipe = make_review_pipeline(random_state=0, **step_params)
    pipe.fit(train["text"], train["label"])
    return test["label"], pipe.predict(test["text"])


def test_app_reviews_unweighted_reach_an_accuracy_of_72(data_folder):
    y_true, y_pred = _predict(data_folder, "app_reviews", lstm__class_weight=None)
    assert accuracy_score(y_true, y_pred) >= 0.72


def test_app_reviews_by_default_reach_a_macro_f1_of_41(data_folder):
    y_true, y_pred = _predict(data_folder, "app_reviews")
    assert f1_score(y_true, y_pred, average="macro") >= 0.41


def test_string_labels_on_trec_reach_an_accuracy_of_89(data_folder):
    y_true, y_pred = _predict(data_folder, "trec")
    assert accuracy_score(y_true, y_pred) >= 0.89


def test_imdb_reaches_an_accuracy_of_91_5(data_folder):
    y_true, y_pred = _predict(data_folder, "imdb")
    assert accuracy_score(y_true, y_pred) >= 0.915
