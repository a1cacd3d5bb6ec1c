"""Random generators, threads, denormals, memory and devices of a fit."""

import pickle
import subprocess
import sys
import threading
from functools import partial

import joblib
import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from skreviews import LSTMClassifier, NgramClassifier
from skreviews.neural_network import LSTMModule, _batches, _runtime

TINY = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "max_epochs": 2,
    "device": "cpu",
    "random_state": 0,
}


def flushes_denormals():
    return (torch.tensor(1e-38) * 0.1).item() == 0


# Random generators


def test_fits_with_one_seed_are_equal_and_leave_the_global_generators_alone(ids):
    def draw():
        return torch.rand(1).item(), np.random.rand()

    def seed():
        torch.manual_seed(3)
        np.random.seed(3)

    def fit(random_state):
        params = TINY | {"random_state": random_state}
        return LSTMClassifier(**params).fit(*ids).predict_proba(ids[0])

    seed()
    expected = draw()
    seed()
    one = fit(0)
    assert draw() == expected
    assert np.array_equal(fit(0), one)
    assert not np.array_equal(fit(1), one)
    generators = [np.random.RandomState(5) for _ in range(2)]
    assert np.array_equal(*map(fit, generators))
    assert not np.array_equal(fit(None), fit(None))


def test_generators_of_other_devices_are_not_seeded(ids, monkeypatch):
    def refuse(seed):
        raise AssertionError("the generators of all devices were seeded")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", refuse)
    pickle.loads(pickle.dumps(LSTMClassifier(**TINY).fit(*ids)))


# Threads and denormals


class RuntimeSpy(Callback):
    """Keep how the CPU computes in each batch, and raise an error in the last."""

    def __init__(self, seen, error=None):
        self.seen = seen
        self.error = error

    def on_batch_end(self, net, **kwargs):
        self.seen.append((torch.get_num_threads(), flushes_denormals()))
        if self.error is not None:
            raise self.error


def test_fit_and_predict_flush_denormals_and_restore_the_setting(ids, monkeypatch):
    before = torch.get_num_threads()
    seen = []
    classifier = LSTMClassifier(**TINY, callbacks=[RuntimeSpy(seen)]).fit(*ids)
    assert set(seen) == {(before, True)}
    seen.clear()
    forward = LSTMModule.forward

    def spied(self, ids):
        seen.append((torch.get_num_threads(), flushes_denormals()))
        return forward(self, ids)

    monkeypatch.setattr(LSTMModule, "forward", spied)
    classifier.predict(ids[0])
    assert set(seen) == {(1, True)}
    assert (torch.get_num_threads(), flushes_denormals()) == (before, False)


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("error", [RuntimeError("stop here"), KeyboardInterrupt()])
def test_an_error_restores_the_state_of_torch(ids, flushed, error):
    seen = []
    classifier = LSTMClassifier(**TINY, callbacks=[RuntimeSpy(seen, error)])
    threads = torch.get_num_threads()
    generator = torch.random.get_rng_state()
    torch.set_flush_denormal(flushed)
    try:
        for fit in (
            classifier.fit,
            partial(classifier.partial_fit, classes=range(1, 6)),
        ):
            with pytest.raises(type(error)):
                fit(*ids)
            assert (torch.get_num_threads(), flushes_denormals()) == (threads, flushed)
            assert torch.equal(torch.random.get_rng_state(), generator)
    finally:
        torch.set_flush_denormal(False)
    assert len(seen) == 2
    assert not hasattr(classifier, "net_")


def test_predictions_do_not_depend_on_the_number_of_threads(ids, monkeypatch):
    params = TINY | {"ngrams": NgramClassifier(n_buckets=64)}
    classifier = LSTMClassifier(**params).fit(*ids)
    monkeypatch.setitem(_batches._PREDICTION_POSITIONS, "cpu", 64)
    before = torch.get_num_threads()
    names = set()
    forward = LSTMModule.forward

    def spied(self, ids):
        names.add(threading.current_thread().name)
        return forward(self, ids)

    monkeypatch.setattr(LSTMModule, "forward", spied)
    found = []
    try:
        for n_threads in (1, 3):
            names.clear()
            torch.set_num_threads(n_threads)
            found.append(classifier.predict_proba(ids[0]))
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*found)
    assert 1 < len(names) <= 3


def test_several_threads_may_predict_at_once(ids):
    classifier = LSTMClassifier(**TINY).fit(*ids)
    expected = classifier.predict_proba(ids[0])
    with joblib.parallel_config("threading", n_jobs=4):
        found = joblib.Parallel()(
            joblib.delayed(classifier.predict_proba)(ids[0]) for _ in range(8)
        )
    for probabilities in found:
        np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_threads_of_torch_do_not_flush_denormals_after_fit():
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
    def count_threads(estimator, X, y):
        return torch.get_num_threads() + 0.0 * estimator.score(X, y)

    search = GridSearchCV(
        LSTMClassifier(**TINY),
        {"lr": [1e-3, 1e-2]},
        scoring=count_threads,
        n_jobs=2,
        cv=2,
        refit=False,
    ).fit(*ids)
    threads = search.cv_results_["mean_test_score"]
    assert (2 * threads <= max(2, joblib.cpu_count())).all()


