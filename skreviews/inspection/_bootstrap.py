"""Scores with bootstrap intervals, counted instead of resampled row by row."""

import numpy as np
import pandas as pd

from skreviews.metrics import compute_kappa, compute_macro_error

# The middle 95 % of the resampled scores.
_INTERVAL = (0.025, 0.975)


class ScoreTable:
    """Gathers scores of predictions of the same rows, each with its interval.

    Parameters
    ----------
    true : ndarray of int of shape (n_samples,)
        Places of the true labels.
    n_labels : int
    values : ndarray of float of shape (n_labels,) or None
        What the labels are on their scale, if they are ordered.
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
        """Score the predictions of some of the rows."""
        n_samples, scores = self._score(predicted, rows=rows)
        for name, draws in scores.items():
            self._append(section, group, n_samples, name, draws)

    def add_difference(self, section, group, predicted, other):
        """Score predictions less others of the same rows, resampled together."""
        n_samples, scores, others = self._score(predicted, other)
        for name, draws in scores.items():
            self._append(section, group, n_samples, name, draws - others[name])

    def add_mean(self, section, group, name, values):
        """Score by the mean of a value of each row."""
        draws = resample_mean(values, self.n_bootstrap, self.rng)
        self._append(section, group, len(values), name, draws)

    def add_value(self, section, group, name, value):
        """Note a score that has no interval."""
        self._append(section, group, len(self.true), name, np.array([value]))

    def add_labels(self, section, labels, predicted):
        """Score each label that is true of some row."""
        cells, counts = self._resample(predicted)
        scores = score_labels(*cells, counts, self.n_labels)
        n_true = np.bincount(self.true, minlength=self.n_labels)
        for place in np.flatnonzero(n_true):
            for name, draws in scores.items():
                self._append(
                    section, labels[place], n_true[place], name, draws[:, place]
                )

    def frame(self):
        """Return one row for each score, as a DataFrame."""
        names = ["section", "group", "n_samples", "score", "value", "low", "high"]
        return pd.DataFrame(self._rows, columns=names)

    def _score(self, *predictions, rows=slice(None)):
        (true, *cells), counts = self._resample(*predictions, rows=rows)
        scores = (
            score_cells(true, predicted, counts, self.n_labels, self.values)
            for predicted in cells
        )
        return int(counts[0].sum()), *scores

    def _resample(self, *predictions, rows=slice(None)):
        codes = np.column_stack([self.true, *predictions])[rows]
        return resample_cells(codes, self.n_bootstrap, self.rng)

    def _append(self, section, group, n_samples, name, draws):
        value, low, high = summarise(draws)
        self._rows.append((section, group, int(n_samples), name, value, low, high))


def resample_cells(codes, n_bootstrap, rng):
    """Resample rows of codes with replacement, as counts of their combinations.

    How often each combination comes up in a resample is multinomial, so scores that
    are functions of a confusion matrix need no resampled rows, only counts.

    Parameters
    ----------
    codes : ndarray of int of shape (n_samples, n_columns)
        Such as the true and the predicted class of each row.
    n_bootstrap : int
        Number of resamples.
    rng : numpy.random.Generator

    Returns
    -------
    cells : ndarray of int of shape (n_columns, n_cells)
        The combinations that occur.
    counts : ndarray of float of shape (1 + n_bootstrap, n_cells)
        How often each does in the sample itself, then in each resample.

    References
    ----------
    B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall,
    1993, chapters 6 and 13 (percentile intervals).
    """
    shape = codes.max(axis=0) + 1
    # One number for each combination: numpy sorts numbers much faster than rows.
    numbers = np.ravel_multi_index(codes.T, shape)
    numbers, counts = np.unique(numbers, return_counts=True)
    draws = rng.multinomial(len(codes), counts / len(codes), size=n_bootstrap)
    cells = np.array(np.unravel_index(numbers, shape))
    return cells, np.vstack([counts, draws]).astype(np.float64)


def resample_mean(values, n_bootstrap, rng):
    """Return the mean of the values, then that of each resample of them.

    Returns
    -------
    means : ndarray of float of shape (1 + n_bootstrap,)
    """
    n = len(values)
    draws = [
        values[rng.integers(n, size=n, dtype=np.int32)].mean()
        for _ in range(n_bootstrap)
    ]
    return np.array([values.mean(), *draws])


def score_cells(true, predicted, counts, n_labels, values=None):
    """Return scores of all labels together.

    Parameters
    ----------
    true, predicted : ndarray of int of shape (n_cells,)
        Codes of the labels in each cell of a confusion matrix.
    counts : ndarray of float of shape (n_draws, n_cells)
        Rows in each cell, in each draw.
    n_labels : int
        Number of labels.
    values : ndarray of float of shape (n_labels,) or None, default=None
        What the labels are on their scale, if they are ordered.

    Returns
    -------
    scores : dict of str to ndarray of shape (n_draws,)
    """
    n_rows = counts.sum(axis=1)
    scores = {"accuracy": counts @ (true == predicted) / n_rows}
    for name, by_label in score_labels(true, predicted, counts, n_labels).items():
        scores[f"macro_{name}"] = np.nanmean(by_label, axis=1)
    if values is not None:
        y_true, y_pred = values[true], values[predicted]
        distance = np.abs(y_true - y_pred)
        scores["mean_absolute_error"] = counts @ distance / n_rows
        scores["macro_mean_absolute_error"] = compute_macro_error(
            y_true, y_pred, counts
        )
        scores["quadratic_weighted_kappa"] = compute_kappa(y_true, y_pred, counts)
        scores["within_one_accuracy"] = counts @ (distance <= 1) / n_rows
    return scores


def score_labels(true, predicted, counts, n_labels):
    """Return precision, recall and F1 of each label.

    0 / 0 counts as 0, as with ``zero_division=0`` in scikit-learn. A label that is
    neither true nor predicted in a draw has no scores there: NaN.

    Returns
    -------
    scores : dict of str to ndarray of shape (n_draws, n_labels)
    """
    is_hit = true == predicted
    hits = _sum_by(true[is_hit], counts[:, is_hit], n_labels)
    n_true = _sum_by(true, counts, n_labels)
    n_predicted = _sum_by(predicted, counts, n_labels)
    scores = {
        "precision": _divide(hits, n_predicted),
        "recall": _divide(hits, n_true),
        "f1": _divide(2 * hits, n_true + n_predicted),
    }
    occurs = n_true + n_predicted > 0
    return {name: np.where(occurs, score, np.nan) for name, score in scores.items()}


def summarise(draws):
    """Return the score of the sample itself and the bounds of its interval.

    Parameters
    ----------
    draws : ndarray of float of shape (1 + n_bootstrap,)
        The score of the sample, then those of the resamples.

    Returns
    -------
    value, low, high : float
        NaN where no resample has the score.
    """
    resampled = draws[1:][~np.isnan(draws[1:])]
    if np.isnan(draws[0]) or len(resampled) == 0:
        return float(draws[0]), np.nan, np.nan
    return float(draws[0]), *np.quantile(resampled, _INTERVAL).tolist()


def _sum_by(codes, counts, n_labels):
    return counts @ np.eye(n_labels)[codes]


def _divide(numerator, denominator):
    return np.divide(
        numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0
    )
