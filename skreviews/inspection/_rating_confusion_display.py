"""RatingConfusionDisplay: which label is taken for which."""

import numpy as np
import pandas as pd
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix
from sklearn.utils.validation import check_is_fitted

from skreviews.inspection._shown_labels import (
    encode_pair,
    measure_ticks,
    merge_labels,
    show_tick,
)


class RatingConfusionDisplay:
    """Confusion matrix with the counts and the shares of each row.

    The shade is the share of the row, so that rare labels are read as easily as
    frequent ones. Cells without any review are left blank.

    Made by `from_estimator` or `from_predictions`, as scikit-learn's displays are.

    Parameters
    ----------
    matrix : ndarray of int of shape (n_labels, n_labels)
        Counts; rows are true, columns predicted labels.
    labels : array-like of shape (n_labels,)
        The labels in the order of the rows.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the matrix.
    figure_ : matplotlib Figure
        Figure that holds the axes.
    im_ : matplotlib AxesImage
        The shades.
    text_ : dict of (int, int) to matplotlib Text
        What stands in the cells, by row and column.

    See Also
    --------
    sklearn.metrics.ConfusionMatrixDisplay : Draws counts or shares, not both.

    Examples
    --------
    >>> from skreviews import RatingConfusionDisplay
    >>> display = RatingConfusionDisplay.from_predictions([1, 1, 5, 5], [1, 5, 5, 5])
    >>> display.frame()
      true predicted  count  share
    0    1         1      1    0.5
    1    1         5      1    0.5
    2    5         1      0    0.0
    3    5         5      2    1.0
    """

    _n_axes = 1

    def __init__(self, matrix, labels):
        self.matrix = matrix
        self.labels = labels

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None):
        """Draw the confusion of a fitted classifier.

        Parameters
        ----------
        estimator : classifier, Pipeline that ends with one, or search over them
            Fitted estimator.
        X : array-like of shape (n_samples,)
            What the estimator predicts from, such as texts.
        y : array-like of shape (n_samples,)
            True labels. The matrix has them and those that the estimator knows.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        display : RatingConfusionDisplay
        """
        check_is_fitted(estimator)
        labels = merge_labels(estimator.classes_, y)
        return cls.from_predictions(y, estimator.predict(X), labels=labels, ax=ax)

    @classmethod
    def from_predictions(cls, y_true, y_pred, *, labels=None, ax=None):
        """Draw the confusion of true and predicted labels.

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
        display : RatingConfusionDisplay

        Raises
        ------
        ValueError
            If the lengths differ, or if a label is missing or not in `labels`.
        """
        labels, true, predicted = encode_pair(y_true, y_pred, labels)
        matrix = confusion_matrix(true, predicted, labels=range(len(labels)))
        return cls(matrix, labels).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the matrix.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure, as large as the labels need.

        Returns
        -------
        self : RatingConfusionDisplay
        """
        ticks = [show_tick(label) for label in self.labels]
        is_wide = measure_ticks(ticks) > _CELL
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=self._figsize(), layout="constrained")
        shares = self._shares()
        drawn = ConfusionMatrixDisplay(shares, display_labels=ticks).plot(
            ax=ax,
            include_values=False,
            colorbar=False,
            cmap="Blues",
            # Cells that fill the figure, or its labels would be cut.
            im_kw={"vmin": 0, "vmax": 1, "aspect": "auto"},
            xticks_rotation="vertical" if is_wide else "horizontal",
        )
        self.im_ = drawn.im_
        bar = ax.figure.colorbar(self.im_, ax=ax, fraction=0.05, aspect=30)
        bar.set_label("Share of the true label")
        bar.ax.yaxis.set_major_formatter("{x:.0%}")
        self.text_ = {}
        for row, column in np.argwhere(self.matrix):
            share = shares[row, column]
            self.text_[row, column] = ax.text(
                column,
                row,
                f"{self.matrix[row, column]:,}\n{share:.0%}",
                ha="center",
                va="center",
                fontsize=9 if len(ticks) <= 10 else 8,
                color="white" if share > 0.5 else "black",
            )
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        frame : DataFrame
            One row for each cell: ``true`` and ``predicted`` label, ``count``, and
            ``share`` of the rows with this true label (NaN where there is none).
        """
        n_labels = len(self.labels)
        return pd.DataFrame(
            {
                "true": np.repeat(self.labels, n_labels),
                "predicted": np.tile(self.labels, n_labels),
                "count": self.matrix.ravel(),
                "share": self._shares().ravel(),
            }
        )

    def _figsize(self):
        """Return width and height in inches that hold all that is drawn."""
        ticks = [show_tick(label) for label in self.labels]
        width = measure_ticks(ticks)
        cells = max(_CELL * len(ticks), 2.5)
        height = cells + 0.8 + (width if width > _CELL else 0.2)
        return cells + width + 1.9, height

    def _shares(self):
        with np.errstate(invalid="ignore"):
            return self.matrix / self.matrix.sum(axis=1, keepdims=True)


# Height and width of a cell in inches: room for a count such as 12,345.
_CELL = 0.55
