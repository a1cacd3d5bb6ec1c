"""The pictures of fitted models."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from skreviews import (
    LSTMClassifier,
    SequenceVectorizer,
    TrainingDisplay,
    make_review_pipeline,
)

SMALL = {"embedding_dim": 8, "hidden_size": 8, "max_epochs": 3, "random_state": 0}


@pytest.fixture(scope="module")
def pipe(reviews):
    params = {f"lstm__{name}": value for name, value in SMALL.items()}
    return make_review_pipeline(**params, lstm__validation_fraction=0.1).fit(*reviews)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_the_curves_are_those_of_the_history(pipe):
    display = TrainingDisplay.from_estimator(pipe)
    history = pipe["lstm"].history_
    for column in ("train_loss", "valid_loss"):
        assert np.array_equal(display.lines_[column].get_xdata(), history["epoch"])
        assert np.array_equal(display.lines_[column].get_ydata(), history[column])
    assert list(display.frame()) == ["epoch", "train_loss", "valid_loss"]


def test_the_best_epoch_is_marked(pipe):
    display = TrainingDisplay.from_estimator(pipe)
    history = pipe["lstm"].history_
    best = history["epoch"][history["valid_accuracy"].idxmax()]
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["Training", "Validation", f"Highest accuracy (epoch {best})"]


def test_it_draws_on_given_axes(pipe):
    figure, ax = plt.subplots()
    display = TrainingDisplay.from_estimator(pipe, ax=ax)
    assert display.ax_ is ax and display.figure_ is figure


def test_without_held_out_rows_there_is_one_curve(reviews):
    X = SequenceVectorizer().fit_transform(reviews[0])
    classifier = LSTMClassifier(**SMALL).fit(X, reviews[1])
    display = TrainingDisplay.from_estimator(classifier)
    assert list(display.lines_) == ["train_loss"]


def test_a_search_shows_its_best_estimator(pipe, reviews):
    search = GridSearchCV(pipe, {"lstm__lr": [1e-3]}, cv=2).fit(*reviews)
    display = TrainingDisplay.from_estimator(search)
    assert display.frame().equals(
        TrainingDisplay.from_estimator(search.best_estimator_).frame()
    )


def test_an_unfitted_estimator_says_so():
    with pytest.raises(NotFittedError):
        TrainingDisplay.from_estimator(make_review_pipeline())
