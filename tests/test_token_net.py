"""Training of the net: batches, callbacks, Ctrl-C, threads, precision and devices."""

import pickle
import signal
import subprocess
import sys
import threading

import joblib
import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from skorch import NeuralNetClassifier
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
from skreviews.neural_network import (
    LSTMModule,
    _batches,
    _optimizer,
    _precision,
    _recipe,
    _runtime,
)
from skreviews.neural_network._optimizer import LazyAdam

SMALL = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "max_epochs": 2,
    "precision": "fp32",
    "random_state": 0,
}
# Without the random choices that depend on the position in a batch.
PLAIN = SMALL | {
    "dropout": 0.0,
    "net_params": {
        "module__embedding_dropout": 0.0,
        "module__word_dropout": 0.0,
        "adversarial": 0.0,
    },
}


class Spy(Callback):
    """Keeps what a function of the net returns at each step."""

    def __init__(self, look):
        self.look = look

    def on_train_begin(self, net, **kwargs):
        self.seen_ = []

    def on_grad_computed(self, net, **kwargs):
        self.seen_.append(self.look(net))


def _seen(classifier):
    return dict(classifier.net_.callbacks_)["Spy"].seen_


def _flushes_denormals(net=None):
    return (torch.tensor(1e-38) * 0.1).item() == 0


@pytest.fixture
def set_threads():
    """torch.set_num_threads, undone after the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def fitted(ids):
    """A fitted classifier that no test changes."""
    return LSTMClassifier(**SMALL).fit(*ids)


def test_the_net_is_a_skorch_classifier_around_an_lstm_module(fitted):
    assert isinstance(fitted.net_, NeuralNetClassifier)
    assert type(fitted.net_.module_) is LSTMModule


# ---- Random generators


@pytest.mark.parametrize("ngrams", [None, NgramClassifier(n_buckets=64)])
def test_fits_are_bit_equal_and_restore_the_global_generators(ids, ngrams):
    X, y = ids
    params = SMALL | {"ngrams": ngrams, "validation_fraction": 0.1}
    torch.manual_seed(3)
    np.random.seed(3)
    expected = torch.rand(1).item(), np.random.rand()
    torch.manual_seed(3)
    np.random.seed(3)
    one = LSTMClassifier(**params).fit(X, y).predict_proba(X)
    assert (torch.rand(1).item(), np.random.rand()) == expected
    torch.manual_seed(4)
    two = LSTMClassifier(**params).fit(X, y).predict_proba(X)
    other = LSTMClassifier(**params | {"random_state": 1}).fit(X, y).predict_proba(X)
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_generators_of_other_devices_are_not_seeded(ids, monkeypatch):
    def refuse(seed):
        raise AssertionError("the generators of all devices were seeded")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", refuse)
    pickle.loads(pickle.dumps(LSTMClassifier(**SMALL).fit(*ids)))


# ---- Batches


def test_a_prediction_depends_on_its_row_only(ids, fitted, monkeypatch):
    X, _ = ids
    together = fitted.predict_proba(X)
    alone = np.vstack([fitted.predict_proba(X[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, together[:20], rtol=0, atol=1e-5)
    monkeypatch.setitem(_batches._PREDICTION_POSITIONS, "cpu", 64)
    np.testing.assert_allclose(
        fitted.predict_proba(X[::-1])[::-1], together, rtol=0, atol=1e-5
    )


def test_a_large_batch_is_trained_on_in_parts(ids, monkeypatch):
    X, y = ids
    whole = LSTMClassifier(**PLAIN).fit(X, y)
    monkeypatch.setitem(_batches._TRAINING_POSITIONS, "cpu", 100)
    seen = []
    forward = LSTMModule.forward
    monkeypatch.setattr(
        LSTMModule,
        "forward",
        lambda self, ids, *args: (seen.append(ids), forward(self, ids, *args))[1],
    )
    parts = LSTMClassifier(**PLAIN).fit(X, y)
    assert len(seen) > len(y) / 10
    assert all(x.numel() <= 100 or len(x) == 1 for x in seen)
    np.testing.assert_allclose(
        parts.predict_proba(X), whole.predict_proba(X), rtol=0, atol=1e-4
    )


def test_history_contains_the_share_of_padding(ids, fitted):
    _, y = ids
    assert fitted.history_["padding_share"].between(0, 0.5).all()
    full = np.random.default_rng(0).integers(2, 50, (len(y), 8))
    history = LSTMClassifier(**SMALL).fit(full, y).history_
    assert (history["padding_share"] == 0).all()


def test_rows_of_similar_length_share_a_batch():
    rng = np.random.default_rng(0)
    X = rng.integers(2, 50, (2000, 60))
    X[np.arange(60) >= rng.integers(1, 61, (2000, 1))] = 0
    params = SMALL | {"max_epochs": 1, "word_vectors": None}
    history = LSTMClassifier(**params).fit(X, rng.integers(0, 2, 2000)).history_
    assert history["padding_share"].max() < 0.12  # in random batches: 0.5


# ---- Callbacks


class WeightSpy(Callback):
    """Keeps the weights at the end of each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.weights_ = []

    def on_epoch_end(self, net, **kwargs):
        self.weights_.append(net.module_.head.weight.detach().clone())


