"""The choice between bfloat16 and float32."""

import numpy as np
import pytest
import torch

from skreviews import LSTMClassifier
from skreviews.neural_network import LSTMModule, _precision

TINY = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "max_epochs": 2,
    "device": "cpu",
    "random_state": 0,
}


@pytest.fixture(scope="module")
def has_bf16():
    return np.isfinite(_precision._cost_of_bf16("cpu"))


def test_bf16_is_refused_where_it_is_not_available(ids, monkeypatch):
    monkeypatch.setattr(_precision, "_cost_of_bf16", lambda device_type: np.inf)
    classifier = LSTMClassifier(**TINY, precision="bf16")
    message = "precision='bf16' is not available on this machine's cpu"
    with pytest.raises(ValueError, match=message):
        classifier.fit(*ids)
    with pytest.raises(ValueError, match=message):
        classifier.partial_fit(*ids, classes=[1, 2, 3, 4, 5])
    assert not hasattr(classifier, "net_")


def test_a_bf16_model_predicts_in_fp32_where_bf16_is_not_available(ids, monkeypatch):
    monkeypatch.setattr(_precision, "_cost_of_bf16", lambda device_type: np.inf)
    classifier = LSTMClassifier(**TINY).fit(*ids)
    expected = classifier.predict_proba(ids[0])
    with pytest.warns(UserWarning, match="fp32 is used"):
        found = classifier.set_params(precision="bf16").predict_proba(ids[0])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("precision", "cost", "training", "prediction"),
    [
        ("auto", 0.9, True, False),
        ("auto", 1.1, False, False),
        ("auto", np.inf, False, False),
        ("bf16", 1.1, True, True),
        ("fp32", 0.9, False, False),
    ],
)
def test_where_bf16_is_used(ids, monkeypatch, precision, cost, training, prediction):
    # A GRU stays in fp32 on CPUs, so it does not need instructions for bf16.
    monkeypatch.setattr(_precision, "_cost_of_bf16", lambda device_type: cost)
    used = {True: set(), False: set()}
    forward = LSTMModule.forward

    def spied(self, *args):
        used[self.training].add(torch.is_autocast_enabled("cpu"))
        return forward(self, *args)

    monkeypatch.setattr(LSTMModule, "forward", spied)
    classifier = LSTMClassifier(**TINY, cell="gru", precision=precision).fit(*ids)
    assert classifier.predict_proba(ids[0]).dtype == np.float32
    assert used == {True: {training}, False: {prediction}}
    weights = classifier.net_.module_.parameters()
    assert {weight.dtype for weight in weights} == {torch.float32}


def test_bf16_changes_probabilities_by_little(ids, has_bf16):
    if not has_bf16:
        pytest.skip("this processor has no bf16 LSTM")
    classifier = LSTMClassifier(**TINY).fit(*ids)
    expected = classifier.predict_proba(ids[0])
    found = classifier.set_params(precision="bf16").predict_proba(ids[0])
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.02)


def test_the_trial_runs_in_inference_mode_and_restores_the_generator(has_bf16):
    state = torch.random.get_rng_state()
    with torch.inference_mode():
        cost = _precision._cost_of_bf16.__wrapped__("cpu")
    assert np.isfinite(cost) == has_bf16
    assert torch.equal(torch.random.get_rng_state(), state)
