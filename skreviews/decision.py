"""From decision functions to probabilities, and from these to labels."""

from numbers import Real

import numpy as np
from scipy.special import expit, softmax


def decide(probabilities, classes, decision="mode"):
    """Return the predicted label of each row of probabilities.

    Parameters
    ----------
    probabilities : ndarray of float of shape (n_samples, n_classes)
        Probabilities in the order of `classes`.
    classes : ndarray of shape (n_classes,)
        The labels, sorted.
    decision : {'mode', 'median'}, default='mode'
        'mode' is the most probable label, which minimises the expected number of
        errors. 'median' is the first label up to which the probabilities sum to one
        half, which minimises the expected absolute error of ordered labels.

    Returns
    -------
    y : ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If `decision` is unknown, or if the median of three or more labels that are not
        numbers is requested.

    Examples
    --------
    >>> import numpy as np
    >>> from skreviews import decide
    >>> probabilities = np.array([[0.4, 0.3, 0.3]])
    >>> classes = np.array([1, 2, 3])
    >>> decide(probabilities, classes), decide(probabilities, classes, "median")
    (array([1]), array([2]))
    """
    if decision not in DECISIONS:
        raise ValueError(
            f"decision={decision!r} is unknown; pass one of {sorted(DECISIONS)}."
        )
    check_order(classes, decision)
    return classes[DECISIONS[decision](probabilities)]


def check_order(classes, decision):
    """Raise if the decision needs an order that the labels do not have."""
    if decision != "median" or len(classes) <= 2:
        return
    for label in classes.tolist():
        if not isinstance(label, Real):
            raise ValueError(
                f"decision='median' needs ordered labels, but {label!r} is not a "
                "number, and strings only have an alphabetical order. Number the "
                "labels in your order: pandas.Series(y).map({label: number, ...})."
            )


def to_probabilities(scores):
    """Return the probabilities that belong to a decision function.

    Parameters
    ----------
    scores : ndarray of float32 of shape (n_samples,) or (n_samples, n_classes)
        The logit of the second of two classes, or one logit for each class.

    Returns
    -------
    probabilities : ndarray of float32 of shape (n_samples, n_classes)
    """
    if scores.ndim == 1:
        return np.column_stack([expit(-scores), expit(scores)])
    return softmax(scores, axis=1)


def _find_mode(probabilities):
    return probabilities.argmax(axis=1)


def _find_median(probabilities):
    # In float64, against half of the sum: rounding does not decide. With two classes
    # the median equals the mode.
    sums = probabilities.cumsum(axis=1, dtype=np.float64)
    return (sums < sums[:, -1:] / 2).sum(axis=1)


DECISIONS = {"mode": _find_mode, "median": _find_median}
