"""TrainingDisplay: how the training went, epoch by epoch."""

import numpy as np
from sklearn.utils.validation import check_is_fitted


class TrainingDisplay:
    """Training and validation loss and accuracy of a fitted classifier by epoch.

    Made by `from_estimator`, as scikit-learn's displays are.

    Parameters
    ----------
    history : DataFrame
        One row for each epoch, as in the attribute `history_` of the classifier.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the losses.
    axes_ : ndarray of matplotlib Axes
        These and, if drawn, the ones with the accuracies.
    figure_ : matplotlib Figure
        Figure that holds the axes.
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
            Axes to draw on: one for the losses alone, or two for losses and
            accuracies. None makes a new figure with both.

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
            Axes to draw on: one for the losses alone, or two for losses and
            accuracies. None makes a new figure with both.

        Returns
        -------
        self : TrainingDisplay
        """
        from matplotlib.ticker import MaxNLocator

        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(2, figsize=self._figsize(), layout="constrained")
        self.axes_ = np.atleast_1d(ax)
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure
        self.lines_ = {}
        for ax, score in zip(self.axes_, ("loss", "accuracy"), strict=False):
            self._plot_score(ax, score)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        self.axes_[-1].set_xlabel("Epoch")
        self.ax_.legend()
        return self

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        frame : DataFrame
            Columns ``epoch``, ``train_loss``, ``train_accuracy`` and, if rows were held
            out, ``valid_loss``, ``valid_accuracy``.
        """
        kept = ["epoch", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy"]
        return self.history[[name for name in kept if name in self.history]]

    def _figsize(self):
        """Return width and height in inches that hold all that is drawn."""
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


# Told apart by dash, marker and lightness.
_STYLES = {
    "train": {
        "label": "Training",
        "linestyle": "--",
        "marker": "s",
        "color": "#6baed6",
    },
    "valid": {
        "label": "Validation",
        "linestyle": "-",
        "marker": "o",
        "color": "#08306b",
    },
}
