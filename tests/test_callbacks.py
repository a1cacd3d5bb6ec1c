"""Callbacks of LSTMClassifier: early stopping, progress, interrupts, those of users."""

import pickle
import signal
import sys

import numpy as np
import pytest
import torch
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
    ProgressBar,
    TensorBoard,
)
from torch import nn

from skreviews import LSTMClassifier, NgramClassifier

TINY = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "max_epochs": 2,
    "device": "cpu",
    "random_state": 0,
}


class WeightSpy(Callback):
    """Keep the weights of the head at the end of each epoch."""

    def __init__(self, seen):
        self.seen = seen

    def on_epoch_end(self, net, **kwargs):
        self.seen.append(net.module_.head.weight.detach().clone())


# Early stopping


def test_early_stopping_restores_the_weights_of_the_best_epoch(ids):
    weights = []
    params = TINY | {"lr": 0.05, "max_epochs": 30, "callbacks": [WeightSpy(weights)]}
    classifier = LSTMClassifier(**params, early_stopping=True, n_iter_no_change=2)
    classifier.fit(*ids)
    accuracies = classifier.history_["valid_accuracy"]
    best = accuracies.idxmax()
    # Two epochs without a higher accuracy end the training.
    assert 0 < best == len(accuracies) - 3
    assert torch.equal(classifier.net_.module_.head.weight, weights[best])


def test_the_last_weights_are_kept_without_early_stopping(ids):
    weights = []
    params = TINY | {"lr": 0.05, "max_epochs": 6, "callbacks": [WeightSpy(weights)]}
    classifier = LSTMClassifier(**params, validation_fraction=0.1).fit(*ids)
    assert len(weights) == len(classifier.history_) == 6
    assert torch.equal(classifier.net_.module_.head.weight, weights[-1])


def test_early_stopping_without_held_out_samples_is_refused(ids):
    with pytest.raises(ValueError, match="set validation_fraction"):
        LSTMClassifier(early_stopping=True, validation_fraction=None).fit(*ids)
    message = "early_stopping=True needs samples to hold out, but each class"
    with pytest.raises(ValueError, match=message):
        LSTMClassifier(early_stopping=True).fit([[2, 3], [4, 5], [4, 5]], [0, 1, 1])


@pytest.mark.parametrize(
    "params",
    [
        {"early_stopping": "refit"},
        {"validation_fraction": "none"},
        {"validation_fraction": 1.0},
        {"n_iter_no_change": 0},
    ],
    ids=str,
)
def test_invalid_settings_of_early_stopping_are_refused(ids, params):
    (name,) = params
    with pytest.raises(ValueError, match=f"'{name}' parameter of LSTMClassifier"):
        LSTMClassifier(**params).fit(*ids)


