"""Sample weights from class weights."""

from numbers import Real

import numpy as np
from sklearn.utils import compute_class_weight

from skreviews._labels import encode_keys


def weigh_samples(codes, sample_weight, class_weight, classes):
    """Return the sample weights times the weights of their classes.

    Parameters
    ----------
    codes : ndarray of int64 of shape (n_samples,)
        The position of each label in `classes`.
    sample_weight : ndarray of float64 of shape (n_samples,) or None
    class_weight : 'balanced', 'sqrt', dict of {label: weight} or None
    classes : ndarray of shape (n_classes,)

    Returns
    -------
    sample_weight : ndarray of float64 of shape (n_samples,) or None
        None if all samples weigh the same.

    Raises
    ------
    ValueError
        If a class weight is negative or not a number, if it names no label of `y`, or
        if all weights are zero.
    """
    if class_weight is not None:
        by_class = _compute(class_weight, classes, codes)
        sample_weight = by_class[codes] * (
            1 if sample_weight is None else sample_weight
        )
    if sample_weight is not None and not sample_weight.any():
        raise ValueError("class_weight gives every sample a weight of zero.")
    return sample_weight


def _compute(class_weight, classes, codes):
    """Return the weight of each class, ndarray of shape (n_classes,)."""
    if isinstance(class_weight, dict):
        class_weight = _check(class_weight, classes)
    present = np.unique(codes)
    weights = np.ones(len(classes))
    if class_weight == "sqrt":
        weights[present] = 1 / np.sqrt(np.bincount(codes)[present])
        return weights / weights[codes].mean()
    if isinstance(class_weight, dict):
        class_weight = {c: w for c, w in class_weight.items() if c in present}
    weights[present] = compute_class_weight(class_weight, classes=present, y=codes)
    return weights


def _check(class_weight, classes):
    """Return the weights by code, without labels that this fold does not have."""
    labels = classes.tolist()
    known = {label: weight for label, weight in class_weight.items() if label in labels}
    if not known:
        raise ValueError(
            f"class_weight names the labels {list(class_weight)}, and y has none of "
            f"them; its labels are {labels}."
        )
    for label, weight in known.items():
        if not (isinstance(weight, Real) and np.isfinite(weight) and weight >= 0):
            raise ValueError(
                f"class_weight of {label!r} is {weight!r}; pass a number of 0 or more."
            )
    return encode_keys(known, classes, "class_weight")
