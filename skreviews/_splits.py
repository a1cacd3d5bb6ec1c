"""Hold out distinct samples: copies of a sample never stand on both sides."""

import numpy as np
import pandas as pd


def group_texts(texts):
    """Return an integer for each text, equal for equal texts.

    Parameters
    ----------
    texts : list, ndarray or Series of str of shape (n_samples,)

    Returns
    -------
    groups : ndarray of int64 of shape (n_samples,)
    """
    return pd.factorize(pd.Series(texts, dtype=object))[0]


def check_distinct(groups, classes, codes, n_needed, remedy):
    """Raise if a class has fewer than `n_needed` distinct samples."""
    for code, label in enumerate(classes.tolist()):
        n_distinct = len(np.unique(groups[codes == code]))
        if n_distinct < n_needed:
            raise ValueError(
                f"The label {label!r} has {n_distinct} distinct texts, but {n_needed} "
                f"are needed: {remedy}."
            )


def hold_out(groups, codes, fraction, random_state):
    """Mark a share of the distinct samples of each class.

    Copies stay together, and at least one distinct sample of each class remains.

    Parameters
    ----------
    groups : ndarray of int of shape (n_samples,)
        Equal numbers for copies, such as a hash of the text.
    codes : ndarray of int64 of shape (n_samples,)
        Labels as codes. Copies may have different labels: the rarest of them counts.
    fraction : float in (0, 1)
        Share of the distinct samples to hold out, rounded up in each class.
    random_state : numpy.random.Generator or RandomState
        Draws the samples.

    Returns
    -------
    held_out : ndarray of bool of shape (n_samples,)
        All False if each class has one distinct sample only.
    """
    order = np.argsort(np.bincount(codes)[codes], kind="stable")
    _, first, inverse = np.unique(groups[order], return_index=True, return_inverse=True)
    groups = np.empty_like(inverse)
    groups[order] = inverse
    group_codes = codes[order][first]
    held_out = np.zeros(len(first), dtype=bool)
    for code in np.unique(group_codes):
        members = random_state.permutation(np.flatnonzero(group_codes == code))
        n_held_out = min(int(np.ceil(fraction * len(members))), len(members) - 1)
        held_out[members[:n_held_out]] = True
    for code in np.setdiff1d(codes, codes[~held_out[groups]]):
        held_out[groups[codes == code][0]] = False
    return held_out[groups]
