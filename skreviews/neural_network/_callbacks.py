"""Callbacks of the net: learning rate, early stopping, frozen embeddings, progress."""

import sys
from functools import partial

import torch
from sklearn.base import clone
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    LRScheduler,
    PrintLog,
    ProgressBar,
)

# Share of the steps in which the learning rate rises; it falls to zero in the rest.
_WARM_UP = 0.2


def make_schedule(max_epochs, n_batches):
    """Return the callback that sets the learning rate at each step."""
    n_steps = max_epochs * n_batches
    # At most one epoch: early stopping would take a slow start for the end.
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
    # As in MLPClassifier, the accuracy: the loss rises earlier, when the net becomes
    # overconfident while its labels still improve.
    return EarlyStopping(
        monitor="valid_accuracy",
        lower_is_better=False,
        patience=patience,
        load_best=True,
        sink=print if verbose else _ignore,
    )


def _ignore(*args, **kwargs):
    pass


class EmbeddingFreezer(Callback):
    """Freeze the word vectors for the first epochs.

    Unlike skorch's Freezer and Unfreezer it does not freeze them again when a pickled
    net trains further.
    """

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_begin(self, net, **kwargs):
        weight = net.module_.embedding.weight
        weight.requires_grad_(len(net.history) > self.n_epochs)

    def on_train_end(self, net, **kwargs):
        net.module_.embedding.weight.requires_grad_(True)


def make_progress_bars():
    """Return the bar of each epoch in a list, which is empty without a terminal."""
    return [ProgressBar()] if _is_watched(sys.stderr) else []


class EpochLines(PrintLog):
    """skorch's line for each epoch, without colours where there is no terminal."""

    def format_row(self, row, key, color):
        if not _is_watched(sys.stdout):
            row = {key: row[key]}  # skorch colours by `<key>_best`
        return super().format_row(row, key, color)


def _is_watched(stream):
    """Return whether a stream is a terminal or a notebook."""
    is_terminal = hasattr(stream, "isatty") and stream.isatty()
    return is_terminal or ProgressBar().in_ipynb()


def renew(callback):
    """Return an unfitted copy of a callback, or of a pair of name and callback.

    Parameters are shared: the writer of a TensorBoard callback cannot be copied.
    """
    if isinstance(callback, tuple):
        name, callback = callback
        return name, renew(callback)
    if isinstance(callback, Callback):
        return type(callback)(**callback.get_params(deep=False))
    return clone(callback, safe=False)
