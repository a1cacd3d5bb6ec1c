"""RatingConfusionDisplay: confusion matrix with counts and shares."""

import numpy as np
import pandas as pd
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

from skreviews.inspection._figures import LabelFigure

_CELL = 0.55  # height and width of a cell in inches: room for a count such as 12,345


class RatingConfusionDisplay(LabelFigure):
    """Confusion matrix with the counts and the shares of each true label.

    The colour is the share, so that rare labels are as legible as frequent ones. Cells
    with a count of zero are blank. Create it with `from_estimator` or
    `from_predictions`.

    Parameters
    ----------
    matrix : ndarray of int of shape (n_labels, n_labels)
        Counts. Rows are true, columns predicted labels.
    labels : array-like of shape (n_labels,)
        The labels in the order of the rows.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the matrix.
    figure_ : matplotlib Figure
        Figure that contains the axes.
    im_ : matplotlib AxesImage
        The image of the shares.
    text_ : dict of (int, int) to matplotlib Text
        The texts of the cells, by row and column.

    See Also
    --------
    sklearn.metrics.ConfusionMatrixDisplay : Draws either counts or shares.

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

    def __init__(self, matrix, labels):
        self.matrix = matrix
        self.labels = labels

    @classmethod
    def _from_codes(cls, true, predicted, labels):
        matrix = confusion_matrix(true, predicted, labels=range(len(labels)))
        return cls(matrix, labels)

    def plot(self, *, ax=None):
        """Draw the matrix.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates a figure of the size that the labels need.

        Returns
        -------
        self : RatingConfusionDisplay
        """
        ax = self._set_axes(ax)
        ticks, width = self._make_ticks()
        shares = self._shares()
        self.im_ = (
            ConfusionMatrixDisplay(shares, display_labels=ticks)
            .plot(
                ax=ax,
                include_values=False,
                colorbar=False,
                cmap="Blues",
                # Square cells would not fill the figure, and cut the labels.
                im_kw={"vmin": 0, "vmax": 1, "aspect": "auto"},
                xticks_rotation="vertical" if width > _CELL else "horizontal",
            )
            .im_
        )
        bar = self.figure_.colorbar(self.im_, ax=ax, fraction=0.05, aspect=30)
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
        return self

    def frame(self):
        """Return the drawn numbers.

        Returns
        -------
        frame : DataFrame of shape (n_labels ** 2, 4)
            The columns ``true``, ``predicted``, ``count`` and ``share``, the share of
            the samples with this true label (NaN if there are none).
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
        ticks, width = self._make_ticks()
        cells = max(_CELL * len(ticks), 2.5)
        return cells + width + 1.9, cells + 0.8 + (width if width > _CELL else 0.2)

    def _shares(self):
        with np.errstate(invalid="ignore"):
            return self.matrix / self.matrix.sum(axis=1, keepdims=True)