# Memory


@pytest.mark.parametrize("reason", ["another libc", "a configured allocator"])
def test_the_allocator_is_left_alone(monkeypatch, reason):
    if reason == "another libc":
        monkeypatch.setattr(_runtime.platform, "libc_ver", lambda: ("", ""))
    else:
        monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1000000")
    monkeypatch.setattr(_runtime.ctypes, "CDLL", None)
    with _runtime.kept_memory():
        pass


@pytest.mark.skipif(
    _runtime.platform.libc_ver()[0] != "glibc", reason="the C library is not glibc"
)
def test_glibc_keeps_memory_and_gives_it_back_also_after_an_error(monkeypatch):
    calls = []

    class Libc:
        def mallopt(self, name, value):
            calls.append((name, value))

        def malloc_trim(self, padding):
            calls.append("trim")

    for name in [name for name in _runtime.os.environ if name.startswith("MALLOC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(_runtime.ctypes, "CDLL", lambda name: Libc())
    with pytest.raises(RuntimeError), _runtime.kept_memory():
        assert calls == [
            (_runtime._M_MMAP_MAX, 0),
            (_runtime._M_TRIM_THRESHOLD, 2**31 - 1),
        ]
        raise RuntimeError
    assert (_runtime._M_MMAP_MAX, 2**16) in calls
    assert calls[-1] == "trim"


# Devices


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda", "device='cuda' is not available on this machine"),
        ("cuda:3", "device='cuda:3' is not available on this machine"),
        ("tpu", "device='tpu' is unknown"),
        ("meta", "device='meta' is unknown"),
    ],
)
def test_devices_that_do_not_exist_are_refused(ids, monkeypatch, device, message):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    classifier = LSTMClassifier(device=device)
    with pytest.raises(ValueError, match=message):
        classifier.fit(*ids)
    with pytest.raises(ValueError, match=message):
        classifier.partial_fit(*ids, classes=range(1, 6))
    assert not hasattr(classifier, "net_")


def test_auto_is_the_best_device(monkeypatch):
    for has_cuda, has_mps, expected in (
        (True, True, "cuda"),
        (False, True, "mps"),
        (False, False, "cpu"),
    ):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=has_cuda: found)
        monkeypatch.setattr(
            torch.backends.mps, "is_available", lambda found=has_mps: found
        )
        assert _runtime.find_device("auto").type == expected


def test_a_model_from_a_gpu_predicts_without_one(ids, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    classifier = LSTMClassifier(**TINY).fit(*ids)
    expected = classifier.predict_proba(ids[0])
    classifier.device = "cuda:7"  # as if trained there
    opened = pickle.loads(pickle.dumps(classifier))
    with pytest.warns(UserWarning, match="the CPU is used"):
        assert np.array_equal(opened.predict_proba(ids[0]), expected)


needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="there is no CUDA device"
)


@needs_cuda
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_gpu_and_a_cpu_predict_the_same(ids, cell):
    params = TINY | {"device": "cuda", "cell": cell}
    params["ngrams"] = NgramClassifier(n_buckets=64)
    classifier = LSTMClassifier(**params, validation_fraction=0.1).fit(*ids)
    assert np.isfinite(classifier.history_[["train_loss", "valid_loss"]]).all(axis=None)
    on_gpu = classifier.predict_proba(ids[0])
    opened = pickle.loads(pickle.dumps(classifier))
    opened.set_params(device="cpu")
    classifier.set_params(device="cpu")
    np.testing.assert_allclose(classifier.predict_proba(ids[0]), on_gpu, atol=1e-4)
    np.testing.assert_allclose(opened.predict_proba(ids[0]), on_gpu, atol=1e-4)


@needs_cuda
def test_training_resumes_on_another_device(ids):
    classifier = LSTMClassifier(**TINY | {"device": "cuda"}).fit(*ids)
    for device in ("cpu", "cuda"):
        classifier.set_params(device=device).partial_fit(*ids)
        assert classifier.net_.module_.head.weight.device.type == device
    assert len(classifier.history_) == 4


@needs_cuda
def test_fits_on_a_gpu_leave_its_generator_alone(ids):
    before = torch.cuda.get_rng_state()
    LSTMClassifier(**TINY | {"device": "cuda"}).fit(*ids)
    assert torch.equal(torch.cuda.get_rng_state(), before)