STOPPING = SMALL | {"hidden_size": 16, "lr": 0.05, "max_epochs": 30}


@pytest.mark.parametrize("as_callback", [False, True])
def test_early_stopping_restores_the_best_weights(ids, as_callback):
    params = STOPPING | {"early_stopping": True, "n_iter_no_change": 2}
    callbacks = [WeightSpy()]
    if as_callback:
        params = STOPPING | {"validation_fraction": 0.1}
        callbacks.append(
            EarlyStopping("valid_accuracy", 2, lower_is_better=False, load_best=True)
        )
    classifier = LSTMClassifier(**params, callbacks=callbacks).fit(*ids)
    accuracies = classifier.history_["valid_accuracy"]
    best = accuracies.idxmax()
    # Two epochs without a higher accuracy, then the end.
    assert len(accuracies) == best + 3
    spied = dict(classifier.net_.callbacks_)["WeightSpy"].weights_
    assert torch.equal(classifier.net_.module_.head.weight, spied[best])


def test_without_early_stopping_the_last_weights_are_kept(ids):
    params = SMALL | {"lr": 0.05, "max_epochs": 5, "callbacks": [WeightSpy()]}
    classifier = LSTMClassifier(**params).fit(*ids)
    spied = dict(classifier.net_.callbacks_)["WeightSpy"].weights_
    assert len(spied) == len(classifier.history_) == 5
    assert torch.equal(classifier.net_.module_.head.weight, spied[-1])


