"""RatingDistributionDisplay: how often each label is true, and how often predicted."""

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skreviews.inspection._shown_labels import (
    encode_pair,
    measure_ticks,
    merge_labels,
    show_tick,
)


class RatingDistributionDisplay:
    """Bars of how often each label is true, and how often it is predicted.

    Made by `from_estimator` or `from_predictions`, as scikit-learn's displays are.

    Parameters
    ----------
    n_true : ndarray of int of shape (n_labels,)
        Rows of each label.
    n_predicted : ndarray of int of shape (n_labels,)
        Rows that each label is predicted for.
    labels : array-like of shape (n_labels,)
        The labels.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the bars.
    figure_ : matplotlib Figure
        Figure that holds the axes.
    bars_ : dict of str to matplotlib BarContainer
        The bars called ``true`` and ``predicted``.

    Examples
    --------
    >>> from skreviews import RatingDistributionDisplay
    >>> display = RatingDistributionDisplay.from_predictions([1, 3, 5], [1, 5, 5])
    >>> display.frame()
      label  true  predicted
    0     1     1          1
    1     3     1          0
    2     5     1          2
    """

    _n_axes = 1

    def __init__(self, n_true, n_predicted, labels):
        self.n_true = n_true
        self.n_predicted = n_predicted
        self.labels = labels

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None):
        """Draw the labels and the predictions of a fitted classifier.

        Parameters
        ----------
        estimator : classifier, Pipeline that ends with one, or search over them
            Fitted estimator.
        X : array-like of shape (n_samples,)
            What the estimator predicts from, such as texts.
        y : array-like of shape (n_samples,)
            True labels. The plot has them and those that the estimator knows.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        display : RatingDistributionDisplay
        """
        check_is_fitted(estimator)
        labels = merge_labels(estimator.classes_, y)
        return cls.from_predictions(y, estimator.predict(X), labels=labels, ax=ax)

    @classmethod
    def from_predictions(cls, y_true, y_pred, *, labels=None, ax=None):
        """Draw true and predicted labels.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_pred : array-like of shape (n_samples,)
            Predicted labels.
        labels : array-like of shape (n_labels,) or None, default=None
            All labels in their order. None takes those of `y_true` and `y_pred`.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        display : RatingDistributionDisplay

        Raises
        ------
        ValueError
            If the lengths differ, or if a label is missing or not in `labels`.
        """
        labels, true, predicted = encode_pair(y_true, y_pred, labels)
        n_true = np.bincount(true, minlength=len(labels))
        n_predicted = np.bincount(predicted, minlength=len(labels))
        return cls(n_true, n_predicted, labels).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the bars, the first label at the top.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure, as large as the labels need.

        Returns
        -------
        self : RatingDistributionDisplay
        """
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=self._figsize(), layout="constrained")
        places = np.arange(len(self.labels))
        # Dark and light, and hatched: told apart without any colour.
        true = ax.barh(places - 0.2, self.n_true, 0.38, color="#08306b", label="True")
        predicted = ax.barh(
            places + 0.2,
            self.n_predicted,
            0.38,
            color="#9ecae1",
            edgecolor="#08306b",
            hatch="///",
            label="Predicted",
        )
        self.bars_ = {"true": true, "predicted": predicted}
        for bars in self.bars_.values():
            ax.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
        ax.margins(x=0.12)
        ax.set_yticks(places, [show_tick(label) for label in self.labels])
        ax.set_ylim(len(places) - 0.5, -0.5)
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.set(xlabel="Reviews", ylabel="Label")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        frame : DataFrame
            One row for each label: ``label``, and the numbers of rows where it is
            ``true`` and where it is ``predicted``.
        """
        return pd.DataFrame(
            {"label": self.labels, "true": self.n_true, "predicted": self.n_predicted}
        )

    def _figsize(self):
        """Return width and height in inches that hold all that is drawn."""
        ticks = [show_tick(label) for label in self.labels]
        return 5.2 + measure_ticks(ticks), 1.4 + 0.48 * len(ticks)
