"""LazyAdam, and the clipping of gradients."""

import numpy as np
import pytest
import torch
from torch import nn

from skreviews import LSTMClassifier
from skreviews.neural_network import _optimizer, _recipe
from skreviews.neural_network._optimizer import LazyAdam

SMALL = {"embedding_dim": 8, "hidden_size": 8, "max_epochs": 1, "device": "cpu"}


@pytest.fixture(params=[False, True], ids=["dense", "sparse"])
def is_sparse(request, monkeypatch):
    """Whether the vocabulary counts as large, so that gradients are sparse."""
    if request.param:
        monkeypatch.setattr(_recipe, "_LARGE_VOCABULARY", 10)
    return request.param


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_lazy_adam_equals_adam_where_all_rows_have_gradients(weight_decay):
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


def test_lazy_adam_equals_sparse_adam_elsewhere():
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


def test_the_closure_of_lazy_adam_returns_the_loss():
    weight = nn.Parameter(torch.ones(2))
    optimizer = LazyAdam([weight])

    def closure():
        optimizer.zero_grad()
        loss = weight.pow(2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) == 2
    assert optimizer.step(closure) < 2


def test_large_vocabularies_have_sparse_gradients(ids, spy_on_steps, is_sparse):
    spy, seen = spy_on_steps(lambda net, _: net.module_.embedding.weight.grad.is_sparse)
    classifier = LSTMClassifier(**SMALL, callbacks=[spy]).fit(*ids)
    classifier.predict(ids[0])
    classifier.partial_fit(*ids)
    assert set(seen) == {is_sparse}
    assert classifier.recipe_.sparse == is_sparse


@pytest.mark.parametrize("is_sparse", [True], indirect=True)
@pytest.mark.parametrize(
    ("net_params", "expected"),
    [
        ({"optimizer__weight_decay": 0.1, "optimizer__eps": 1e-6}, True),
        ({"optimizer__amsgrad": True}, False),
        ({"optimizer": torch.optim.SGD}, False),
        ({"optimizer": torch.optim.LBFGS, "optimizer__max_iter": 1}, False),
    ],
    ids=str,
)
def test_optimizers_without_lazy_updates_get_dense_gradients(
    ids, spy_on_steps, is_sparse, net_params, expected
):
    spy, seen = spy_on_steps(lambda net, _: net.module_.embedding.weight.grad.is_sparse)
    params = SMALL | {"net_params": net_params, "callbacks": [spy]}
    classifier = LSTMClassifier(**params).fit(*ids)
    classifier.partial_fit(*ids)
    assert set(seen) == {expected} == {classifier.recipe_.sparse}


def test_gradients_are_clipped_dense_and_sparse_ones_together(
    ids, monkeypatch, spy_on_steps, is_sparse
):
    def norm(net, batch):
        gradients = [p.grad for p in net.module_.parameters()]
        values = [g.coalesce().values() if g.is_sparse else g for g in gradients]
        return torch.cat([value.flatten() for value in values]).norm().item()

    monkeypatch.setattr(_optimizer, "_MAX_GRADIENT_NORM", 1e-3)
    spy, seen = spy_on_steps(norm)
    LSTMClassifier(**SMALL, callbacks=[spy]).fit(*ids)
    np.testing.assert_allclose(seen, 1e-3, rtol=1e-2)


def test_small_gradients_are_not_scaled():
    weight = nn.Linear(2, 1)
    weight(torch.full((1, 2), 0.1)).sum().backward()
    weight.bias.grad.zero_()
    _optimizer.clip_gradients(weight)
    torch.testing.assert_close(weight.weight.grad, torch.full((1, 2), 0.1))
