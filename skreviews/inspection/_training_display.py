"""TrainingDisplay: loss and accuracy of each epoch."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skreviews.inspection._figures import Figure

_SCORES = ("loss", "accuracy")
# Dashes, markers and lightness distinguish the curves without colour.
_STYLES = {
    "train": {"label": "Training", "ls": "--", "marker": "s", "color": "#6baed6"},
    "valid": {"label": "Validation", "ls": "-", "marker": "o", "color": "#08306b"},
}


class TrainingDisplay(Figure):
    """Training and validation loss and accuracy of each epoch.

    Create it with `from_estimator`.

    Parameters
    ----------
    history : DataFrame
        One row for each epoch, as the attribute `history_` of the classifier.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the losses.
    axes_ : ndarray of matplotlib Axes
        All axes: losses and, if drawn, accuracies.
    figure_ : matplotlib Figure
        Figure that contains the axes.
    lines_ : dict of str to matplotlib Line2D
        The curve of each column.

    Examples
    --------
    >>> import pandas as pd
    >>> from skreviews import TrainingDisplay
    >>> history = pd.DataFrame(
    ...     {"epoch": [1, 2], "train_loss": [0.9, 0.5], "train_accuracy": [0.6, 0.8]}
    ... )
    >>> TrainingDisplay(history).plot().ax_.get_ylabel()
    'Loss'
    """

    _n_axes = 2

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the training of a fitted classifier.

        Parameters
        ----------
        estimator : LSTMClassifier, Pipeline that ends with one, or search over them
            Fitted estimator.
        ax : matplotlib Axes, pair of them or None, default=None
            One axes for the losses alone, or two for losses and accuracies. None
            creates a figure with both.

        Returns
        -------
        display : TrainingDisplay
        """
        check_is_fitted(estimator)
        estimator = getattr(estimator, "best_estimator_", estimator)
        classifier = estimator[-1] if hasattr(estimator, "steps") else estimator
        return cls(classifier.history_).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the curves and mark the epoch with the highest validation accuracy.

        Parameters
        ----------
        ax : matplotlib Axes, pair of them or None, default=None
            One axes for the losses alone, or two for losses and accuracies. None
            creates a figure with both.

        Returns
        -------
        self : TrainingDisplay
        """
        from matplotlib.ticker import MaxNLocator

        self.axes_ = np.atleast_1d(self._set_axes(ax))
        self.lines_ = {}
        for ax, score in zip(self.axes_, _SCORES, strict=False):
            self._plot_score(ax, score)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        self.axes_[-1].set_xlabel("Epoch")
        self.ax_.legend()
        return self

    def frame(self):
        """Return the drawn numbers.

        Returns
        -------
        frame : DataFrame
            The columns ``epoch``, ``train_loss``, ``train_accuracy`` and, with held-out
            samples, ``valid_loss`` and ``valid_accuracy``.
        """
        scores = [f"{part}_{score}" for part in _STYLES for score in _SCORES]
        names = [name for name in ["epoch", *scores] if name in self.history]
        return self.history[names]

    def _figsize(self):
        return 6.4, 5.6

    def _plot_score(self, ax, score):
        frame = self.frame()
        for part, style in _STYLES.items():
            column = f"{part}_{score}"
            if column in frame:
                (line,) = ax.plot(frame["epoch"], frame[column], **style)
                self.lines_[column] = line
        if "valid_loss" in frame:
            best = self.history["epoch"][self.history["valid_accuracy"].idxmax()]
            label = f"Highest accuracy (epoch {best})"
            ax.axvline(best, color="0.6", linestyle=":", label=label)
        ax.set_ylabel(score.capitalize())
