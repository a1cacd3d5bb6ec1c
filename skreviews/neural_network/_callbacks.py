"""Callbacks: the rate's schedule, the weights' average, early stopping, and others."""

import math
import sys
from functools import partial

import numpy as np
import torch
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    LRScheduler,
    PrintLog,
    ProgressBar,
)
from torch.optim.swa_utils import get_ema_multi_avg_fn

# Share of the steps in which the learning rate rises; in the rest it falls to zero.
_WARM_UP = 0.2


def make_schedule(max_epochs, n_batches):
    """Return the callback that moves the learning rate at each step."""
    return LRScheduler(
        policy=torch.optim.lr_scheduler.LambdaLR,
        lr_lambda=make_rate(max_epochs, n_batches),
        step_every="batch",
    )


def make_rate(max_epochs, n_batches):
    """Return the function of the step that gives the share of the peak rate."""
    n_steps = max_epochs * n_batches
    # No longer than an epoch, or early stopping takes the slow start for the end.
    n_warm_up = max(1, min(round(_WARM_UP * n_steps), n_batches))
    return partial(_triangle, n_warm_up, n_steps)


def _triangle(n_warm_up, n_steps, step):
    """Return the share of the peak rate: up to one, then down to zero."""
    if step < n_warm_up:
        return (step + 1) / n_warm_up
    return max(0, n_steps - step) / max(1, n_steps - n_warm_up)


class WeightAverage(Callback):
    """Average the weights over the steps, exponentially.

    The optimizer moves the weights themselves. After the steps of each epoch the module
    holds their average instead, until the next one: so it is the average that is
    validated, stopped early and kept. Each call of `fit` or `partial_fit` averages its
    own steps.

    Parameters
    ----------
    decay : float
        Weight of the average at each step, the rest is that of the present weights. In
        step `t` it is at most ``(1 + t) / (10 + t)``, so that the average soon forgets
        the weights before the first step.

    References
    ----------
    B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by
    averaging", SIAM Journal on Control and Optimization 30(4), 1992.
    """

    def __init__(self, decay):
        self.decay = decay

    def on_train_begin(self, net, **kwargs):
        self.weights_ = [w for w in net.module_.parameters() if w.requires_grad]
        # Those of the two sets, the weights and their average, that are not in use.
        self.others_ = [weight.detach().clone() for weight in self.weights_]
        self.n_steps_ = 0
        self.is_average_in_use_ = True

    def on_batch_begin(self, net, training, **kwargs):
        self._use_average(not training)

    def on_batch_end(self, net, training, **kwargs):
        if training:
            self.n_steps_ += 1
            decay = min(self.decay, (1 + self.n_steps_) / (10 + self.n_steps_))
            get_ema_multi_avg_fn(decay)(self.others_, self.weights_, None)

    def on_epoch_end(self, net, **kwargs):
        self._use_average(True)

    def on_train_end(self, net, **kwargs):
        del self.weights_, self.others_

    @torch.no_grad()
    def _use_average(self, use):
        if use == self.is_average_in_use_:
            return
        in_use = [weight.clone() for weight in self.weights_]
        torch._foreach_copy_(self.weights_, self.others_)
        self.others_ = in_use
        self.is_average_in_use_ = use


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


def make_progress_bars():
    """Return a list with the bar of each epoch; an empty one where nobody watches.

    A log file would keep every state of the bar.
    """
    return [ProgressBar()] if _is_watched(sys.stderr) else []


class EpochLines(PrintLog):
    """skorch's line for each epoch; where nobody watches, without its colours."""

    def format_row(self, row, key, color):
        if not _is_watched(sys.stdout):
            row = {key: row[key]}  # without `<key>_best`, which brings the colour
        return super().format_row(row, key, color)


def _is_watched(stream):
    """Tell whether a stream goes to a terminal or a notebook, and not to a file."""
    is_terminal = hasattr(stream, "isatty") and stream.isatty()
    return is_terminal or ProgressBar().in_ipynb()
