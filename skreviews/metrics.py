"""Metrics of ordered labels such as star ratings."""

import warnings
from numbers import Real

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import make_scorer
from sklearn.utils.validation import _check_sample_weight, check_consistent_length

from skreviews._labels import encode_known_labels, encode_labels, list_labels


def quadratic_weighted_kappa(y_true, y_pred, *, labels=None, sample_weight=None):
    """Return Cohen's kappa with quadratic weights.

    It is one minus the mean squared error divided by the mean squared error of
    independent labels and predictions [1]_. 1 is perfect and 0 is chance level.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    labels : array-like of shape (n_labels,) or None, default=None
        All labels in order. The distance of two labels is that of their positions. None
        uses the values of numeric labels.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Sample weights.

    Returns
    -------
    kappa : float
        At most 1. NaN, with a warning, if all true and predicted labels are equal.

    Raises
    ------
    ValueError
        If no sample has a positive weight, if a label is missing or not in `labels`,
        or if labels are not numbers and `labels` is None.

    See Also
    --------
    macro_mean_absolute_error : Mean of the absolute errors of the classes.
    sklearn.metrics.cohen_kappa_score : Kappa by the positions of the labels. It equals
        this function with `labels`.

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
            "All true and predicted labels are equal: quadratic weighted kappa is "
            "undefined and set to NaN.",
            UndefinedMetricWarning,
            stacklevel=2,
        )
        return np.nan
    return float(compute_kappa(y_true, y_pred, weights))


def macro_mean_absolute_error(y_true, y_pred, *, labels=None, sample_weight=None):
    """Return the mean of the mean absolute errors of the classes.

    All classes have the same weight [1]_. Predicting the majority class is not
    rewarded.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels, which define the classes.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    labels : array-like of shape (n_labels,) or None, default=None
        All labels in order. The distance of two labels is that of their positions. None
        uses the values of numeric labels.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Sample weights within the classes.

    Returns
    -------
    error : float
        0 is perfect.

    Raises
    ------
    ValueError
        If no sample has a positive weight, if a label is missing or not in `labels`,
        or if labels are not numbers and `labels` is None.

    See Also
    --------
    sklearn.metrics.mean_absolute_error : Mean absolute error of all samples.

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
    """Return the share of predictions with an error of at most one star.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    labels : array-like of shape (n_labels,) or None, default=None
        All labels in order. The distance of two labels is that of their positions. None
        uses the values of numeric labels.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Sample weights.

    Returns
    -------
    accuracy : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If no sample has a positive weight, if a label is missing or not in `labels`,
        or if labels are not numbers and `labels` is None.

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
    """Return the quadratic weighted kappa of numbers for one or more weightings.

    `weights` has the shape (..., n_samples), the result the shape (...). It is NaN if
    all labels of positive weight are equal.
    """
    # The squares of shifted labels do not lose digits.
    y_pred = y_pred - y_true[0]
    y_true = y_true - y_true[0]
    total = weights.sum(axis=-1)
    observed = weights @ (y_true - y_pred) ** 2 / total
    expected = weights @ (y_true**2 + y_pred**2) / total - 2 * (
        weights @ y_true / total
    ) * (weights @ y_pred / total)
    with np.errstate(invalid="ignore"):
        return 1 - observed / expected


def compute_macro_error(y_true, y_pred, weights):
    """Return the macro mean absolute error of numbers for one or more weightings.

    `weights` has the shape (..., n_samples), the result the shape (...). Classes
    without positive weight are ignored.
    """
    errors = np.abs(y_true - y_pred)
    means = []
    with np.errstate(invalid="ignore"):
        for label in np.unique(y_true):
            is_label = y_true == label
            label_weights = weights[..., is_label]
            means.append(label_weights @ errors[is_label] / label_weights.sum(axis=-1))
    return np.nanmean(means, axis=0)


def _measure(y_true, y_pred, labels, sample_weight):
    """Return true and predicted labels as numbers, and weights, as float64.

    A missing label does not change the distance of the others: without a 2, the labels
    1 and 3 still differ by two.
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
                f"{name} has the label {label!r}, which is not a number. Pass labels= "
                "with all labels in order."
            )
    return classes.astype(np.float64)[codes]
