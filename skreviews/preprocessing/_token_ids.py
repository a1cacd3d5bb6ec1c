"""Token ids: the output of SequenceVectorizer and the input of the classifiers."""

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array

PADDING = 0
UNKNOWN = 1
FIRST_WORD = 2


class TokenIds(np.ndarray):
    """An integer ndarray of token ids that carries its vocabulary.

    Slices and selections keep the words. A classifier after a `SequenceVectorizer`
    therefore knows the vocabulary, also inside cross-validation.

    Attributes
    ----------
    words : tuple of str or None
        The word with id ``i`` is ``words[i - 2]``; 0 is padding and 1 out of
        vocabulary.
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
    """Return the words that the ids carry, or None."""
    if isinstance(X, pd.DataFrame):
        return X.attrs.get("words")
    return X.words if isinstance(X, TokenIds) else None


def check_ids(X, estimator):
    """Check token ids and return them as an ndarray of numbers.

    Texts, negative numbers and fractions raise. The message names the first invalid
    position, and the estimator in the messages of scikit-learn.
    """
    sequences = (list, tuple, np.ndarray, pd.Series)
    if isinstance(X, sequences) and isinstance(next(iter(X), None), str):
        raise ValueError(
            "X holds texts, not token ids. Put a SequenceVectorizer before the "
            "classifier, or use make_review_pipeline."
        )
    if isinstance(X, TokenIds) and X.ndim == 2 and X.size and X.dtype.kind in "iu":
        ids = np.asarray(X)  # check_array takes as long as predicting a short text
    else:
        ids = check_array(X, input_name="X", estimator=estimator)
    if ids.dtype.kind == "f":
        _refuse(ids, ids != np.floor(ids), "is not a whole number")
    if ids.dtype.kind != "b":
        _refuse(ids, ids < 0, "is negative. (Negative values in data passed to X)")
    return ids


def _refuse(ids, invalid, reason):
    if invalid.any():
        row, column = np.argwhere(invalid)[0].tolist()
        raise ValueError(
            f"X[{row}, {column}] is {ids[row, column]}, which {reason}. Token ids are "
            "whole numbers from 0; SequenceVectorizer makes them from texts."
        )
