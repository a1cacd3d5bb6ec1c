"""Token ids: what the vectorizer makes and the classifier takes."""

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array

PADDING = 0
UNKNOWN = 1
FIRST_WORD = 2


class TokenIds(np.ndarray):
    """Token ids that know their words.

    An integer ndarray in all else. Slices and selections keep the words, so that a
    classifier behind a `SequenceVectorizer` learns the size and the order of the
    vocabulary, also inside cross-validation.

    Attributes
    ----------
    words : tuple of str or None
        The word with id ``i`` stands at ``words[i - 2]``; 0 is padding, 1 unknown.
    """

    words = None

    def __new__(cls, ids, words):
        ids = np.asarray(ids).view(cls)
        ids.words = words
        return ids

    def __array_finalize__(self, origin):
        self.words = getattr(origin, "words", None)

    def __reduce__(self):
        return TokenIds, (np.asarray(self), self.words)


def words_of(X):
    """Return the words that the ids carry along, or None."""
    if isinstance(X, pd.DataFrame):
        return X.attrs.get("words")
    return X.words if isinstance(X, TokenIds) else None


def check_ids(X, estimator):
    """Return the ids as an ndarray, or raise where one is no id.

    Parameters
    ----------
    X : array-like of shape (n_samples, max_len)
    estimator : estimator
        Named in scikit-learn's own messages.

    Returns
    -------
    ids : ndarray of numbers of shape (n_samples, max_len)

    Raises
    ------
    ValueError
        If `X` holds texts, negative numbers, or numbers that are not whole. The
        message names the first position at fault.
    """
    sequences = (list, tuple, np.ndarray, pd.Series)
    if isinstance(X, sequences) and isinstance(next(iter(X), None), str):
        raise ValueError(
            "X holds texts, not token ids. Put a SequenceVectorizer before the "
            "classifier, or use make_review_pipeline."
        )
    if isinstance(X, TokenIds) and X.ndim == 2 and X.size and X.dtype.kind in "iu":
        ids = np.asarray(X)  # check_array takes as long as a short review's LSTM
    else:
        ids = check_array(X, input_name="X", estimator=estimator)
    if ids.dtype.kind == "f":
        _refuse(ids, ids != np.floor(ids), "is not a whole number")
    if ids.dtype.kind != "b":
        _refuse(ids, ids < 0, "is negative. (Negative values in data passed to X)")
    return ids


def _refuse(ids, wrong, reason):
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        raise ValueError(
            f"X[{row}, {column}] is {ids[row, column]}, which {reason}. Token ids are "
            "whole numbers from 0 on, such as SequenceVectorizer makes them from texts."
        )
