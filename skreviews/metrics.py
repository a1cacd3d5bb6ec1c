"""Scores of star ratings, which are ordered: how far off, not only how often."""

import warnings
from numbers import Real

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import make_scorer
from sklearn.utils.validation import _check_sample_weight, check_consistent_length

from skreviews._labels import (
    encode_known_labels,
    encode_labels,
    list_labels,
)


def quadratic_weighted_kappa(y_true, y_pred, *, labels=None, sample_weight=None):
    """Return Cohen's kappa with quadratic weights.

    One less the mean squared error over the one that the same predictions would make
    in a random order [1]_: 1 is perfect, 0 no better than chance, such as always the
    same label, and below 0 worse.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    labels : array-like of shape (n_labels,) or None, default=None
        All labels in their order; two labels are as far apart as their places in it.
        None takes labels that are numbers as they are.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weights of the rows.

    Returns
    -------
    kappa : float
        At most 1. NaN, with a warning, if all true and predicted labels are the same
        one: chance is perfect then.

    Raises
    ------
    ValueError
        If there is no row of positive weight, if a label is missing or not in
        `labels`, or if labels are no numbers and `labels` is None.

    See Also
    --------
    macro_mean_absolute_error : The mean distance, each class counting the same.
    sklearn.metrics.cohen_kappa_score : The same with ``weights="quadratic"``, if
        `labels` are given or no label between is absent: it counts places.

    References
    ----------
    .. [1] J. Cohen, "Weighted kappa: nominal scale agreement with provision for scaled
       disagreement or partial credit", Psychological Bulletin 70(4), 1968.

    Examples
    --------
    >>> from skreviews.metrics import quadratic_weighted_kappa
    >>> y_true = [1, 1, 3, 5, 5]
    >>> quadratic_weighted_kappa(y_true, [1, 2, 3, 5, 4])
    0.923...
    >>> quadratic_weighted_kappa(y_true, [5, 2, 3, 5, 4])
    0.307...
    """
    y_true, y_pred, weights = _measure(y_true, y_pred, labels, sample_weight)
    if y_true.min() == y_true.max() == y_pred.min() == y_pred.max():
        warnings.warn(
            "All true and predicted labels are the same one: quadratic weighted kappa "
            "is undefined, NaN here.",
            UndefinedMetricWarning,
            stacklevel=2,
        )
        return np.nan
    return float(compute_kappa(y_true, y_pred, weights))


def macro_mean_absolute_error(y_true, y_pred, *, labels=None, sample_weight=None):
    """Return the mean over the true classes of their mean absolute error.

    Each class counts the same, however rare it is [1]_: always to predict the most
    frequent label does not pay.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels. A label that is only predicted is no class of its own.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    labels : array-like of shape (n_labels,) or None, default=None
        All labels in their order; two labels are as far apart as their places in it.
        None takes labels that are numbers as they are.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weights of the rows within their class.

    Returns
    -------
    error : float
        0 is perfect.

    Raises
    ------
    ValueError
        If there is no row of positive weight, if a label is missing or not in
        `labels`, or if labels are no numbers and `labels` is None.

    See Also
    --------
    sklearn.metrics.mean_absolute_error : The same with each row counting the same.

    References
    ----------
    .. [1] S. Baccianella, A. Esuli, F. Sebastiani, "Evaluation measures for ordinal
       regression", ISDA 2009.

    Examples
    --------
    >>> from skreviews.metrics import macro_mean_absolute_error
    >>> macro_mean_absolute_error([1, 5, 5, 5], [5, 5, 5, 5])
    2.0
    """
    y_true, y_pred, weights = _measure(y_true, y_pred, labels, sample_weight)
    return float(compute_macro_error(y_true, y_pred, weights))


def within_one_accuracy(y_true, y_pred, *, labels=None, sample_weight=None):
    """Return the share of predictions that are off by one star at most.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    labels : array-like of shape (n_labels,) or None, default=None
        All labels in their order; off by one is then the place before or behind. None
        takes labels that are numbers as they are, and off by one is a distance of 1.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weights of the rows.

    Returns
    -------
    accuracy : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If there is no row of positive weight, if a label is missing or not in
        `labels`, or if labels are no numbers and `labels` is None.

    Examples
    --------
    >>> from skreviews.metrics import within_one_accuracy
    >>> within_one_accuracy([1, 1, 5, 5], [1, 2, 3, 4])
    0.75
    >>> order = ["bad", "so-so", "good"]
    >>> within_one_accuracy(["bad", "good"], ["so-so", "bad"], labels=order)
    0.5
    """
    y_true, y_pred, weights = _measure(y_true, y_pred, labels, sample_weight)
    return float(np.average(np.abs(y_true - y_pred) <= 1, weights=weights))


quadratic_weighted_kappa_scorer = make_scorer(quadratic_weighted_kappa)
neg_macro_mean_absolute_error_scorer = make_scorer(
    macro_mean_absolute_error, greater_is_better=False
)
within_one_accuracy_scorer = make_scorer(within_one_accuracy)


def compute_kappa(y_true, y_pred, weights):
    """Return the quadratic weighted kappa of numbers, for many weightings at once.

    Parameters
    ----------
    y_true, y_pred : ndarray of float of shape (n_samples,)
    weights : ndarray of shape (..., n_samples)

    Returns
    -------
    kappa : ndarray of float of shape (...)
        NaN where all labels of positive weight are the same one.
    """
    # Seen from one of the labels, so that large ones lose no digits when squared.
    y_pred = y_pred - y_true[0]
    y_true = y_true - y_true[0]
    total = weights.sum(axis=-1)
    observed = weights @ (y_true - y_pred) ** 2 / total
    # What the squared error would be if labels and predictions were independent.
    by_chance = weights @ (y_true**2 + y_pred**2) / total - 2 * (
        weights @ y_true / total
    ) * (weights @ y_pred / total)
    with np.errstate(invalid="ignore"):
        return 1 - observed / by_chance


def compute_macro_error(y_true, y_pred, weights):
    """Return the macro mean absolute error of numbers, for many weightings at once.

    Parameters
    ----------
    y_true, y_pred : ndarray of float of shape (n_samples,)
    weights : ndarray of shape (..., n_samples)

    Returns
    -------
    error : ndarray of float of shape (...)
        A class without positive weight does not count.
    """
    errors = np.abs(y_true - y_pred)
    means = []
    with np.errstate(invalid="ignore"):
        for label in np.unique(y_true):
            is_label = y_true == label
            of_label = weights[..., is_label]
            means.append(of_label @ errors[is_label] / of_label.sum(axis=-1))
    return np.nanmean(means, axis=0)


def _measure(y_true, y_pred, labels, sample_weight):
    """Return both labels as numbers on one scale, and weights, all float64.

    A number stands for itself, so that a fold without any 2 leaves 1 and 3 two apart.
    """
    y_true = _to_numbers(y_true, labels, "y_true")
    y_pred = _to_numbers(y_pred, labels, "y_pred")
    check_consistent_length(y_true, y_pred)
    weights = _check_sample_weight(
        sample_weight, y_true, dtype=np.float64, ensure_non_negative=True
    )
    counts = weights > 0
    return y_true[counts], y_pred[counts], weights[counts]


def _to_numbers(y, labels, name):
    if labels is not None:
        return encode_known_labels(y, list_labels(labels), name).astype(np.float64)
    classes, codes = encode_labels(y, name)
    for label in classes.tolist():
        if not isinstance(label, Real):
            raise ValueError(
                f"{name} holds {label!r}, which is no number: pass labels= with all "
                "labels in their order."
            )
    return classes.astype(np.float64)[codes]
