"""TokenNet: a skorch net whose predictions depend on their row, ended by Ctrl-C."""

import pickle
import signal

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import (
    Callback,
)

from skreviews import LSTMClassifier, NgramClassifier
from skreviews.neural_network import (
    LSTMModule,
    _batches,
    _runtime,
)

SMALL = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "max_epochs": 2,
    "precision": "fp32",
    "random_state": 0,
}


def _flushes_denormals(net=None):
    return (torch.tensor(1e-38) * 0.1).item() == 0


@pytest.fixture(scope="module")
def fitted(ids):
    """A fitted classifier that no test changes."""
    return LSTMClassifier(**SMALL).fit(*ids)


def test_the_net_is_a_skorch_classifier_around_an_lstm_module(fitted):
    assert isinstance(fitted.net_, NeuralNetClassifier)
    assert type(fitted.net_.module_) is LSTMModule


def test_a_prediction_depends_on_its_row_only(ids, fitted, monkeypatch):
    X, _ = ids
    together = fitted.predict_proba(X)
    alone = np.vstack([fitted.predict_proba(X[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, together[:20], rtol=0, atol=1e-5)
    monkeypatch.setitem(_batches._PREDICTION_POSITIONS, "cpu", 64)
    np.testing.assert_allclose(
        fitted.predict_proba(X[::-1])[::-1], together, rtol=0, atol=1e-5
    )


class Interrupt(Callback):
    """Presses Ctrl-C in one method."""

    def __init__(self, method):
        self.method = method

    def initialize(self):
        setattr(self, self.method, self._press)
        return self

    def _press(self, *args, **kwargs):
        raise KeyboardInterrupt


@pytest.fixture
def settings(monkeypatch):
    """A function that returns the settings of torch, numpy and a fake glibc."""
    mallopts = {-4: 2**16, -1: 2**26, -3: 2**25}  # what a fit restores

    class Libc:
        def mallopt(self, name, value):
            mallopts[name] = value

        def malloc_trim(self, size):
            pass

    cdll = _runtime.ctypes.CDLL
    monkeypatch.setattr(
        _runtime.ctypes,
        "CDLL",
        lambda name, **kwargs: cdll(name, **kwargs) if name else Libc(),
    )
    monkeypatch.setattr(_runtime.platform, "libc_ver", lambda: ("glibc", "2.39"))
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)

    def read():
        return (
            torch.random.get_rng_state().tolist(),
            np.random.get_state()[1].tolist(),
            _flushes_denormals(),
            torch.get_num_threads(),
            dict(mallopts),
        )

    return read


@pytest.mark.parametrize(
    "method", ["on_train_begin", "on_epoch_begin", "on_batch_begin", "on_batch_end"]
)
@pytest.mark.parametrize("is_fitted", [False, True])
def test_ctrl_c_ends_fit_and_restores_everything(ids, settings, method, is_fitted):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, ngrams=NgramClassifier(n_buckets=64))
    reference = LSTMClassifier(**SMALL).fit(X, y)
    if is_fitted:
        classifier.fit(X, y)
        proba = classifier.predict_proba(X)
    before, state = settings(), dict(vars(classifier))
    classifier.callbacks = [Interrupt(method)]
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(X, y)
    assert settings() == before
    classifier.callbacks = None
    after = vars(classifier)
    assert after.keys() == state.keys()
    assert all(after[name] is value for name, value in state.items())
    assert hasattr(classifier, "net_") == is_fitted
    if is_fitted:
        assert np.array_equal(classifier.predict_proba(X), proba)
    classifier.set_params(ngrams=None).fit(X, y)
    assert np.array_equal(classifier.predict_proba(X), reference.predict_proba(X))


def test_a_signal_ends_fit_within_an_epoch(ids):
    class Press(Callback):
        def on_batch_begin(self, net, **kwargs):
            signal.raise_signal(signal.SIGINT)

    classifier = LSTMClassifier(**SMALL, callbacks=[Press()])
    # Shells let what they start in the background ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            classifier.fit(*ids)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert not hasattr(classifier, "net_")


def test_ctrl_c_in_partial_fit_leaves_a_usable_model(ids, settings):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, callbacks=[Interrupt("on_batch_end")])
    before = settings()
    with pytest.raises(KeyboardInterrupt):
        classifier.partial_fit(X, y, classes=[1, 2, 3, 4, 5])
    assert settings() == before
    assert not hasattr(classifier, "net_")
    classifier.set_params(callbacks=None).fit(X, y)
    classifier.net_.callbacks_.append(("press", Interrupt("on_batch_end").initialize()))
    with pytest.raises(KeyboardInterrupt):
        classifier.partial_fit(X, y)
    classifier.net_.callbacks_.pop()
    assert np.isfinite(classifier.predict_proba(X)).all()
    opened = pickle.loads(pickle.dumps(classifier))
    for model in (classifier, opened):
        history = model.partial_fit(X, y).history_
        assert list(history["epoch"]) == [1, 2, 3]
        assert np.isfinite(history[["train_loss", "train_accuracy"]]).all(axis=None)