def test_early_stopping_writes_no_file(ids, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    LSTMClassifier(**TINY, early_stopping=True).fit(*ids)
    assert list(tmp_path.iterdir()) == []


# Interrupts


class Interrupt(Callback):
    """Raise a KeyboardInterrupt, or press Ctrl-C, in one of the methods."""

    def __init__(self, method, press=False):
        self.method = method
        self.press = press

    def _raise(self):
        if self.press:
            signal.raise_signal(signal.SIGINT)
        raise KeyboardInterrupt

    def on_batch_end(self, net, **kwargs):
        if self.method == "on_batch_end":
            self._raise()

    def on_epoch_begin(self, net, **kwargs):
        if self.method == "on_epoch_begin" and len(net.history) == 2:
            self._raise()

    def on_epoch_end(self, net, **kwargs):
        if self.method == "on_epoch_end":
            self._raise()


@pytest.mark.parametrize("press", [False, True])
@pytest.mark.parametrize("method", ["on_batch_end", "on_epoch_begin"])
def test_ctrl_c_ends_fit_and_leaves_no_model(ids, method, press):
    callbacks = [Interrupt(method, press)]
    classifier = LSTMClassifier(**TINY, callbacks=callbacks)
    # Shells let processes in the background ignore SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            classifier.fit(*ids)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert not hasattr(classifier, "net_")


def test_ctrl_c_keeps_the_model_of_an_earlier_fit(ids):
    params = TINY | {"ngrams": NgramClassifier(n_buckets=64)}
    classifier = LSTMClassifier(**params).fit(*ids)
    expected = classifier.predict_proba(ids[0])
    recipe = classifier.recipe_
    for warm_start in (False, True):
        classifier.set_params(
            callbacks=[Interrupt("on_batch_end")], warm_start=warm_start, lr=0.5
        )
        with pytest.raises(KeyboardInterrupt):
            classifier.fit(*ids)
        assert np.array_equal(classifier.predict_proba(ids[0]), expected)
        assert classifier.recipe_ is recipe


def test_ctrl_c_in_the_loss_ends_fit(ids):
    class InterruptedLoss(nn.CrossEntropyLoss):
        def forward(self, *args):
            raise KeyboardInterrupt

    classifier = LSTMClassifier(net_params={"criterion": InterruptedLoss})
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(*ids)
    assert not hasattr(classifier, "net_")


def test_callbacks_stop_the_training_early_by_an_interrupt_at_the_end_of_an_epoch(ids):
    callbacks = [Interrupt("on_epoch_end")]
    classifier = LSTMClassifier(**TINY, callbacks=callbacks).fit(*ids)
    assert len(classifier.history_) == 1
    assert classifier.predict(ids[0]).shape == ids[1].shape


# Callbacks of users


def test_epoch_scoring_sees_each_sample_with_its_own_label(ids):
    callbacks = [
        EpochScoring("accuracy", lower_is_better=False, name="scored"),
        EpochScoring("accuracy", False, name="scored_train", on_train=True),
    ]
    params = TINY | {"max_epochs": 4, "lr": 0.05, "callbacks": callbacks}
    net = LSTMClassifier(**params, validation_fraction=0.1).fit(*ids).net_
    for name, expected in (
        ("scored", "valid_accuracy"),
        ("scored_train", "train_accuracy"),
    ):
        np.testing.assert_allclose(
            net.history[:, name], net.history[:, expected], rtol=1e-5
        )


def test_callbacks_see_the_loss_of_each_batch(ids):
    losses = []

    class Reader(Callback):
        def on_batch_end(self, net, training, **kwargs):
            name = "train_loss" if training else "valid_loss"
            losses.append(net.history[-1, "batches", -1, name])

    LSTMClassifier(**TINY, validation_fraction=0.1, callbacks=[Reader()]).fit(*ids)
    assert len(losses) > 8 and min(losses) > 0


def test_skorch_callbacks_work_together_on_codes(ids):
    X, y = ids
    callbacks = [
        ("stop", EarlyStopping(monitor="valid_loss", patience=1, threshold=10)),
        ("rate", LRScheduler(policy="StepLR", step_size=1, gamma=0.5)),
        ("bar", ProgressBar()),
        ("f1", EpochScoring("f1_macro", lower_is_better=False, name="valid_f1")),
    ]
    params = TINY | {"max_epochs": 9, "validation_fraction": 0.1}
    classifier = LSTMClassifier(**params, callbacks=callbacks).fit(X, 10 * y)
    history = classifier.net_.history
    assert len(history) == 2  # no loss falls by a factor of ten
    assert all(0 <= score <= 1 for score in history[:, "valid_f1"])
    assert history[0, "event_lr"] > 0


def test_tensorboard_writes_the_losses(ids, tmp_path):
    tensorboard = pytest.importorskip(
        "torch.utils.tensorboard", reason="tensorboard is not installed"
    )
    writer = tensorboard.SummaryWriter(tmp_path)
    LSTMClassifier(**TINY, callbacks=[TensorBoard(writer)]).fit(*ids)
    assert any(path.stat().st_size for path in tmp_path.iterdir())


def test_parameters_of_callbacks_need_not_be_copied(ids):
    class Writer:
        tags = ()

        def add_scalar(self, tag, *args, **kwargs):
            self.tags += (tag,)

        def close(self):
            pass

        def __deepcopy__(self, memo):
            raise TypeError("cannot pickle '_thread.lock' object")

    writer = Writer()
    LSTMClassifier(**TINY, callbacks=[("board", TensorBoard(writer))]).fit(*ids)
    assert "Loss/train_loss" in writer.tags


def test_callbacks_are_copied(ids):
    callback = LRScheduler(policy="StepLR", step_size=1)
    classifier = LSTMClassifier(**TINY, callbacks=[callback]).fit(*ids)
    assert not hasattr(callback, "lr_scheduler_")
    assert b"exp_avg" not in pickle.dumps(classifier)


# Progress


@pytest.mark.parametrize("is_terminal", [True, False])
def test_verbose_prints_a_line_for_each_epoch_and_a_bar_on_a_terminal(
    ids, capsys, monkeypatch, is_terminal
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    LSTMClassifier(**TINY, validation_fraction=0.1, verbose=1).fit(*ids)
    shown = capsys.readouterr()
    assert "valid_loss" in shown.out and "padding_share" not in shown.out
    assert ("it/s" in shown.err) == is_terminal
    assert ("\033[" in shown.out) == is_terminal  # colours


def test_nothing_is_printed_by_default(ids, capsys):
    LSTMClassifier(**TINY, early_stopping=True).fit(*ids)
    assert capsys.readouterr() == ("", "")


def test_lines_are_written_to_any_stream(ids, monkeypatch):
    class Lines:
        def __init__(self):
            self.lines = []

        def write(self, line):
            self.lines.append(line)

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stdout", Lines())
    LSTMClassifier(**TINY, verbose=1).fit(*ids)
    assert "train_loss" in "".join(sys.stdout.lines)


# Arguments of the net


def test_net_params_reach_the_net(ids):
    net_params = {
        "optimizer__amsgrad": True,
        "criterion__label_smoothing": 0.1,
        "module__word_dropout": 0.2,
        "adversarial": 0.3,
    }
    classifier = LSTMClassifier(**TINY, net_params=net_params).fit(*ids)
    net = pickle.loads(pickle.dumps(classifier)).net_
    assert net.optimizer_.defaults["amsgrad"] is True
    assert net.criterion_.label_smoothing == 0.1
    assert net.module_.word_dropout == 0.2
    assert net.adversarial == 0.3


@pytest.mark.parametrize("optimizer", [torch.optim.RMSprop, torch.optim.LBFGS])
def test_other_optimizers(ids, optimizer):
    classifier = LSTMClassifier(**TINY, net_params={"optimizer": optimizer}).fit(*ids)
    assert type(classifier.net_.optimizer_) is optimizer


@pytest.mark.parametrize("name", ["max_epochs", "lr", "predict_nonlinearity"])
def test_net_params_of_the_classifier_are_refused(ids, name):
    with pytest.raises(ValueError, match=f"net_params sets '{name}', which"):
        LSTMClassifier(net_params={name: 1}).fit(*ids)
    with pytest.raises(ValueError, match="net_params sets 'device', 'verbose'"):
        LSTMClassifier(net_params={"verbose": 1, "device": 2}).fit(*ids)


def test_label_smoothing_is_that_of_the_criterion(ids):
    X, y = ids
    net_params = {
        "criterion__label_smoothing": 0.2,
        "module__embedding_dropout": 0.0,
        "module__word_dropout": 0.0,
        "adversarial": 0.0,
    }
    params = TINY | {"max_epochs": 1, "lr": 1e-12, "dropout": 0.0, "precision": "fp32"}
    classifier = LSTMClassifier(**params, net_params=net_params).fit(X, y)
    logs = np.log(classifier.predict_proba(X).astype(np.float64))
    targets = 0.8 * np.eye(5)[y - 1] + 0.2 / 5
    found = classifier.history_["train_loss"].iloc[0]
    np.testing.assert_allclose(found, -(targets * logs).sum(1).mean(), rtol=1e-5)
