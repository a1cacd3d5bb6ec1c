"""Checks of the rows and labels that the classifier is given."""

import numpy as np
from sklearn.utils.validation import _check_sample_weight, check_consistent_length

from skreviews._labels import encode_labels
from skreviews.preprocessing._token_ids import UNKNOWN, check_ids


def check_rows(estimator, X, y, sample_weight, min_classes=2):
    """Check all that `fit` is given, before anything is changed.

    Returns
    -------
    ids : ndarray of numbers of shape (n_samples, max_len)
    classes : ndarray of shape (n_classes,)
    codes : ndarray of int64 of shape (n_samples,)
        The place of each label in `classes`.
    sample_weight : ndarray of float64 of shape (n_samples,) or None
    """
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is "
            "None."
        )
    classes, codes = encode_labels(y)
    if sample_weight is not None:
        sample_weight = _check_sample_weight(
            sample_weight, codes, dtype=np.float64, ensure_non_negative=True
        )
    kept = np.unique(codes if sample_weight is None else codes[sample_weight > 0])
    if len(kept) < min_classes:
        zeros = "" if sample_weight is None else " without the rows of weight 0"
        raise ValueError(
            f"y has {len(kept)} class only{zeros}, {classes[kept].tolist()}; at least "
            f"{min_classes} classes are needed."
        )
    ids = check_ids(X, estimator)
    check_consistent_length(ids, codes)
    return ids, classes, codes, sample_weight


def check_same_words(old, new):
    """Raise if ids that know their words come from another vocabulary."""
    if new is old or new is None or old is None or new == old:
        return
    raise ValueError(
        "The ids in X come from another vocabulary than those of the earlier fit: "
        "the same id means another word. Use the same fitted SequenceVectorizer, "
        "or fix its vocabulary=."
    )


def check_same_classes(old, new):
    """Raise if the labels are others than those of the earlier fit."""
    if list(old) != list(new):
        raise ValueError(
            f"The classes are {new.tolist()}, but those of the earlier fit were "
            f"{old.tolist()}. Fit a clone to start anew."
        )


def count_tokens(ids, words):
    """Return the number of token ids that the net must know, padding among them."""
    if words is not None:
        return len(words) + UNKNOWN + 1
    highest = max(int(ids.max()), UNKNOWN)
    if highest > np.iinfo(np.int32).max - 1:
        raise ValueError(
            f"X holds the id {highest}: each id up to it would need a word vector. "
            "Number the words from 2 on without gaps."
        )
    return highest + 1
