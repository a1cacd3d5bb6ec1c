"""Labels of any kind, as codes."""

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d


def encode_labels(y):
    """Encode labels as whole numbers.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels: numbers, strings, or any hashable objects.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        The distinct labels, sorted; in order of appearance if they have no order.
    codes : ndarray of int64 of shape (n_samples,)
        The place of each label in `classes`.

    Raises
    ------
    ValueError
        If a label is missing, or if the labels are continuous numbers.

    Examples
    --------
    >>> from skreviews.preprocessing._labels import encode_labels
    >>> encode_labels(["good", "bad", "good"])
    (array(['bad', 'good'], dtype='<U4'), array([1, 0, 1]))
    """
    y = _to_1d(y)
    missing = pd.isna(y)
    if missing.any():
        position = int(missing.argmax())
        raise ValueError(
            f"y[{position}] is {y[position]!r}: y contains NaN or None. Drop the rows "
            "without a label."
        )
    if y.dtype != object:
        check_classification_targets(y)
        return np.unique(y, return_inverse=True)
    try:
        return np.unique(y, return_inverse=True)
    except TypeError:  # labels without an order, such as None-free enums or mixed types
        codes, classes = pd.factorize(y)
        return classes, codes.astype(np.int64)


def _to_1d(y):
    if isinstance(y, (list, tuple)) and not all(np.isscalar(label) for label in y):
        # Tuples and other objects stay whole: numpy would lay them out in columns.
        labels = np.empty(len(y), dtype=object)
        labels[:] = y
        return labels
    return column_or_1d(pd.Series(y).to_numpy() if _is_arrow(y) else y, warn=True)


def _is_arrow(y):
    return type(y).__module__.startswith("pyarrow")
