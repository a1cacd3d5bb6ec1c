"""RatingDistributionDisplay: number of true and predicted samples of each label."""

import numpy as np
import pandas as pd

from skreviews.inspection._figures import LabelFigure


class RatingDistributionDisplay(LabelFigure):
    """Bar chart of the true and the predicted labels.

    Create it with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    n_true : ndarray of int of shape (n_labels,)
        Number of samples with each label.
    n_predicted : ndarray of int of shape (n_labels,)
        Number of samples for which each label is predicted.
    labels : array-like of shape (n_labels,)
        The labels.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the bars.
    figure_ : matplotlib Figure
        Figure that contains the axes.
    bars_ : dict of str to matplotlib BarContainer
        The bars, by the keys ``true`` and ``predicted``.

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

    def __init__(self, n_true, n_predicted, labels):
        self.n_true = n_true
        self.n_predicted = n_predicted
        self.labels = labels

    @classmethod
    def _from_codes(cls, true, predicted, labels):
        n_labels = len(labels)
        counts = (np.bincount(codes, minlength=n_labels) for codes in (true, predicted))
        return cls(*counts, labels)

    def plot(self, *, ax=None):
        """Draw the bars, with the first label at the top.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates a figure of the size that the labels need.

        Returns
        -------
        self : RatingDistributionDisplay
        """
        ax = self._set_axes(ax)
        positions = np.arange(len(self.labels))
        # Lightness and hatching distinguish the bars without colour.
        true = ax.barh(
            positions - 0.2, self.n_true, 0.38, color="#08306b", label="True"
        )
        predicted = ax.barh(
            positions + 0.2,
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
        ax.set_yticks(positions, self._make_ticks()[0])
        ax.set_ylim(len(positions) - 0.5, -0.5)
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.set(xlabel="Reviews", ylabel="Label")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
        return self

    def frame(self):
        """Return the drawn numbers.

        Returns
        -------
        frame : DataFrame of shape (n_labels, 3)
            The columns ``label``, ``true`` and ``predicted``.
        """
        return pd.DataFrame(
            {"label": self.labels, "true": self.n_true, "predicted": self.n_predicted}
        )

    def _figsize(self):
        ticks, width = self._make_ticks()
        return 5.2 + width, 1.4 + 0.48 * len(ticks)
