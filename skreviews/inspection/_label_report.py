"""label_report: find reviews whose label contradicts their text."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.utils.validation import check_consistent_length

from skreviews._labels import are_numbers, encode_known_labels, encode_labels
from skreviews._splits import check_distinct, group_texts
from skreviews.preprocessing import check_texts


def label_report(pipe, X, y, *, cv=5, min_distance=2, n_jobs=None):
    """List the reviews whose label contradicts their text, the most suspicious first.

    The probabilities come from cross-validation, in which copies of a text share a fold
    (confident learning [1]_). A review is listed if another label is more probable, at
    least `min_distance` away, and as probable as it is on average for the reviews with
    that label. No label is changed.

    Parameters
    ----------
    pipe : classifier of raw texts with `predict_proba`
        Such as `make_review_pipeline` returns. Clones are fitted.
    X : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
        Raw texts.
    y : array-like of shape (n_samples,)
        Labels.
    cv : int, default=5
        Number of folds.
    min_distance : float, default=2
        Least distance of the two labels, if there are more than two and all are
        numbers. Other labels always differ enough.
    n_jobs : int or None, default=None
        Number of folds to fit in parallel.

    Returns
    -------
    report : DataFrame
        ``row`` in `X`, ``text``, ``label``, ``predicted``, the cross-validated
        probabilities ``p_label`` and ``p_predicted``, and the ``distance`` of the two
        labels (NaN if they are not numbers). The lowest ``p_label`` comes first.

    Raises
    ------
    ValueError
        If `X` contains anything but texts, if a label is missing, or if a label has
        fewer distinct texts than there are folds.

    See Also
    --------
    explain : Attributes a label to the words of a review.

    References
    ----------
    .. [1] C. Northcutt, L. Jiang, I. Chuang, "Confident learning: estimating
       uncertainty in dataset labels", JAIR 70, 2021.

    Examples
    --------
    >>> from skreviews import label_report, make_review_pipeline, make_reviews
    >>> X, y = make_reviews(300, random_state=0)
    >>> X, y = [*X, "I love it, great app"], [*y, 1]
    >>> pipe = make_review_pipeline(random_state=0, lstm__hidden_size=8)
    >>> report = label_report(pipe, X, y, cv=2)
    >>> 300 in report["row"].tolist()
    True
    """
    if not isinstance(cv, Integral) or cv < 2:
        raise ValueError(f"cv={cv!r} is not a number of folds: pass 2 or more.")
    texts = np.array(check_texts(X).to_pylist(), dtype=object)
    classes, codes = encode_labels(y)
    check_consistent_length(texts, codes)
    groups = group_texts(texts)
    check_distinct(groups, classes, codes, cv, f"lower cv={cv}, or drop the label")
    proba = cross_val_predict(
        _OwnLabels(pipe, classes),
        texts,
        codes,
        groups=groups,
        cv=StratifiedGroupKFold(cv, shuffle=True, random_state=0),
        n_jobs=n_jobs,
        method="predict_proba",
    )
    return _rank(texts, classes, codes, proba, min_distance)


class _OwnLabels(ClassifierMixin, BaseEstimator):
    """Fit a classifier on its own labels, where `cross_val_predict` passes codes.

    Parameters such as ``class_weight={1: 2.0}`` refer to the labels.
    """

    def __init__(self, pipe, classes):
        self.pipe = pipe
        self.classes = classes

    def fit(self, X, y):
        self.pipe_ = clone(self.pipe).fit(X, self.classes[y])
        self.classes_ = encode_known_labels(self.pipe_.classes_, self.classes)
        return self

    def predict(self, X):
        return encode_known_labels(self.pipe_.predict(X), self.classes)

    def predict_proba(self, X):
        return self.pipe_.predict_proba(X)


def _rank(texts, classes, codes, proba, min_distance):
    rows = np.arange(len(texts))
    predicted = proba.argmax(1)
    thresholds = [proba[codes == code, code].mean() for code in range(len(classes))]
    is_sure = proba[rows, predicted] >= np.array(thresholds)[predicted]
    distances = np.full(len(texts), np.nan)
    is_listed = (predicted != codes) & is_sure
    if are_numbers(classes.tolist()):
        numbers = classes.astype(float)
        distances = np.abs(numbers[predicted] - numbers[codes])
        if len(classes) > 2:
            is_listed &= distances >= min_distance
    report = pd.DataFrame(
        {
            "row": rows,
            "text": texts,
            "label": classes[codes].tolist(),
            "predicted": classes[predicted].tolist(),
            "p_label": proba[rows, codes],
            "p_predicted": proba[rows, predicted],
            "distance": distances,
        }
    )
    return report[is_listed].sort_values("p_label", ignore_index=True)
