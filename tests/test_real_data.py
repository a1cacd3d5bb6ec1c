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


def test_app_reviews_without_resampling_reach_an_accuracy_of_70(data_folder):
    y_true, y_pred = _predict(data_folder, "app_reviews", resample="passthrough")
    assert accuracy_score(y_true, y_pred) >= 0.70


def test_app_reviews_by_default_reach_a_macro_f1_of_41(data_folder):
    y_true, y_pred = _predict(data_folder, "app_reviews")
    assert f1_score(y_true, y_pred, average="macro") >= 0.41


def test_string_labels_on_trec_reach_an_accuracy_of_86(data_folder):
    y_true, y_pred = _predict(data_folder, "trec")
    assert accuracy_score(y_true, y_pred) >= 0.86


def test_imdb_reaches_an_accuracy_of_87(data_folder):
    y_true, y_pred = _predict(data_folder, "imdb")
    assert accuracy_score(y_true, y_pred) >= 0.87
