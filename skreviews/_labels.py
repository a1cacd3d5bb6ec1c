"""Labels of any kind, as codes."""

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d


def encode_labels(y, name="y"):
    """Encode labels as whole numbers.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels: numbers, strings, or any hashable objects.
    name : str, default='y'
        What errors call them.

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
        label = y.tolist()[position]
        raise ValueError(
            f"{name}[{position}] is {label!r}: {name} contains NaN or None. Drop the "
            "rows without a label."
        )
    if y.dtype != object:
        check_classification_targets(y)
        return np.unique(y, return_inverse=True)
    # Not np.unique: sets, say, have an order in which equal ones do not meet.
    try:
        codes, classes = pd.factorize(y)
    except TypeError as error:
        raise ValueError(
            f"{name} holds labels that cannot be hashed ({error}). Use numbers, "
            "strings or tuples."
        ) from None
    try:
        order = sorted(range(len(classes)), key=classes.__getitem__)
    except TypeError:  # labels without an order, such as enums or mixed types
        return classes, codes.astype(np.int64)
    return classes[order], np.argsort(order)[codes]


def encode_known_labels(y, classes, name="y"):
    """Return the place of each label in `classes`, or raise where one is new."""
    places = _find_places(classes)
    found, codes = encode_labels(y, name)
    for code, label in enumerate(found.tolist()):
        if label not in places:
            position = int(np.argmax(codes == code))
            raise ValueError(
                f"{name}[{position}] is {label!r}, which is not among the classes "
                f"{list(places)}."
            )
    return np.array([places[label] for label in found.tolist()])[codes]


def encode_keys(by_label, classes, name):
    """Return a dict with labels as keys as one with their places in `classes`."""
    places = _find_places(classes)
    for label in by_label:
        if label not in places:
            raise ValueError(
                f"{name} names the label {label!r}, which y does not have; its labels "
                f"are {list(places)}."
            )
    return {places[label]: value for label, value in by_label.items()}


def list_labels(labels):
    """Return distinct labels as an ndarray of object, or raise where one is repeated.

    Tuples stay labels: numpy alone would lay them out in columns.
    """
    labels = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    for place, label in enumerate(labels):
        if label in labels[:place]:
            raise ValueError(f"labels[{place}] is {label!r}, which stands there twice.")
    array = np.empty(len(labels), dtype=object)
    array[:] = labels
    return array


def _find_places(classes):
    return {label: place for place, label in enumerate(classes.tolist())}


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
    elif isinstance(y, pd.Series) and isinstance(
        y.dtype, pd.api.extensions.ExtensionDtype
    ):
        y = y.to_numpy()  # scikit-learn would make floats of Int64
    if getattr(getattr(y, "dtype", None), "kind", "") == "T":  # StringDType
        y = y.astype(object)
    return column_or_1d(y, warn=True)