def test_early_stopping_writes_no_file(ids, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    LSTMClassifier(**SMALL, early_stopping=True).fit(*ids)
    assert list(tmp_path.iterdir()) == []


def test_epoch_scoring_pairs_samples_and_labels(ids):
    callbacks = [
        EpochScoring("accuracy", lower_is_better=False, name="scored"),
        EpochScoring("accuracy", False, name="scored_train", on_train=True),
    ]
    params = SMALL | {"max_epochs": 6, "lr": 0.05, "callbacks": callbacks}
    net = LSTMClassifier(**params, validation_fraction=0.1).fit(*ids).net_
    for name, expected in (
        ("scored", "valid_accuracy"),
        ("scored_train", "train_accuracy"),
    ):
        np.testing.assert_allclose(
            net.history[:, name], net.history[:, expected], rtol=1e-5
        )


def test_callbacks_know_the_loss_of_each_batch(ids):
    class Reader(Callback):
        def on_batch_end(self, net, training, **kwargs):
            name = "train_loss" if training else "valid_loss"
            assert net.history[-1, "batches", -1, name] > 0

    LSTMClassifier(**SMALL, validation_fraction=0.1, callbacks=[Reader()]).fit(*ids)


def test_callbacks_take_labels_as_codes(ids):
    X, y = ids
    scoring = EpochScoring("f1_macro", lower_is_better=False, name="valid_f1")
    params = SMALL | {"validation_fraction": 0.1, "callbacks": [scoring]}
    classifier = LSTMClassifier(**params).fit(X, y * 10)
    assert len(classifier.net_.history[:, "valid_f1"]) == 2


def test_callbacks_of_all_kinds_work_together(ids):
    callbacks = [
        ("stop", EarlyStopping(monitor="valid_loss", patience=1, threshold=10)),
        ("rate", LRScheduler(policy="StepLR", step_size=1, gamma=0.5)),
        ("bar", ProgressBar()),
        ("f1", EpochScoring("f1_macro", lower_is_better=False, name="valid_f1")),
    ]
    params = SMALL | {"max_epochs": 9, "validation_fraction": 0.1}
    classifier = LSTMClassifier(**params, callbacks=callbacks).fit(*ids)
    history = classifier.net_.history
    assert len(history) == 2  # no loss falls by a factor of ten
    assert all(0 <= score <= 1 for score in history[:, "valid_f1"])
    assert history[0, "event_lr"] > 0


def test_tensorboard_writes_the_losses(ids, tmp_path):
    tensorboard = pytest.importorskip(
        "torch.utils.tensorboard", reason="tensorboard is not installed"
    )
    writer = tensorboard.SummaryWriter(tmp_path)
    LSTMClassifier(**SMALL, callbacks=[TensorBoard(writer)]).fit(*ids)
    assert any(path.stat().st_size for path in tmp_path.iterdir())


def test_arguments_of_callbacks_are_not_copied(ids):
    class Writer:
        tags = ()

        def add_scalar(self, tag, *args, **kwargs):
            self.tags += (tag,)

        def close(self):
            pass

        def __deepcopy__(self, memo):
            raise TypeError("cannot pickle '_thread.lock' object")

    writer = Writer()
    LSTMClassifier(**SMALL, callbacks=[("board", TensorBoard(writer))]).fit(*ids)
    assert "Loss/train_loss" in writer.tags


def test_callbacks_are_cloned(ids):
    callback = LRScheduler(policy="StepLR", step_size=1)
    classifier = LSTMClassifier(**SMALL, callbacks=[callback]).fit(*ids)
    assert not hasattr(callback, "lr_scheduler_")
    assert b"exp_avg" not in pickle.dumps(classifier)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_verbose_prints_lines_and_shows_a_bar_on_a_terminal(
    ids, capsys, monkeypatch, is_terminal
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    LSTMClassifier(**SMALL, validation_fraction=0.1, verbose=1).fit(*ids)
    shown = capsys.readouterr()
    assert "valid_loss" in shown.out
    assert ("it/s" in shown.err) == is_terminal
    assert ("\033[" in shown.out) == is_terminal  # colours
    LSTMClassifier(**SMALL).fit(*ids)
    assert capsys.readouterr() == ("", "")


def test_lines_go_to_any_object_that_has_write(ids, monkeypatch):
    class Lines:
        def __init__(self):
            self.lines = []

        def write(self, line):
            self.lines.append(line)

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stdout", Lines())
    LSTMClassifier(**SMALL, verbose=1).fit(*ids)
    assert "train_loss" in "".join(sys.stdout.lines)


# ---- Arguments of the net


def test_net_params_that_are_parameters_of_the_classifier_are_refused(ids):
    with pytest.raises(ValueError, match="net_params sets 'lr', 'max_epochs'"):
        LSTMClassifier(net_params={"max_epochs": 4, "lr": 1}).fit(*ids)
    with pytest.raises(ValueError, match="net_params sets 'predict_nonlinearity'"):
        LSTMClassifier(net_params={"predict_nonlinearity": None}).fit(*ids)


def test_net_params_reach_the_net(ids):
    classifier = LSTMClassifier(**SMALL, net_params={"optimizer__amsgrad": True})
    assert classifier.fit(*ids).net_.optimizer_.defaults["amsgrad"] is True


@pytest.mark.parametrize("optimizer", [torch.optim.RMSprop, torch.optim.LBFGS])
def test_other_optimizers_can_be_used(ids, monkeypatch, optimizer):
    monkeypatch.setattr(_recipe, "_LARGE_VOCABULARY", 10)
    classifier = LSTMClassifier(**SMALL, net_params={"optimizer": optimizer}).fit(*ids)
    assert type(classifier.net_.optimizer_) is optimizer


def test_weight_decay_equals_that_of_net_params(ids):
    models = [
        LSTMClassifier(**SMALL, weight_decay=0.1),
        LSTMClassifier(**SMALL, net_params={"optimizer__weight_decay": 0.1}),
        LSTMClassifier(**SMALL),
    ]
    one, two, plain = (model.fit(*ids).predict_proba(ids[0]) for model in models)
    assert np.array_equal(one, two)
    assert not np.array_equal(one, plain)


# ---- Ctrl-C


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


def test_ctrl_c_in_the_loss_ends_fit(ids):
    class Loss(nn.CrossEntropyLoss):
        def forward(self, *args):
            raise KeyboardInterrupt

    classifier = LSTMClassifier(**SMALL, net_params={"criterion": Loss})
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(*ids)
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


def test_an_interrupt_at_the_end_of_an_epoch_stops_early(ids):
    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 2:
                raise KeyboardInterrupt

    params = SMALL | {"max_epochs": 9, "callbacks": [Stop()]}
    classifier = LSTMClassifier(**params).fit(*ids)
    assert len(classifier.history_) == 2
    assert np.isfinite(classifier.history_["train_loss"]).all()
    classifier.predict(ids[0])


# ---- Sparse gradients


@pytest.mark.parametrize("amsgrad", [False, True])
def test_large_vocabularies_have_sparse_gradients(ids, monkeypatch, amsgrad):
    monkeypatch.setattr(_recipe, "_LARGE_VOCABULARY", 10)
    spy = Spy(lambda net: net.module_.embedding.weight.grad.is_sparse)
    net_params = {"optimizer__amsgrad": True} if amsgrad else None
    classifier = LSTMClassifier(**SMALL, callbacks=[spy], net_params=net_params)
    classifier.fit(*ids).predict(ids[0])
    assert set(_seen(classifier)) == {True}
    classifier.partial_fit(*ids)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_lazy_adam_is_adam_where_all_rows_have_gradients(weight_decay):
    tables = {}
    for sparse in (False, True):
        torch.manual_seed(0)
        table = nn.Embedding(20, 3, sparse=sparse)
        optimizer = (LazyAdam if sparse else torch.optim.Adam)(
            table.parameters(), lr=0.1, weight_decay=weight_decay
        )
        for i in range(5):
            optimizer.zero_grad()
            (table(torch.arange(20).repeat(2)).sin() * (i + 1)).sum().backward()
            optimizer.step()
        tables[sparse] = table.weight.detach()
    torch.testing.assert_close(tables[True], tables[False])


def test_lazy_adam_is_sparse_adam_where_some_rows_have_gradients():
    tables = []
    for make in (LazyAdam, torch.optim.SparseAdam):
        torch.manual_seed(0)
        table = nn.Embedding(20, 3, sparse=True)
        before = table.weight.detach().clone()
        optimizer = make(table.parameters(), lr=0.1)
        for i in range(5):
            optimizer.zero_grad()
            table(torch.tensor([i, 7, 7, i + 1])).sin().sum().backward()
            optimizer.step()
        tables.append(table.weight.detach())
    torch.testing.assert_close(*tables)
    torch.testing.assert_close(tables[0][8:], before[8:], rtol=0, atol=0)


@pytest.mark.parametrize("large_vocabulary", [10, 50_000])
def test_dense_and_sparse_gradients_are_clipped_together(
    ids, monkeypatch, large_vocabulary
):
    def norm(net):
        gradients = [p.grad for p in net.module_.parameters()]
        values = [g.coalesce().values() if g.is_sparse else g for g in gradients]
        return torch.cat([value.flatten() for value in values]).norm().item()

    monkeypatch.setattr(_recipe, "_LARGE_VOCABULARY", large_vocabulary)
    monkeypatch.setattr(_optimizer, "_MAX_GRADIENT_NORM", 1e-3)
    classifier = LSTMClassifier(**SMALL, callbacks=[Spy(norm)]).fit(*ids)
    np.testing.assert_allclose(_seen(classifier), 1e-3, rtol=1e-2)


# ---- Threads, denormals and memory


def test_the_number_of_threads_holds_in_fit_and_is_restored(
    ids, monkeypatch, set_threads
):
    set_threads(2)
    spy = Spy(lambda net: (torch.get_num_threads(), _flushes_denormals()))
    classifier = LSTMClassifier(**SMALL, callbacks=[spy]).fit(*ids)
    assert set(_seen(classifier)) == {(2, True)}
    seen = []
    forward = LSTMModule.forward

    def spied(self, x):
        seen.append((torch.get_num_threads(), _flushes_denormals()))
        return forward(self, x)

    monkeypatch.setattr(LSTMModule, "forward", spied)
    classifier.predict(ids[0])
    assert set(seen) == {(1, True)}
    assert (torch.get_num_threads(), _flushes_denormals()) == (2, False)


def test_predictions_are_the_same_with_any_number_of_threads(
    ids, fitted, monkeypatch, set_threads
):
    X, _ = ids
    monkeypatch.setitem(_batches._PREDICTION_POSITIONS, "cpu", 64)
    set_threads(1)
    expected = fitted.predict_proba(X)
    names = set()
    forward = LSTMModule.forward

    def spied(self, x):
        names.add(threading.current_thread().name)
        return forward(self, x)

    monkeypatch.setattr(LSTMModule, "forward", spied)
    set_threads(3)
    np.testing.assert_array_equal(fitted.predict_proba(X), expected)
    assert 1 < len(names) <= 3


@pytest.mark.parametrize("flushed", [False, True])
def test_an_error_restores_the_settings_of_the_cpu(ids, flushed, set_threads):
    def fail(net):
        raise RuntimeError("stop here")

    set_threads(2)
    torch.set_flush_denormal(flushed)
    try:
        with pytest.raises(RuntimeError, match="stop here"):
            LSTMClassifier(**SMALL, callbacks=[Spy(fail)]).fit(*ids)
        assert (torch.get_num_threads(), _flushes_denormals()) == (2, flushed)
    finally:
        torch.set_flush_denormal(False)


def test_torch_does_not_flush_denormals_after_fit(fitted, ids):
    fitted.predict(ids[0])
    tiny = torch.full((2**17,), 1e-38) * 0.1
    assert (tiny.numpy() != 0).all()


@pytest.mark.slow
def test_no_thread_of_torch_flushes_denormals_after_fit():
    code = """
import torch
from skreviews import LSTMClassifier
torch.set_num_threads(2)
X = [[2, 3], [4, 5]] * 9
classifier = LSTMClassifier(hidden_size=4, max_epochs=1).fit(X, [0, 1] * 9)
classifier.predict(X)
tiny = torch.full((2**22,), 1e-38) * 0.1
print((tiny.numpy() == 0).mean())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "0.0", done.stderr


@pytest.mark.slow
def test_parallel_searches_share_the_cores(ids):
    X, y = ids
    n_cores = joblib.cpu_count()

    def count_threads(estimator, X, y):
        return torch.get_num_threads() + 0.0 * estimator.score(X, y)

    search = GridSearchCV(
        LSTMClassifier(**SMALL),
        {"lr": [1e-3, 1e-2]},
        scoring=count_threads,
        n_jobs=2,
        cv=2,
        refit=False,
    ).fit(X, y)
    threads = search.cv_results_["mean_test_score"]
    assert (2 * threads <= max(2, n_cores)).all()


@pytest.mark.parametrize(
    ("libc", "variables"), [("", {}), ("glibc", {"MALLOC_ARENA_MAX": "1"})]
)
def test_memory_is_kept_in_an_unconfigured_glibc_only(
    ids, fitted, monkeypatch, libc, variables
):
    monkeypatch.setattr(_runtime.platform, "libc_ver", lambda: (libc, "2.39"))
    monkeypatch.setattr(_runtime.ctypes, "CDLL", None)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = LSTMClassifier(**SMALL).fit(*ids).predict_proba(ids[0])
    np.testing.assert_array_equal(found, fitted.predict_proba(ids[0]))


# ---- Precision


def _has_bf16():
    return np.isfinite(_precision._cost_of_bf16("cpu"))


def test_bf16_is_refused_where_it_is_not_available(ids, monkeypatch):
    monkeypatch.setattr(_precision, "_cost_of_bf16", lambda device_type: np.inf)
    with pytest.raises(ValueError, match="precision='bf16' is not available.*cpu"):
        LSTMClassifier(precision="bf16").fit(*ids)
    classifier = LSTMClassifier(**SMALL).fit(*ids)
    expected = classifier.predict_proba(ids[0])
    with pytest.warns(UserWarning, match="fp32 is used"):
        found = classifier.set_params(precision="bf16").predict_proba(ids[0])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "precision, cost, training, prediction",
    [
        ("auto", 0.9, True, False),
        ("auto", 1.1, False, False),
        ("auto", np.inf, False, False),
        ("bf16", 1.1, True, True),
        ("fp32", 0.9, False, False),
    ],
)
def test_bf16_is_used_where_it_is_faster(
    ids, monkeypatch, precision, cost, training, prediction
):
    # A GRU, which needs no instructions for bf16: on CPUs it stays in fp32.
    monkeypatch.setattr(_precision, "_cost_of_bf16", lambda device_type: cost)
    used = {True: set(), False: set()}
    forward = LSTMModule.forward

    def spied(self, *args):
        used[self.training].add(torch.is_autocast_enabled("cpu"))
        return forward(self, *args)

    monkeypatch.setattr(LSTMModule, "forward", spied)
    params = SMALL | {"cell": "gru", "precision": precision}
    classifier = LSTMClassifier(**params).fit(*ids)
    assert classifier.predict_proba(ids[0]).dtype == np.float32
    assert used == {True: {training}, False: {prediction}}
    weights = classifier.net_.module_.parameters()
    assert {weight.dtype for weight in weights} == {torch.float32}


def test_bf16_predicts_nearly_as_fp32(ids):
    if not _has_bf16():
        pytest.skip("this processor has no bf16 LSTM")
    X, y = ids
    classifier = LSTMClassifier(**SMALL).fit(X, y)
    expected = classifier.predict_proba(X)
    found = classifier.set_params(precision="bf16").predict_proba(X)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.02)


def test_the_trial_of_bf16_restores_the_generator_and_runs_in_inference_mode():
    state = torch.random.get_rng_state()
    with torch.inference_mode():
        cost = _precision._cost_of_bf16.__wrapped__("cpu")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.isfinite(cost) == _has_bf16()


# ---- Devices


def test_a_device_that_is_not_available_is_refused(ids, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ValueError, match="device='cuda' is not available"):
        LSTMClassifier(device="cuda").fit(*ids)
    with pytest.raises(ValueError, match="device='tpu' is unknown"):
        LSTMClassifier(device="tpu").fit(*ids)


def test_a_model_of_a_gpu_predicts_on_the_cpu_of_another_machine(ids):
    X, y = ids
    classifier = LSTMClassifier(**SMALL).fit(X, y)
    expected = classifier.predict_proba(X)
    classifier.device = "cuda:7"  # as if trained there
    opened = pickle.loads(pickle.dumps(classifier))
    with pytest.warns(UserWarning, match="CPU is used"):
        assert np.array_equal(opened.predict_proba(X), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_cuda_predicts_as_the_cpu(ids):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, device="cuda").fit(X, y)
    on_gpu = classifier.predict_proba(X)
    classifier.set_params(device="cpu")
    np.testing.assert_allclose(classifier.predict_proba(X), on_gpu, atol=1e-4)
