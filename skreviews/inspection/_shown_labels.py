"""Labels in reports and plots: all of them in one order, and how they are shown."""

import textwrap
from itertools import chain
from numbers import Real

from sklearn.utils.validation import check_consistent_length

from skreviews._labels import (
    encode_known_labels,
    encode_labels,
    list_labels,
)

# Longer labels go on in the next line of a plot.
_WIDTH = 24


def merge_labels(*ys):
    """Return the distinct labels of all `ys`: numbers sorted, others `y` by `y`.

    Parameters
    ----------
    *ys : array-likes of shape (n_samples,)
        Such as the classes of an estimator and the labels of a test part.

    Returns
    -------
    labels : ndarray of object of shape (n_labels,)
    """
    found = [encode_labels(y)[0].tolist() for y in ys if len(y)]
    labels = list(dict.fromkeys(chain.from_iterable(found)))
    if all(isinstance(label, Real) for label in labels):
        labels.sort()
    return list_labels(labels)


def encode_pair(y_true, y_pred, labels=None):
    """Return all labels, and true and predicted ones as their places among them.

    Returns
    -------
    labels : ndarray of object of shape (n_labels,)
    true, predicted : ndarray of int of shape (n_samples,)
    """
    check_consistent_length(y_true, y_pred)
    if labels is None:
        labels = merge_labels(y_true, y_pred)
    labels = list_labels(labels)
    true = encode_known_labels(y_true, labels, "y_true")
    return labels, true, encode_known_labels(y_pred, labels, "y_pred")


def is_ordered(labels):
    """Tell whether labels are numbers and more than two: stars, but not 0 and 1."""
    return len(labels) > 2 and all(isinstance(label, Real) for label in labels)


def show_label(label):
    """Return a label as one line without control characters."""
    text = str(label)
    return text if text.isprintable() else repr(text)[1:-1]


def show_tick(label):
    """Return a label for a plot: a long one in several lines, a dollar as a dollar."""
    lines = textwrap.wrap(show_label(label), _WIDTH)
    return "\n".join(lines).replace("$", r"\$")


def measure_ticks(ticks):
    """Return the width of the longest line in inches, roughly."""
    return 0.08 * max(len(line) for tick in ticks for line in tick.split("\n"))
