"""The displays of fitted models."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.exceptions import NotFittedError
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import GridSearchCV

from skreviews import (
    CalibrationDisplay,
    LSTMClassifier,
    RatingConfusionDisplay,
    RatingDistributionDisplay,
    SequenceVectorizer,
    TrainingDisplay,
    make_review_pipeline,
)


@pytest.fixture(scope="module")
def pipe(fitted_pipe):
    return fitted_pipe


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_the_curves_are_those_of_the_history(pipe):
    display = TrainingDisplay.from_estimator(pipe)
    history = pipe["lstm"].history_
    columns = ["train_loss", "train_accuracy", "valid_loss", "valid_accuracy"]
    for column in columns:
        assert np.array_equal(display.lines_[column].get_xdata(), history["epoch"])
        assert np.array_equal(display.lines_[column].get_ydata(), history[column])
    assert list(display.frame()) == ["epoch", *columns]
    assert [ax.get_ylabel() for ax in display.axes_] == ["Loss", "Accuracy"]


def test_the_best_epoch_is_marked(pipe):
    display = TrainingDisplay.from_estimator(pipe)
    history = pipe["lstm"].history_
    best = history["epoch"][history["valid_accuracy"].idxmax()]
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["Training", "Validation", f"Highest accuracy (epoch {best})"]


def test_training_is_drawn_on_given_axes(pipe):
    figure, ax = plt.subplots()
    display = TrainingDisplay.from_estimator(pipe, ax=ax)
    assert display.ax_ is ax and display.figure_ is figure
    assert list(display.lines_) == ["train_loss", "valid_loss"]


def test_training_is_drawn_on_two_given_axes(pipe):
    figure, axes = plt.subplots(2)
    display = TrainingDisplay.from_estimator(pipe, ax=axes)
    assert list(display.axes_) == list(axes) and len(display.lines_) == 4


def test_without_held_out_samples_there_are_no_validation_curves(reviews):
    X = SequenceVectorizer().fit_transform(reviews[0])
    classifier = LSTMClassifier(hidden_size=4, max_epochs=1, random_state=0).fit(
        X, reviews[1]
    )
    display = TrainingDisplay.from_estimator(classifier)
    assert list(display.lines_) == ["train_loss", "train_accuracy"]


def test_the_training_of_a_search_is_that_of_its_best_estimator(pipe, reviews):
    search = GridSearchCV(pipe, {"lstm__lr": [1e-3]}, cv=2).fit(*reviews)
    display = TrainingDisplay.from_estimator(search)
    assert display.frame().equals(
        TrainingDisplay.from_estimator(search.best_estimator_).frame()
    )


def test_an_unfitted_estimator_is_refused():
    with pytest.raises(NotFittedError):
        TrainingDisplay.from_estimator(make_review_pipeline())


DISPLAYS = [RatingConfusionDisplay, RatingDistributionDisplay, CalibrationDisplay]
LONG = "a class name that is much longer than any axis has room for, and so it is"


def _predict_at_random(n_labels, n=400):
    """Return true labels and probabilities that favour them."""
    rng = np.random.default_rng(0)
    y_true = rng.integers(n_labels, size=n)
    scores = rng.normal(size=(n, n_labels))
    scores[np.arange(n), y_true] += 1
    y_prob = np.exp(scores)
    return y_true, y_prob / y_prob.sum(axis=1, keepdims=True)


def _draw(display_class, y_true, y_prob, labels, ax=None):
    if display_class is CalibrationDisplay:
        y = y_prob
    else:
        y = labels[y_prob.argmax(axis=1)]
    return display_class.from_predictions(labels[y_true], y, labels=labels, ax=ax)


def test_the_confusion_matrix_has_counts_and_row_shares():
    y_true, y_prob = _predict_at_random(5)
    display = _draw(RatingConfusionDisplay, y_true, y_prob, np.arange(1, 6))
    matrix = confusion_matrix(y_true, y_prob.argmax(axis=1))
    frame = display.frame()
    assert np.array_equal(frame["count"], matrix.ravel())
    shares = matrix / matrix.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(frame["share"], shares.ravel())
    assert display.text_[0, 0].get_text() == f"{matrix[0, 0]}\n{shares[0, 0]:.0%}"
    np.testing.assert_allclose(display.im_.get_array(), shares)


def test_a_label_without_samples_has_no_shares():
    display = RatingConfusionDisplay.from_predictions([1, 1], [1, 3], labels=[1, 2, 3])
    shares = display.frame().set_index(["true", "predicted"])["share"]
    assert shares[1].tolist() == [0.5, 0, 0.5]
    assert shares[2].isna().all()


def test_the_label_distribution_has_true_and_predicted_counts():
    display = RatingDistributionDisplay.from_predictions(["b", "a", "b"], ["b"] * 3)
    assert display.frame().values.tolist() == [["a", 1, 0], ["b", 2, 3]]
    widths = [bar.get_width() for bar in display.bars_["predicted"]]
    assert widths == [0, 3]


def test_the_calibration_equals_that_of_scikit_learn():
    y_true, y_prob = _predict_at_random(4)
    display = _draw(CalibrationDisplay, y_true, y_prob, np.arange(4))
    is_right = y_prob.argmax(axis=1) == y_true
    accuracy, confidence = calibration_curve(is_right, y_prob.max(axis=1), n_bins=15)
    frame = display.frame()
    np.testing.assert_allclose(frame["accuracy"], accuracy)
    np.testing.assert_allclose(frame["confidence"], confidence)
    assert frame["n_samples"].sum() == len(y_true)
    n, z = frame["n_samples"], 1.96
    middle = (accuracy + z**2 / (2 * n)) / (1 + z**2 / n)  # Wilson
    half = np.sqrt(accuracy * (1 - accuracy) / n + z**2 / (4 * n**2))
    half *= z / (1 + z**2 / n)
    np.testing.assert_allclose(frame["low"], middle - half, atol=1e-4)
    np.testing.assert_allclose(frame["high"], middle + half, atol=1e-4)
    gaps = np.average(abs(accuracy - confidence), weights=frame["n_samples"])
    assert display.expected_calibration_error == pytest.approx(gaps)


def test_an_unknown_label_is_an_error_in_the_calibration():
    y_prob = [[0.9, 0.1], [0.9, 0.1]]
    display = CalibrationDisplay.from_predictions(["a", "z"], y_prob, labels=["a", "b"])
    assert display.frame()["accuracy"].tolist() == [0.5]


@pytest.mark.parametrize("display_class", DISPLAYS)
@pytest.mark.parametrize("n_labels", [2, 5, 20])
def test_long_labels_are_not_truncated(display_class, n_labels):
    labels = np.array([f"{i} {LONG} $x" for i in range(n_labels)], dtype=object)
    display = _draw(display_class, *_predict_at_random(n_labels), labels)
    figure = display.figure_
    figure.canvas.draw()
    drawn, room = figure.get_tightbbox(), figure.bbox_inches.padded(0.01)
    assert room.contains(drawn.x0, drawn.y0) and room.contains(drawn.x1, drawn.y1)
    if display_class is not CalibrationDisplay:
        ticks = [tick.get_text() for tick in display.ax_.get_yticklabels()]
        unwrapped = [" ".join(tick.split()).replace("\\$", "$") for tick in ticks]
        assert unwrapped == labels.tolist()


@pytest.mark.parametrize("display_class", DISPLAYS)
def test_displays_are_drawn_on_given_axes(display_class):
    figure, ax = plt.subplots()
    display = _draw(display_class, *_predict_at_random(3), np.arange(3), ax=ax)
    assert display.ax_ is ax and display.figure_ is figure


@pytest.mark.parametrize("display_class", DISPLAYS)
def test_from_estimator_equals_from_predictions(display_class, pipe, reviews):
    X, y = reviews[0][:50], reviews[1][:50]
    proba = pipe.predict_proba(X)
    expected = _draw(display_class, y - 1, proba, pipe.classes_).frame()
    assert display_class.from_estimator(pipe, X, y).frame().equals(expected)
    with pytest.raises(NotFittedError):
        display_class.from_estimator(make_review_pipeline(), X, y)


@pytest.mark.parametrize(
    ("display_class", "y_true", "y", "message"),
    [
        (RatingConfusionDisplay, [1, 2], [1], "inconsistent"),
        (RatingDistributionDisplay, [1, None], [1, 1], r"y_true\[1\]|y\[1\]"),
        (CalibrationDisplay, [1, 2], [[0.5, 0.5]], "inconsistent"),
        (CalibrationDisplay, [1, 2], [0.5, 0.5], "needs a column"),
        (
            CalibrationDisplay,
            [1, 2],
            [[1, 0], [2, -1]],
            r"y_prob\[1, 0\] is 2",
        ),
    ],
)
def test_invalid_predictions_are_refused(display_class, y_true, y, message):
    with pytest.raises(ValueError, match=message):
        display_class.from_predictions(y_true, y)
