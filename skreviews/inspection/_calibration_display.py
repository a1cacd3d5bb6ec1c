"""CalibrationDisplay: how often the model is right when it says how sure it is."""

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skreviews._labels import encode_known_labels, list_labels
from skreviews.inspection._shown_labels import merge_labels


class CalibrationDisplay:
    """Accuracy against confidence, for any number of classes.

    The confidence is the probability of the most probable class. Its range is cut into
    bins of one width [1]_. A point shows how many of the reviews of a bin are right,
    the line through it the 95 % interval of this share [2]_, a bar the share of all
    reviews that the bin holds. Below the diagonal a model is too sure of itself.

    Made by `from_estimator` or `from_predictions`, as scikit-learn's displays are.

    Parameters
    ----------
    bins : DataFrame
        One row for each bin with reviews in it, as `frame` returns it.
    n_classes : int
        Number of classes: the confidence is never below ``1 / n_classes``.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curve.
    figure_ : matplotlib Figure
        Figure that holds the axes.
    line_ : matplotlib Line2D
        The points.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : The probability of one class of two.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural
       networks", ICML 2017.
    .. [2] E. B. Wilson, "Probable inference, the law of succession, and statistical
       inference", Journal of the American Statistical Association 22(158), 1927.

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

    _n_axes = 1

    def __init__(self, bins, n_classes):
        self.bins = bins
        self.n_classes = n_classes

    @property
    def expected_calibration_error(self):
        """Mean distance of confidence and accuracy, each review counting the same."""
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
            What the estimator predicts from, such as texts.
        y : array-like of shape (n_samples,)
            True labels; one that the estimator does not know is never right.
        n_bins : int, default=15
            Number of bins between 0 and 1.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure.

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
            True labels; one that is not in `labels` is never right.
        y_prob : array-like of float of shape (n_samples, n_classes)
            Probability of each class, as from `predict_proba`.
        labels : array-like of shape (n_classes,) or None, default=None
            The classes in the order of the columns. None takes those of `y_true`.
        n_bins : int, default=15
            Number of bins between 0 and 1.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        display : CalibrationDisplay

        Raises
        ------
        ValueError
            If the lengths differ, if there is not one column for each label, or if a
            probability is not between 0 and 1.
        """
        check_consistent_length(y_true, y_prob)
        y_prob = np.asarray(y_prob)
        labels = merge_labels(y_true) if labels is None else list_labels(labels)
        if y_prob.shape[1:] != (len(labels),):
            raise ValueError(
                f"y_prob has the shape {y_prob.shape}, but there are {len(labels)} "
                "labels, and each needs a column. Pass what predict_proba returns, and "
                "as labels the classes_ of the estimator."
            )
        if not np.all((y_prob >= 0) & (y_prob <= 1 + 1e-6)):
            raise ValueError(
                "y_prob holds values that are not between 0 and 1: pass probabilities, "
                "as predict_proba returns them."
            )
        merged = merge_labels(labels, y_true)
        true = encode_known_labels(y_true, merged, "y_true")
        predicted = encode_known_labels(labels, merged)[y_prob.argmax(axis=1)]
        bins = bin_confidence(y_prob.max(axis=1), true == predicted, n_bins)
        return cls(bins, len(labels)).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the points, their intervals, and the bars.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        self : CalibrationDisplay
        """
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=self._figsize(), layout="constrained")
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
        # Where no confidence can lie, there is nothing to see.
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
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        frame : DataFrame
            One row for each bin with reviews in it: its ``lower_edge`` and
            ``upper_edge``, mean ``confidence``, ``accuracy``, the bounds ``low`` and
            ``high`` of its 95 % interval, and ``n_samples``.
        """
        return self.bins.copy()

    def _figsize(self):
        """Return width and height in inches that hold all that is drawn."""
        return 5.6, 4.6


def bin_confidence(confidence, is_right, n_bins=15):
    """Return confidence and accuracy by bins of the confidence, as a DataFrame."""
    edges = np.linspace(0, 1, n_bins + 1)
    # A bin has its upper edge, not its lower one, as in the paper of Guo et al.
    codes = np.clip(np.searchsorted(edges, confidence) - 1, 0, n_bins - 1)
    n = np.bincount(codes, minlength=n_bins)
    is_used = n > 0
    used = n[is_used]
    accuracy = np.bincount(codes, is_right, n_bins)[is_used] / used
    low, high = _wilson(accuracy, used)
    return pd.DataFrame(
        {
            "lower_edge": edges[:-1][is_used],
            "upper_edge": edges[1:][is_used],
            "confidence": np.bincount(codes, confidence, n_bins)[is_used] / used,
            "accuracy": accuracy,
            "low": low,
            "high": high,
            "n_samples": used,
        }
    )


def _wilson(share, n, z=1.96):
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return middle - half, middle + half
