"""Encode labels of any kind as integer codes."""

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

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
