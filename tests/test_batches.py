"""Batches of rows of similar length."""

import numpy as np
import pytest
import torch

from skreviews import LSTMClassifier
from skreviews.neural_network import LSTMModule, _batches
from skreviews.neural_network._batches import (
    BucketedBatches,
    SortedBatches,
    TokenDataset,
    split_batch,
)
from skreviews.preprocessing._token_rows import TokenRows

TINY = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "max_epochs": 1,
    "device": "cpu",
    "random_state": 0,
}


@pytest.fixture(scope="module")
def padded():
    """Rows of 1 to 60 tokens; the first token of each row is its number + 2."""
    random_state = np.random.default_rng(0)
    X = random_state.integers(2, 50, (1000, 60))
    X[:, 0] = np.arange(1000) + 2
    X[np.arange(60) >= random_state.integers(1, 61, (1000, 1))] = 0
    return X


@pytest.fixture
def dataset(padded):
    weights = np.linspace(0.5, 2, len(padded)).astype(np.float32)
    rows = TokenRows.from_padded(padded, 2000)
    return TokenDataset(rows, np.arange(len(padded)), weights).to("cpu")


@pytest.mark.parametrize("make", [BucketedBatches, SortedBatches])
def test_batches_hold_each_row_once_with_its_label_and_weight(padded, dataset, make):
    labels = []
    for inputs, y in make(dataset, 32):
        expected = padded[y.numpy()]
        width = inputs["ids"].shape[1]
        real = min(width, expected.shape[1])
        assert np.array_equal(inputs["ids"][:, :real], expected[:, :real])
        assert not inputs["ids"][:, real:].any() and not expected[:, real:].any()
        assert torch.equal(
            inputs["sample_weight"], torch.tensor(dataset.sample_weight[y])
        )
        labels.append(y)
    assert sorted(torch.cat(labels).tolist()) == list(range(len(padded)))


def test_training_batches_have_the_same_size_and_a_new_order_each_epoch(dataset):
    batches = BucketedBatches(dataset, 32)
    first, second = ([y for _, y in batches] for _ in range(2))
    sizes = sorted(len(y) for y in first)
    assert len(sizes) == len(batches) == 32 and sizes[1:] == [32] * 31
    assert not torch.equal(torch.cat(first), torch.cat(second))
    torch.manual_seed(0)
    again = [y for _, y in batches]
    torch.manual_seed(0)
    for y, (_, other) in zip(again, batches, strict=True):
        assert torch.equal(y, other)


def test_little_of_the_training_batches_is_padding(dataset):
    real = positions = 0
    for inputs, _ in BucketedBatches(dataset, 32):
        real += (inputs["ids"] != 0).sum().item()
        positions += inputs["ids"].numel()
    assert 1 - real / positions < 0.12  # 0.5 in random batches


def test_prediction_batches_fit_into_the_memory_budget(dataset, monkeypatch):
    monkeypatch.setitem(_batches._PREDICTION_POSITIONS, "cpu", 256)
    shapes = [inputs["ids"].shape for inputs, _ in SortedBatches(dataset)]
    assert len(shapes) > 100
    assert all(n_rows * length <= 256 or n_rows == 1 for n_rows, length in shapes)


def test_a_batch_that_fits_is_not_split(dataset):
    batch = next(iter(BucketedBatches(dataset, 32)))
    (part,) = split_batch(*batch)
    assert torch.equal(part[0]["ids"], batch[0]["ids"])
    assert torch.equal(part[1], batch[1])


def test_training_in_parts_gives_the_same_model(ids, monkeypatch):
    net_params = {"adversarial": 0.0, "module__embedding_dropout": 0.0}
    params = TINY | {
        "dropout": 0.0,
        "precision": "fp32",
        "net_params": net_params | {"module__word_dropout": 0.0},
    }
    whole = LSTMClassifier(**params).fit(*ids)
    monkeypatch.setitem(_batches._TRAINING_POSITIONS, "cpu", 100)
    shapes = []
    forward = LSTMModule.forward

    def spied(self, ids):
        shapes.append(ids.shape)
        return forward(self, ids)

    monkeypatch.setattr(LSTMModule, "forward", spied)
    parts = LSTMClassifier(**params).fit(*ids)
    assert len(shapes) > len(ids[1]) / 10
    assert all(n_rows * length <= 100 or n_rows == 1 for n_rows, length in shapes)
    np.testing.assert_allclose(
        parts.predict_proba(ids[0]), whole.predict_proba(ids[0]), rtol=0, atol=1e-4
    )


def test_history_contains_the_share_of_padding(ids):
    X, y = ids
    history = LSTMClassifier(**TINY).fit(X, y).history_
    assert history["padding_share"].between(0, 0.5).all()
    full = np.random.default_rng(0).integers(2, 50, (len(y), 8))
    history = LSTMClassifier(**TINY).fit(full, y).history_
    assert (history["padding_share"] == 0).all()
