"""CalibrationDisplay: accuracy against confidence, for any number of classes."""

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skreviews._labels import encode_known_labels, list_labels, merge_labels
from skreviews.inspection._figures import Figure


class CalibrationDisplay(Figure):
    """Accuracy against confidence, for any number of classes.

    The confidence is the probability of the most probable class. Its range is divided
    into bins of equal width [1]_. A point is the accuracy of a bin, the line through it
    its 95 % Wilson interval, a bar the share of the reviews in the bin. Points below
    the diagonal mean overconfidence.

    Create it with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    bins : DataFrame
        One row for each non-empty bin, as returned by `frame`.
    n_classes : int
        Number of classes. The confidence is at least ``1 / n_classes``.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curve.
    figure_ : matplotlib Figure
        Figure that contains the axes.
    line_ : matplotlib Line2D
        The points.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : For the probability of one of two classes.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural
       networks", ICML 2017.

    Examples
    --------
    >>> from skreviews import CalibrationDisplay
    >>> y_prob = [[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.7, 0.3]]
    >>> display = CalibrationDisplay.from_predictions([1, 5, 1, 1], y_prob, n_bins=2)
    >>> display.frame()[["confidence", "accuracy", "n_samples"]]
       confidence  accuracy  n_samples
    0       0.825      0.75          4
    >>> round(display.expected_calibration_error, 3)
    0.075
    """

    def __init__(self, bins, n_classes):
        self.bins = bins
        self.n_classes = n_classes

    @property
    def expected_calibration_error(self):
        """Mean absolute difference of confidence and accuracy over the samples."""
        gaps = (self.bins["confidence"] - self.bins["accuracy"]).abs()
        return float(np.average(gaps, weights=self.bins["n_samples"]))

    @classmethod
    def from_estimator(cls, estimator, X, y, *, n_bins=15, ax=None):
        """Draw the calibration of a fitted classifier.

        Parameters
        ----------
        estimator : classifier, Pipeline that ends with one, or search over them
            Fitted estimator with `predict_proba`.
        X : array-like of shape (n_samples,)
            Input of the estimator, such as texts.
        y : array-like of shape (n_samples,)
            True labels. Labels unknown to the estimator count as errors.
        n_bins : int, default=15
            Number of bins between 0 and 1.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates a figure.

        Returns
        -------
        display : CalibrationDisplay
        """
        check_is_fitted(estimator)
        y_prob = estimator.predict_proba(X)
        return cls.from_predictions(
            y, y_prob, labels=estimator.classes_, n_bins=n_bins, ax=ax
        )

    @classmethod
    def from_predictions(cls, y_true, y_prob, *, labels=None, n_bins=15, ax=None):
        """Draw the calibration of predicted probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels. Labels that are not in `labels` count as errors.
        y_prob : array-like of float of shape (n_samples, n_classes)
            Probabilities of the classes, as returned by `predict_proba`.
        labels : array-like of shape (n_classes,) or None, default=None
            The classes in the order of the columns. None takes those of `y_true`.
        n_bins : int, default=15
            Number of bins between 0 and 1.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates a figure.

        Returns
        -------
        display : CalibrationDisplay

        Raises
        ------
        ValueError
            If the lengths differ, if the number of columns is not that of the labels,
            or if a probability is not between 0 and 1.
        """
        check_consistent_length(y_true, y_prob)
        y_prob = np.asarray(y_prob)
        labels = merge_labels(y_true) if labels is None else list_labels(labels)
        if y_prob.shape[1:] != (len(labels),):
            raise ValueError(
                f"y_prob has the shape {y_prob.shape}, but each of the {len(labels)} "
                "labels needs a column. Pass the result of predict_proba, and the "
                "classes_ of the estimator as labels."
            )
        is_valid = (y_prob >= 0) & (y_prob <= 1 + 1e-6)
        if not is_valid.all():
            row, column = np.argwhere(~is_valid)[0]
            raise ValueError(
                f"y_prob[{row}, {column}] is {y_prob[row, column]}, which is not "
                "between 0 and 1. Pass the result of predict_proba."
            )
        merged = merge_labels(labels, y_true)
        true = encode_known_labels(y_true, merged, "y_true")
        predicted = encode_known_labels(labels, merged)[y_prob.argmax(axis=1)]
        bins = bin_confidence(y_prob.max(axis=1), true == predicted, n_bins)
        return cls(bins, len(labels)).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the points, their intervals and the bars.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates a figure.

        Returns
        -------
        self : CalibrationDisplay
        """
        ax = self._set_axes(ax)
        bins = self.bins
        ax.bar(
            bins["lower_edge"],
            bins["n_samples"] / bins["n_samples"].sum(),
            bins["upper_edge"] - bins["lower_edge"],
            align="edge",
            color="0.85",
            edgecolor="white",
            label="Share of the reviews",
        )
        ax.plot([0, 1], [0, 1], "--", color="0.4", label="Perfectly calibrated")
        ax.vlines(bins["confidence"], bins["low"], bins["high"], color="#08519c")
        (self.line_,) = ax.plot(
            bins["confidence"], bins["accuracy"], "-o", color="#08519c", label="Model"
        )
        # The confidence of n classes is at least 1 / n.
        start = min(1 / self.n_classes, bins["lower_edge"].min())
        error = self.expected_calibration_error
        ax.set(
            xlim=(start, 1.01),
            ylim=(0, 1.02),
            xlabel=f"Confidence (expected calibration error {error:.3f})",
            ylabel="Accuracy; share of the reviews",
        )
        ax.xaxis.set_major_formatter("{x:.0%}")
        ax.yaxis.set_major_formatter("{x:.0%}")
        ax.legend(
            loc="lower center",
            bbox_to_anchor=(0.5, 1),
            ncols=3,
            frameon=False,
            fontsize="small",
        )
        return self

    def frame(self):
        """Return the drawn numbers.

        Returns
        -------
        frame : DataFrame
            One row for each non-empty bin: ``lower_edge``, ``upper_edge``, mean
            ``confidence``, ``accuracy`` with the bounds ``low`` and ``high`` of its
            95 % interval, and ``n_samples``.
        """
        return self.bins.copy()

    def _figsize(self):
        return 5.6, 4.6


def bin_confidence(confidence, is_right, n_bins=15):
    """Return confidence and accuracy by bins of the confidence, as a DataFrame."""
    edges = np.linspace(0, 1, n_bins + 1)
    # A bin includes its upper edge and excludes its lower one (Guo et al.).
    codes = np.clip(np.searchsorted(edges, confidence) - 1, 0, n_bins - 1)
    bins = (
        pd.DataFrame({"confidence": confidence, "accuracy": is_right})
        .groupby(codes)
        .agg(
            confidence=("confidence", "mean"),
            accuracy=("accuracy", "mean"),
            n_right=("accuracy", "sum"),
            n_samples=("accuracy", "size"),
        )
    )
    intervals = [
        binomtest(n_right, n_samples).proportion_ci(method="wilson")
        for n_right, n_samples in zip(
            bins.pop("n_right"), bins["n_samples"], strict=True
        )
    ]
    bins.insert(0, "lower_edge", edges[bins.index])
    bins.insert(1, "upper_edge", edges[bins.index + 1])
    bins.insert(4, "low", [interval.low for interval in intervals])
    bins.insert(5, "high", [interval.high for interval in intervals])
    return bins.reset_index(drop=True)
