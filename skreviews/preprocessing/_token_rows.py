"""Rows of token ids without their padding, and the checks of training data."""

import numpy as np
from sklearn.utils.validation import _check_sample_weight, check_consistent_length

from skreviews._labels import encode_labels
from skreviews.preprocessing._texts import to_offsets
from skreviews.preprocessing._token_ids import PADDING, UNKNOWN, check_ids

# Whole-number weights repeat samples. If the repetitions exceed this multiple of the
# samples, the weights scale the loss instead.
_MAX_REPETITION = 10


class TokenRows:
    """A ragged array of token ids.

    Parameters
    ----------
    ids : ndarray of int32 of shape (n_tokens,)
        The ids of all rows, one after the other, without padding.
    offsets : ndarray of int64 of shape (n_rows + 1,)
        Row `i` has the ids ``ids[offsets[i]:offsets[i + 1]]``, at least one.
    """

    def __init__(self, ids, offsets):
        self.ids = ids
        self.offsets = offsets
        self.lengths = np.diff(offsets)

    @classmethod
    def from_padded(cls, X, n_tokens):
        """Drop the zeros of padded rows, on either side and in between.

        Ids from `n_tokens` on become unknown. A row without tokens becomes one unknown
        token.
        """
        X = np.asarray(X)
        real = X != PADDING
        lengths = real.sum(axis=1)
        ids = X[real]
        ids = np.where(ids < n_tokens, ids, UNKNOWN).astype(np.int32)
        empty = lengths == 0
        if empty.any():
            ids = np.insert(ids, to_offsets(lengths)[:-1][empty], UNKNOWN)
            lengths = np.maximum(lengths, 1)
        return cls(ids, to_offsets(lengths))

    def __len__(self):
        return len(self.offsets) - 1

    def take(self, rows):
        """Return the selected rows in the given order."""
        lengths = self.lengths[rows]
        offsets = to_offsets(lengths)
        shifts = np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return TokenRows(self.ids[np.arange(offsets[-1]) + shifts], offsets)

    def shorten(self, max_len):
        """Return at most `max_len` tokens of each row, from its head and tail."""
        kept = find_kept(self.offsets, max_len)
        return TokenRows(self.ids[kept], to_offsets(np.minimum(self.lengths, max_len)))

    def to_padded(self, width):
        """Return the rows padded with 0, ndarray of int32 of shape (n_rows, width)."""
        padded = np.full((len(self), width), PADDING, self.ids.dtype)
        padded[np.arange(width) < self.lengths[:, None]] = self.ids
        return padded

    def fingerprints(self):
        """Return a hash of each row, ndarray of uint64 of shape (n_rows,).

        Two different rows collide with a probability of 2 ** -64.
        """
        # One odd multiplier for each column, drawn from a fixed stream.
        stream = np.random.Generator(np.random.PCG64(0))
        lengths = self.lengths
        factors = stream.integers(2**63, size=lengths.max(), dtype=np.uint64) * 2 + 1
        columns = np.arange(len(self.ids)) - np.repeat(self.offsets[:-1], lengths)
        products = (self.ids.astype(np.uint64) + np.uint64(1)) * factors[columns]
        return np.add.reduceat(products, self.offsets[:-1])


def find_kept(offsets, max_len, truncation="head_tail"):
    """Return which tokens of ragged rows are kept by truncation.

    Parameters
    ----------
    offsets : ndarray of int64 of shape (n_rows + 1,)
    max_len : int
        Maximum number of tokens in a row.
    truncation : {'head_tail', 'head', 'tail'}, default='head_tail'
        Longer rows keep their first tokens, their last, or a quarter from the head and
        the rest from the tail.

    Returns
    -------
    kept : ndarray of bool of shape (n_tokens,)
    """
    n_head = {"head": max_len, "tail": 0, "head_tail": -(-max_len // 4)}[truncation]
    kept = np.ones(offsets[-1], dtype=bool)
    for row in np.flatnonzero(np.diff(offsets) > max_len):
        kept[offsets[row] + n_head : offsets[row + 1] - max_len + n_head] = False
    return kept


def arrange_rows(rows, codes, sample_weight):
    """Sort the samples, so that their given order does not matter, and repeat them.

    Whole-number weights repeat samples and a weight of 0 drops them. Fractions, and
    whole numbers with a mean above 10, stay weights.

    Parameters
    ----------
    rows : TokenRows
    codes : ndarray of int64 of shape (n_samples,)
    sample_weight : ndarray of float64 of shape (n_samples,) or None

    Returns
    -------
    rows : TokenRows
    codes : ndarray of int64 of shape (n_arranged,)
    sample_weight : ndarray of float64 of shape (n_arranged,) or None
    """
    order = np.arange(len(rows))
    keys = [codes, rows.fingerprints()]
    if sample_weight is not None:
        is_whole = np.all(sample_weight == np.floor(sample_weight))
        if is_whole and sample_weight.sum() <= _MAX_REPETITION * len(rows):
            order = order.repeat(sample_weight.astype(int))
            sample_weight = None
        else:
            order = order[sample_weight > 0]
            keys.insert(0, sample_weight)
    order = order[np.lexsort([key[order] for key in keys])]
    if sample_weight is not None:
        sample_weight = sample_weight[order]
    return rows.take(order), codes[order], sample_weight


def check_training_data(estimator, X, y, sample_weight, min_classes=2):
    """Check all arguments of `fit` before anything changes.

    Returns
    -------
    ids : ndarray of numbers of shape (n_samples, max_len)
    classes : ndarray of shape (n_classes,)
    codes : ndarray of int64 of shape (n_samples,)
        The position of each label in `classes`.
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
        where = "" if sample_weight is None else " among the samples of positive weight"
        raise ValueError(
            f"y has only {len(kept)} class{where}, {classes[kept].tolist()}; at least "
            f"{min_classes} classes are needed."
        )
    ids = check_ids(X, estimator)
    check_consistent_length(ids, codes)
    return ids, classes, codes, sample_weight


def check_all_classes(classes):
    """Return the sorted labels of a first `partial_fit`, at least two."""
    if classes is None:
        raise ValueError("classes must be passed on the first call to partial_fit.")
    classes, _ = encode_labels(classes, "classes")
    if len(classes) < 2:
        raise ValueError(
            f"classes has only one label, {classes.tolist()[0]!r}; at least 2 classes "
            "are needed."
        )
    return classes


def check_same_classes(old, new):
    """Raise if the labels differ from those of the earlier fit."""
    if list(old) != list(new):
        raise ValueError(
            f"The classes are {new.tolist()}, but the earlier fit had {old.tolist()}. "
            "Fit a clone to start again."
        )


def check_same_words(old, new):
    """Raise if the ids carry another vocabulary than in the earlier fit."""
    if new is old or new is None or old is None or new == old:
        return
    raise ValueError(
        "The ids in X belong to another vocabulary than those of the earlier fit, so "
        "the same id means another word. Use the same fitted SequenceVectorizer, or "
        "fix its vocabulary=."
    )


def count_tokens(ids, words):
    """Return the number of token ids, with padding and unknown."""
    if words is not None:
        return len(words) + UNKNOWN + 1
    highest = max(int(ids.max()), UNKNOWN)
    if highest > np.iinfo(np.int32).max - 1:
        raise ValueError(
            f"X holds the id {highest}, and every id up to it would need a word "
            "vector. Number the words from 2 on without gaps."
        )
    return highest + 1
