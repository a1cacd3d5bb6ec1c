"""ScoreTable: scores with bootstrap intervals, from resampled confusion matrices.

References
----------
B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall, 1993,
chapters 6 and 13 (percentile intervals).
"""

import numpy as np
import pandas as pd

from skreviews.metrics import compute_kappa, compute_macro_error

_INTERVAL = (0.025, 0.975)


class ScoreTable:
    """Collect scores of predictions of the same samples, with their intervals.

    Draws are arrays whose first row belongs to the sample itself, the others to the
    bootstrap samples.

    Parameters
    ----------
    true : ndarray of int of shape (n_samples,)
        Indices of the true labels.
    n_labels : int
    values : ndarray of float of shape (n_labels,) or None
        The labels as numbers, if they are ordered.
    n_bootstrap : int
    rng : numpy.random.Generator
    """

    def __init__(self, true, n_labels, values, n_bootstrap, rng):
        self.true = true
        self.n_labels = n_labels
        self.values = values
        self.n_bootstrap = n_bootstrap
        self.rng = rng
        self._rows = []

    def add(self, section, group, predicted, rows=slice(None)):
        """Score the predictions of some of the samples."""
        (true, predicted), counts = self._resample(predicted, rows=rows)
        scores = self._score(true, predicted, counts)
        self._append(section, group, counts[0].sum(), scores)

    def add_difference(self, section, group, predicted, other):
        """Score the difference of two predictions, in the same bootstrap samples."""
        (true, predicted, other), counts = self._resample(predicted, other)
        scores = self._score(true, predicted, counts)
        for name, draws in self._score(true, other, counts).items():
            scores[name] = scores[name] - draws
        self._append(section, group, len(self.true), scores)

    def add_mean(self, section, group, name, values):
        """Add the mean of a value of each sample."""
        n = len(values)
        draws = [values.mean()]
        for _ in range(self.n_bootstrap):
            rows = self.rng.integers(n, size=n, dtype=np.int32)
            draws.append(values[rows].mean())
        self._append(section, group, n, {name: np.array(draws)})

    def add_value(self, section, group, name, value):
        """Add a score without an interval."""
        self._append(section, group, len(self.true), {name: np.array([value])})

    def add_labels(self, section, labels, predicted):
        """Score each label that is true of a sample."""
        (true, predicted), counts = self._resample(predicted)
        scores = self._score_labels(true, predicted, counts)
        n_true = np.bincount(self.true, minlength=self.n_labels)
        for code in np.flatnonzero(n_true):
            of_label = {name: draws[:, code] for name, draws in scores.items()}
            self._append(section, labels[code], n_true[code], of_label)

    def frame(self):
        """Return a DataFrame with one row for each score."""
        names = ["section", "group", "n_samples", "score", "value", "low", "high"]
        return pd.DataFrame(self._rows, columns=names)

    def _append(self, section, group, n_samples, scores):
        for name, draws in scores.items():
            low = high = np.nan
            resampled = draws[1:][~np.isnan(draws[1:])]
            if len(resampled) and not np.isnan(draws[0]):
                low, high = np.quantile(resampled, _INTERVAL).tolist()
            row = section, group, int(n_samples), name, float(draws[0]), low, high
            self._rows.append(row)

    def _resample(self, *predictions, rows=slice(None)):
        """Draw bootstrap samples, as counts of the combinations of labels.

        The counts of a bootstrap sample are multinomial. Scores that are functions of a
        confusion matrix only need the counts, not the resampled rows.

        Returns
        -------
        cells : ndarray of int of shape (1 + n_predictions, n_cells)
            The combinations of true and predicted labels that occur.
        counts : ndarray of float of shape (1 + n_bootstrap, n_cells)
            Draws of the number of samples in each cell.
        """
        codes = np.column_stack([self.true, *predictions])[rows]
        shape = codes.max(axis=0) + 1
        # One integer for each combination: numpy sorts integers much faster than rows.
        numbers = np.ravel_multi_index(codes.T, shape)
        numbers, counts = np.unique(numbers, return_counts=True)
        shares = counts / len(codes)
        draws = self.rng.multinomial(len(codes), shares, size=self.n_bootstrap)
        cells = np.array(np.unravel_index(numbers, shape))
        return cells, np.vstack([counts, draws]).astype(np.float64)

    def _score(self, true, predicted, counts):
        """Return draws of the scores over all labels, by name."""
        n_samples = counts.sum(axis=1)
        scores = {"accuracy": counts @ (true == predicted) / n_samples}
        for name, draws in self._score_labels(true, predicted, counts).items():
            scores[f"macro_{name}"] = np.nanmean(draws, axis=1)
        if self.values is not None:
            y_true, y_pred = self.values[true], self.values[predicted]
            distance = np.abs(y_true - y_pred)
            macro_error = compute_macro_error(y_true, y_pred, counts)
            scores["mean_absolute_error"] = counts @ distance / n_samples
            scores["macro_mean_absolute_error"] = macro_error
            scores["quadratic_weighted_kappa"] = compute_kappa(y_true, y_pred, counts)
            scores["within_one_accuracy"] = counts @ (distance <= 1) / n_samples
        return scores

    def _score_labels(self, true, predicted, counts):
        """Return draws of precision, recall and F1, of shape (n_draws, n_labels).

        0 / 0 is 0, as with ``zero_division=0`` in scikit-learn. A label that is neither
        true nor predicted in a draw has the scores NaN.
        """
        is_label = np.eye(self.n_labels)
        n_true, n_predicted = counts @ is_label[true], counts @ is_label[predicted]
        n_right = counts @ (is_label[true] * is_label[predicted])
        n_either = n_true + n_predicted
        scores = {
            "precision": n_right / np.maximum(n_predicted, 1),
            "recall": n_right / np.maximum(n_true, 1),
            "f1": 2 * n_right / np.maximum(n_either, 1),
        }
        return {k: np.where(n_either > 0, x, np.nan) for k, x in scores.items()}
