"""The learning rate's schedule, early stopping and freezing, as skorch callbacks."""

import math
from functools import partial

import numpy as np
import torch
from skorch.callbacks import Callback, EarlyStopping, LRScheduler

# Share of the steps in which the learning rate rises; in the rest it falls to zero.
_WARM_UP = 0.2


def make_schedule(max_epochs, n_batches):
    """Return the callback that moves the learning rate at each step."""
    n_steps = max_epochs * n_batches
    # No longer than an epoch, or early stopping takes the slow start for the end.
    n_warm_up = max(1, min(round(_WARM_UP * n_steps), n_batches))
    return LRScheduler(
        policy=torch.optim.lr_scheduler.LambdaLR,
        lr_lambda=partial(_triangle, n_warm_up, n_steps),
        step_every="batch",
    )


def _triangle(n_warm_up, n_steps, step):
    """Return the share of the peak rate: up to one, then down to zero."""
    if step < n_warm_up:
        return (step + 1) / n_warm_up
    return max(0, n_steps - step) / max(1, n_steps - n_warm_up)


def make_early_stopping(patience, verbose):
    """Return the callback that stops when the held-out accuracy no longer rises."""
    # The accuracy, as in scikit-learn's MLPClassifier: the loss rises early, as the
    # net grows too sure of itself, while the labels still get better.
    return EarlyStopping(
        monitor="valid_accuracy",
        lower_is_better=False,
        patience=patience,
        load_best=True,
        sink=print if verbose else _be_quiet,
    )


def _be_quiet(*args, **kwargs):
    pass


def make_freezer(freeze):
    """Return the callback that keeps the word vectors: True for ever, int so long."""
    return _Freezer(math.inf if isinstance(freeze, (bool, np.bool_)) else freeze)


class _Freezer(Callback):
    # Not skorch's own Freezer and Unfreezer, which a net that was pickled in the middle
    # freezes again.

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_begin(self, net, **kwargs):
        weight = net.module_.embedding.weight
        weight.requires_grad_(len(net.history) > self.n_epochs)

    def on_train_end(self, net, **kwargs):
        net.module_.embedding.weight.requires_grad_(True)
