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
    if len(y) == 0:
        raise ValueError("y is empty (0 samples): at least one label is needed.")
    missing = pd.isna(y)
    if missing.any():
        position = int(missing.argmax())
        label = y.tolist()[position]
        raise ValueError(
            f"y[{position}] is {label!r}: y contains NaN or None. Drop the rows "
            "without a label."
        )
    if y.dtype != object:
        check_classification_targets(y)
        return np.unique(y, return_inverse=True)
    try:
        return np.unique(y, return_inverse=True)
    except TypeError:  # labels without an order, such as enums or mixed types
        codes, classes = pd.factorize(y)
        return classes, codes.astype(np.int64)


# Lists of these make plain arrays; in others numpy would turn 1 into "1", or lay out
# tuples in columns.
_PLAIN = {"string", "integer", "floating", "mixed-integer-float", "boolean"}


def _to_1d(y):
    if isinstance(y, (list, tuple)):
        labels = np.empty(len(y), dtype=object)
        labels[:] = y
        plain = pd.api.types.infer_dtype(labels, skipna=False) in _PLAIN
        y = np.asarray(y) if plain else labels
    elif type(y).__module__.startswith("pyarrow"):
        y = y.to_pandas()
    return column_or_1d(y, warn=True)
