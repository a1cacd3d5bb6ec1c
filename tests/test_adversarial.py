"""Adversarial training of the word embeddings."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from skreviews import LSTMClassifier
from skreviews.neural_network import LSTMModule, _batches, _optimizer

TINY = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "max_epochs": 1,
    "precision": "fp32",
    "device": "cpu",
    "random_state": 0,
}
NO_DROPOUT = {"module__embedding_dropout": 0.0, "module__word_dropout": 0.0}


def fit(ids, weights=None, callbacks=None, **net_params):
    classifier = LSTMClassifier(
        **TINY, dropout=0.0, callbacks=callbacks, net_params=NO_DROPOUT | net_params
    )
    return classifier.fit(*ids, sample_weight=weights)


def compute_gradients(module, ids, y, weights, epsilon):
    """Return the gradients of both losses in float64, sample by sample."""
    module = deepcopy(module).double()
    losses = nn.functional.cross_entropy(module(ids), y, reduction="none")
    loss = (losses * weights).sum() / len(y)
    for row, label, weight in zip(ids, y, weights, strict=True):
        row = row[row != 0][None]
        zero = torch.zeros(1, row.shape[1], 8, dtype=torch.float64, requires_grad=True)
        own_loss = nn.functional.cross_entropy(module(row, zero), label[None])
        (gradient,) = torch.autograd.grad(weight * own_loss, zero)
        size = epsilon * module.embedding(row).detach().norm()
        logits = module(row, size * gradient / gradient.norm())
        loss = loss + weight * nn.functional.cross_entropy(logits, label[None]) / len(y)
    return torch.autograd.grad(loss, list(module.parameters()))


@pytest.mark.parametrize("n_positions", [2**15, 100], ids=["whole", "in parts"])
def test_gradients_are_those_of_both_losses(
    ids, monkeypatch, spy_on_steps, n_positions
):
    monkeypatch.setattr(_optimizer, "_MAX_GRADIENT_NORM", 1e9)
    monkeypatch.setitem(_batches._TRAINING_POSITIONS, "cpu", n_positions)

    def look(net, batch):
        inputs, y = batch
        expected = compute_gradients(
            net.module_, inputs["ids"], y, inputs["sample_weight"].double(), 0.3
        )
        return [weight.grad.double() for weight in net.module_.parameters()], expected

    spy, seen = spy_on_steps(look)
    weights = np.random.default_rng(0).uniform(0.5, 2, 50)
    fit([part[:50] for part in ids], weights, [spy], adversarial=0.3)
    for found, expected in seen:
        torch.testing.assert_close(found, list(expected), rtol=1e-3, atol=1e-6)


@pytest.fixture
def passes(monkeypatch):
    """The inputs of the first layer in each forward pass, (length, batch, .)."""
    seen = []
    forward = LSTMModule.forward

    def spied(self, *args):
        handle = self.layers[0].register_forward_pre_hook(
            lambda _, args: seen.append(args[0].detach())
        )
        logits = forward(self, *args)
        handle.remove()
        return logits

    monkeypatch.setattr(LSTMModule, "forward", spied)
    return seen


def test_the_perturbation_is_a_share_of_the_norm_of_each_text(ids, passes):
    fit(ids, adversarial=0.3)
    for plain, perturbed in zip(passes[::2], passes[1::2], strict=True):
        norms = (perturbed - plain).norm(dim=(0, 2))
        torch.testing.assert_close(norms, 0.3 * plain.norm(dim=(0, 2)))
        is_padding = ~plain.any(2)
        assert not perturbed[is_padding].any()


def test_both_passes_have_the_same_dropout(ids, passes):
    fit(
        ids,
        adversarial=0.3,
        module__embedding_dropout=0.5,
        module__word_dropout=0.3,
    )
    for plain, perturbed in zip(passes[::2], passes[1::2], strict=True):
        assert torch.equal((plain == 0).all(0), (perturbed == 0).all(0))
        assert (perturbed - plain).norm() <= 0.3 * 2 * plain.norm()


def test_the_recorded_losses_are_those_without_perturbation(ids):
    params = TINY | {"lr": 1e-12, "validation_fraction": 0.1}
    histories = [
        LSTMClassifier(**params, net_params={"adversarial": epsilon}).fit(*ids).history_
        for epsilon in (0.0, 0.5)
    ]
    columns = ["train_loss", "train_accuracy", "valid_loss"]
    np.testing.assert_allclose(histories[0][columns], histories[1][columns], rtol=1e-5)


def test_vanishing_gradients_keep_everything_finite(ids):
    weights = np.where(np.arange(len(ids[1])) % 2, 1.5, 1e-30)
    classifier = fit(ids, weights, adversarial=0.3)
    assert np.isfinite(classifier.predict_proba(ids[0])).all()
    assert np.isfinite(classifier.history_["train_loss"]).all()
