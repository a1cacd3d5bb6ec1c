"""What the displays share: axes, ticks, and labels of two kinds."""

import textwrap

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skreviews._labels import encode_pair, merge_labels, show_label

_TICK_WIDTH = 24  # characters; longer labels are wrapped


class Figure:
    """Base of the displays: `_figsize` returns width and height in inches."""

    _n_axes = 1

    def _set_axes(self, ax):
        """Set `ax_` and `figure_`, with a new figure if `ax` is None."""
        if ax is None:
            import matplotlib.pyplot as plt

            size = self._figsize()
            _, ax = plt.subplots(self._n_axes, figsize=size, layout="constrained")
        self.ax_ = np.atleast_1d(ax)[0]
        self.figure_ = self.ax_.figure
        return ax


class LabelFigure(Figure):
    """Base of the displays of true and predicted labels.

    A subclass has the attribute `labels` and the class method
    ``_from_codes(true, predicted, labels)``.
    """

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None):
        """Draw the predictions of a fitted classifier.

        Parameters
        ----------
        estimator : classifier, Pipeline that ends with one, or search over them
            Fitted estimator.
        X : array-like of shape (n_samples,)
            Input of the estimator, such as texts.
        y : array-like of shape (n_samples,)
            True labels. Labels unknown to the estimator are added to its own.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates a figure.

        Returns
        -------
        display : object
            An instance of this class.
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
            Axes to draw on. None creates a figure.

        Returns
        -------
        display : object
            An instance of this class.

        Raises
        ------
        ValueError
            If the lengths differ, or if a label is missing or not in `labels`.
        """
        labels, true, predicted = encode_pair(y_true, y_pred, labels)
        return cls._from_codes(true, predicted, labels).plot(ax=ax)

    def _make_ticks(self):
        """Return the labels as tick labels, and their width in inches."""
        # A dollar sign would start a formula.
        ticks = [
            "\n".join(textwrap.wrap(show_label(label), _TICK_WIDTH)).replace("$", r"\$")
            for label in self.labels
        ]
        longest = max(len(line) for tick in ticks for line in tick.split("\n"))
        return ticks, 0.08 * longest
