"""TrainingDisplay: how the training went, epoch by epoch."""

from sklearn.utils.validation import check_is_fitted


class TrainingDisplay:
    """Training and validation loss of a fitted `LSTMClassifier` for each epoch.

    Made by `from_estimator`, as scikit-learn's displays are.

    Parameters
    ----------
    history : DataFrame
        One row for each epoch, as in the attribute `history_` of the classifier.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.
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

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the training of a fitted classifier.

        Parameters
        ----------
        estimator : LSTMClassifier, Pipeline that ends with one, or search over them
            Fitted estimator.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure.

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
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        self : TrainingDisplay
        """
        import matplotlib.pyplot as plt
        from matplotlib.ticker import MaxNLocator

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        frame = self.frame()
        self.lines_ = {}
        styles = {"train_loss": ("Training", "--s"), "valid_loss": ("Validation", "-o")}
        for column, (label, style) in styles.items():
            if column in frame:
                (line,) = ax.plot(frame["epoch"], frame[column], style, label=label)
                self.lines_[column] = line
        if "valid_loss" in frame:
            best = self.history["epoch"][self.history["valid_accuracy"].idxmax()]
            label = f"Highest accuracy (epoch {best})"
            ax.axvline(best, color="0.6", linestyle=":", label=label)
        ax.set(xlabel="Epoch", ylabel="Loss")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend()
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        frame : DataFrame
            Columns ``epoch``, ``train_loss`` and, if rows were held out,
            ``valid_loss``.
        """
        kept = ["epoch", "train_loss", "valid_loss"]
        return self.history[[name for name in kept if name in self.history]]
