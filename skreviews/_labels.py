"""Encode labels of any kind as integer codes."""

from itertools import chain
from numbers import Real

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

# numpy keeps the type of lists of these kinds. It would turn the label 1 beside "a"
# into "1", and tuples into columns.
_PLAIN_KINDS = {"string", "integer", "floating", "mixed-integer-float", "boolean"}


def encode_labels(y, name="y"):
    """Encode labels as integer codes.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels: numbers, strings, or other hashable objects.
    name : str, default='y'
        Name of the argument in error messages.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        The distinct labels, sorted. Labels that cannot be sorted are in order of
        appearance.
    codes : ndarray of int64 of shape (n_samples,)
        The index of each label in `classes`.

    Raises
    ------
    ValueError
        If `y` is empty, has a missing or unhashable label, or is continuous.

    Examples
    --------
    >>> from skreviews._labels import encode_labels
    >>> encode_labels(["good", "bad", "good"])
    (array(['bad', 'good'], dtype='<U4'), array([1, 0, 1]))
    """
    y = _to_1d(y)
    if len(y) == 0:
        raise ValueError(f"{name} is empty (0 samples): at least one label is needed.")
    missing = pd.isna(y)
    if missing.any():
        position = int(missing.argmax())
        raise ValueError(
            f"{name}[{position}] is {y.tolist()[position]!r}: {name} contains NaN or "
            "None. Drop the samples without a label."
        )
    if y.dtype != object:
        check_classification_targets(y)
        return np.unique(y, return_inverse=True)
    # np.unique needs a total order. Sets, for example, only have a partial one.
    try:
        codes, classes = pd.factorize(y)
    except TypeError as error:
        raise ValueError(
            f"{name} contains labels that cannot be hashed ({error}). Use numbers, "
            "strings or tuples."
        ) from None
    try:
        order = sorted(range(len(classes)), key=classes.__getitem__)
    except TypeError:  # enums or mixed types
        return classes, codes.astype(np.int64)
    return classes[order], np.argsort(order)[codes]


def encode_known_labels(y, classes, name="y"):
    """Return the index of each label in `classes`, or raise if a label is not there."""
    index = _index(classes)
    found, codes = encode_labels(y, name)
    for code, label in enumerate(found.tolist()):
        if label not in index:
            position = int(np.argmax(codes == code))
            raise ValueError(
                f"{name}[{position}] is {label!r}, which is not among the classes "
                f"{list(index)}."
            )
    return np.array([index[label] for label in found.tolist()])[codes]


def encode_keys(by_label, classes, name):
    """Replace the labels that are the keys of a dict by their index in `classes`."""
    index = _index(classes)
    for label in by_label:
        if label not in index:
            raise ValueError(
                f"{name} has the label {label!r}, which is not in y. The labels of y "
                f"are {list(index)}."
            )
    return {index[label]: value for label, value in by_label.items()}


def list_labels(labels):
    """Return distinct labels as a 1-D ndarray of object, or raise on a duplicate."""
    labels = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    for position, label in enumerate(labels):
        if label in labels[:position]:
            raise ValueError(
                f"labels[{position}] is {label!r}, which is a duplicate. Pass each "
                "label once."
            )
    return _to_objects(labels)


def merge_labels(*ys):
    """Return the distinct labels of all `ys`: numbers sorted, others `y` by `y`."""
    found = [encode_labels(y)[0].tolist() for y in ys if len(y)]
    labels = list(dict.fromkeys(chain.from_iterable(found)))
    return list_labels(sorted(labels) if are_numbers(labels) else labels)


def encode_pair(y_true, y_pred, labels=None):
    """Encode true and predicted labels.

    Returns
    -------
    labels : ndarray of object of shape (n_labels,)
        All labels.
    true, predicted : ndarray of int of shape (n_samples,)
        Indices in `labels`.
    """
    check_consistent_length(y_true, y_pred)
    labels = merge_labels(y_true, y_pred) if labels is None else list_labels(labels)
    true = encode_known_labels(y_true, labels, "y_true")
    return labels, true, encode_known_labels(y_pred, labels, "y_pred")


def are_numbers(labels):
    """Return whether all labels are numbers."""
    return all(isinstance(label, Real) for label in labels)


def is_ordered(labels):
    """Return whether labels are more than two numbers: stars, but not 0 and 1."""
    return len(labels) > 2 and are_numbers(labels)


def show_label(label):
    """Return a label as one line without control characters."""
    text = str(label)
    return text if text.isprintable() else repr(text)[1:-1]


def _index(classes):
    return {label: code for code, label in enumerate(classes.tolist())}


def _to_1d(y):
    if isinstance(y, (list, tuple)):
        labels = _to_objects(y)
        is_plain = pd.api.types.infer_dtype(labels, skipna=False) in _PLAIN_KINDS
        y = np.asarray(y) if is_plain else labels
    elif type(y).__module__.startswith("pyarrow"):
        y = y.to_pandas()
    elif isinstance(getattr(y, "dtype", None), pd.api.extensions.ExtensionDtype):
        y = y.to_numpy()  # column_or_1d would turn Int64 into floats
    if getattr(getattr(y, "dtype", None), "kind", "") == "T":  # StringDType
        y = y.astype(object)
    return column_or_1d(y, warn=True)


def _to_objects(labels):
    array = np.empty(len(labels), dtype=object)
    array[:] = labels
    return array
