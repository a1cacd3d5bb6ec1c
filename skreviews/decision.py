"""What is made of the order of the labels: losses and decisions."""

from numbers import Real

import numpy as np
import torch
from torch import Tensor, nn


class OrderedCrossEntropy(nn.Module):
    """Cross-entropy plus the squared distance between label and probabilities.

    The distance is the earth mover's, with one place in the order as its unit [1]_: the
    sum of the squared errors of the probabilities to lie at or below each place, which
    forecasters call the ranked probability score [2]_. Both terms are least, in the
    mean, for the true probabilities. Two classes have no order: cross-entropy alone.

    Parameters
    ----------
    reduction : {'none'}
        The losses are those of the rows.
    label_smoothing : float in [0, 1), default=0.0
        That of the cross-entropy.

    References
    ----------
    .. [1] L. Hou, C.-P. Yu, D. Samaras, "Squared earth mover's distance-based loss for
       training deep neural networks", arXiv:1611.05916, 2016.
    .. [2] E. S. Epstein, "A scoring system for probability forecasts of ranked
       categories", Journal of Applied Meteorology 8(6), 1969.
    """

    def __init__(self, reduction: str, label_smoothing: float = 0.0):
        super().__init__()
        self.cross_entropy = nn.CrossEntropyLoss(
            reduction=reduction, label_smoothing=label_smoothing
        )

    def forward(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the losses of the rows.

        Parameters
        ----------
        logits : Tensor of float of shape (batch, n_classes)
        y : Tensor of int64 of shape (batch,)
            Places of the labels in their order.

        Returns
        -------
        losses : Tensor of float of shape (batch,)
        """
        losses = self.cross_entropy(logits, y)
        n_classes = logits.shape[1]
        if n_classes == 2:
            return losses
        places = torch.arange(n_classes - 1, device=y.device)
        below = logits.softmax(1)[:, :-1].cumsum(1)  # (batch, n_classes - 1)
        is_below = (y.unsqueeze(1) <= places).to(below.dtype)
        return losses + (below - is_below).square().sum(1)


CRITERIA = {"nominal": nn.CrossEntropyLoss, "ordinal": OrderedCrossEntropy}


def decide(probabilities, classes, decision):
    """Return the label that each row's probabilities speak for.

    Parameters
    ----------
    probabilities : ndarray of float of shape (n_samples, n_classes)
    classes : ndarray of shape (n_classes,)
        The labels in their order.
    decision : {'mode', 'median'}

    Returns
    -------
    y : ndarray of shape (n_samples,)
    """
    if decision not in DECISIONS:  # set after fit, which checks it
        raise ValueError(
            f"decision={decision!r} is unknown; pass one of {sorted(DECISIONS)}."
        )
    check_order(classes, decision=decision)
    return classes[DECISIONS[decision](probabilities)]


def _find_mode(probabilities):
    return probabilities.argmax(axis=1)


def _find_median(probabilities):
    # float64, and half of what they sum to: no rounding decides. With two classes the
    # median is then the mode.
    sums = probabilities.cumsum(axis=1, dtype=np.float64)
    return (sums < sums[:, -1:] / 2).sum(axis=1)


DECISIONS = {"mode": _find_mode, "median": _find_median}


def check_order(classes, objective="nominal", decision="mode"):
    """Raise if something is asked that needs an order which the labels do not have."""
    asked = [
        f"{name}={value!r}"
        for name, value in (("objective", objective), ("decision", decision))
        if value in ("ordinal", "median")
    ]
    if not asked or len(classes) <= 2:
        return
    for label in classes.tolist():
        if not isinstance(label, Real):
            raise ValueError(
                f"{' and '.join(asked)} go by the order of the labels, but {label!r} "
                "is no number, and words have an alphabetical order only. Number them "
                "in your order: pandas.Series(y).map({label: number, ...})."
            )
