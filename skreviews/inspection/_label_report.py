"""label_report: reviews whose stars contradict their text."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_consistent_length

from skreviews._labels import encode_known_labels, encode_labels
from skreviews.preprocessing import check_texts


def label_report(pipe, X, y, *, cv=5, min_distance=2, n_jobs=None):
    """List the reviews whose label contradicts their text, the worst first.

    Each review is judged by a model that has not seen it, nor another of the same text
    (confident learning [1]_). It is listed if that model finds another label more
    probable, at least `min_distance` away, and if it is as sure of that label as it is
    on average of reviews that have it. Nothing is relabelled: look at the list.

    Parameters
    ----------
    pipe : classifier of raw texts with `predict_proba`
        Such as `make_review_pipeline` returns. Clones are fitted, it is not changed.
    X : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
        Raw texts.
    y : array-like of shape (n_samples,)
        Their labels.
    cv : int, default=5
        Number of folds, and of fits. Equal texts share a fold.
    min_distance : float, default=2
        Least distance between the two labels, if they are numbers and more than two.
        Any two words differ enough.
    n_jobs : int or None, default=None
        Number of folds that are fitted at the same time.

    Returns
    -------
    report : DataFrame
        ``row`` in `X`, ``text``, ``label``, ``predicted``, the out-of-fold
        probabilities of both, ``p_label`` and ``p_predicted``, and their ``distance``
        (NaN between words). The lowest ``p_label`` comes first.

    Raises
    ------
    ValueError
        If `X` holds anything but texts, if a label is missing, or if a label has fewer
        distinct texts than there are folds.

    See Also
    --------
    explain : Why a review got its label.

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
        raise ValueError(f"cv={cv!r} is no number of folds: pass 2 or more.")
    texts = np.array(check_texts(X).to_pylist(), dtype=object)
    classes, codes = encode_labels(y)
    check_consistent_length(texts, codes)
    groups = pd.factorize(texts)[0]
    _check_distinct(groups, classes, codes, cv)
    folds = StratifiedGroupKFold(cv, shuffle=True, random_state=0)
    folds = list(folds.split(texts, codes, groups))
    scores = Parallel(n_jobs)(
        delayed(_fit_and_score)(clone(pipe), texts, classes, codes, *fold)
        for fold in folds
    )
    proba = np.empty((len(texts), len(classes)))
    for (_, test), of_fold in zip(folds, scores, strict=True):
        proba[test] = of_fold
    return _rank(texts, classes, codes, proba, min_distance)


def _check_distinct(groups, classes, codes, cv):
    for code, label in enumerate(classes.tolist()):
        n_distinct = len(np.unique(groups[codes == code]))
        if n_distinct < cv:
            raise ValueError(
                f"The label {label!r} has {n_distinct} distinct texts, fewer than "
                f"cv={cv}: lower cv, or leave the label out."
            )


def _fit_and_score(pipe, texts, classes, codes, train, test):
    pipe.fit(texts[train], classes[codes[train]])
    proba = np.zeros((len(test), len(classes)))
    known = encode_known_labels(pipe.classes_, classes)
    proba[:, known] = pipe.predict_proba(texts[test])
    return proba


def _rank(texts, classes, codes, proba, min_distance):
    rows = np.arange(len(texts))
    predicted = proba.argmax(1)
    sure = [proba[codes == code, code].mean() for code in range(len(classes))]
    is_sure = proba[rows, predicted] >= np.array(sure)[predicted]
    distances = np.full(len(texts), np.nan)
    is_listed = (predicted != codes) & is_sure
    if all(isinstance(label, Real) for label in classes.tolist()):
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
