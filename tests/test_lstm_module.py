"""LSTMModule."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from skreviews.neural_network import LSTMModule

POOLINGS = ["last", "mean", "max", "mean_max", "attention"]


def make_module(**params):
    """Return a small module for 50 tokens and 3 classes, with fixed weights."""
    torch.manual_seed(0)
    sizes = {"embedding_dim": 5, "hidden_size": 4}
    return LSTMModule(50, 3, **sizes | params)


def pack_states(module, ids, cell):
    """Return the states, lengths and last states of torch's network of packed rows."""
    n_layers, bidirectional = len(module.layers), module.layers[0].back is not None
    first = module.layers[0].ahead
    reference = {"lstm": nn.LSTM, "gru": nn.GRU}[cell](
        first.input_size,
        first.hidden_size,
        n_layers,
        bidirectional=bidirectional,
        batch_first=True,
    )
    weights = {}
    for i, layer in enumerate(module.layers):
        for name, weight in layer.ahead.named_parameters():
            weights[name.replace("_l0", f"_l{i}")] = weight.data
        for name, weight in layer.back.named_parameters() if bidirectional else ():
            weights[name.replace("_l0", f"_l{i}_reverse")] = weight.data
    reference.load_state_dict(weights)
    lengths = (ids != 0).sum(1)
    packed = pack_padded_sequence(
        module.embedding(ids), lengths, batch_first=True, enforce_sorted=False
    )
    states, hidden = reference(packed)
    states, _ = pad_packed_sequence(states, batch_first=True)
    hidden = hidden[0] if cell == "lstm" else hidden
    last = torch.cat(list(hidden[-2:]), 1) if bidirectional else hidden[-1]
    return states.double(), lengths, last.double()


def pool(pooling, module, states, lengths, last):
    """Return the pooled states by definition, row by row, in float64."""
    if pooling == "last":
        return last
    pooled = []
    for row, length in zip(states, lengths.tolist(), strict=True):
        row = row[:length]
        if pooling == "attention":
            weight, bias = module.attention.weight.double(), module.attention.bias
            scores = torch.tanh(row) @ weight.T + bias.double()
            pooled.append((scores.exp() / scores.exp().sum() * row).sum(0))
        else:
            parts = {"mean": [row.mean(0)], "max": [row.max(0).values]}
            parts["mean_max"] = parts["mean"] + parts["max"]
            pooled.append(torch.cat(parts[pooling]))
    return torch.stack(pooled)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_logits_equal_those_of_packed_rows(
    rows, pooling, cell, num_layers, bidirectional
):
    module = make_module(
        num_layers=num_layers, bidirectional=bidirectional, cell=cell, pooling=pooling
    ).eval()
    head = module.head
    with torch.no_grad():
        pooled = pool(pooling, module, *pack_states(module, rows, cell))
        expected = pooled @ head.weight.double().T + head.bias.double()
        for ids in (rows, rows.int(), rows.t().contiguous().t()):
            torch.testing.assert_close(
                module(ids).double(), expected, rtol=1e-5, atol=1e-6
            )


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_logits_of_a_row_depend_on_its_tokens_alone(rows, pooling, cell):
    module = make_module(num_layers=2, cell=cell, pooling=pooling).eval()
    with torch.no_grad():
        together = module(rows)
        padded = module(nn.functional.pad(rows, (0, 30)))
        torch.testing.assert_close(padded, together, rtol=0, atol=1e-5)
        for row, expected in zip(rows, together, strict=True):
            alone = module(row[row != 0][None])
            torch.testing.assert_close(alone[0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_all_weights_but_the_padding_vector_have_gradients(rows, pooling):
    module = make_module(num_layers=2, pooling=pooling)
    module(rows).sum().backward()
    for name, weight in module.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, name
    assert module.embedding.weight.grad[0].abs().sum() == 0


def test_gradients_of_a_batch_are_the_sums_over_its_rows(rows):
    module = make_module(num_layers=2, pooling="mean").eval()
    weights = list(module.parameters())
    gradients = torch.autograd.grad(module(rows).pow(2).sum(), weights)
    alone = [module(row[row != 0][None]).pow(2).sum() for row in rows]
    expected = torch.autograd.grad(sum(alone), weights)
    for gradient, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-5)


def test_first_and_second_derivatives(rows):
    rows = rows[[1, 2, 4], :4]
    module = make_module(embedding_dim=3, hidden_size=2, cell="gru").double().eval()
    vectors = module.embedding(rows).detach().requires_grad_()
    module.embedding.forward = lambda ids: vectors.transpose(0, 1)
    assert torch.autograd.gradcheck(lambda _: module(rows), vectors)
    assert torch.autograd.gradgradcheck(lambda _: module(rows), vectors)


def test_a_row_of_padding_counts_as_one_token():
    module = make_module().eval()
    with torch.no_grad():
        found = module(torch.tensor([[0, 0, 0], [7, 0, 0]]))
        alone = module(torch.tensor([[0]]))
    assert found.isfinite().all()
    torch.testing.assert_close(found[:1], alone)


def test_a_perturbation_is_added_to_the_word_vectors(rows):
    module = make_module().eval()
    shift = torch.randn(5)
    with torch.no_grad():
        found = module(rows, shift.expand(*rows.shape, 5))
        module.embedding.weight[1:] += shift
        torch.testing.assert_close(found, module(rows))


def capture_vectors(module):
    """Return a list that collects the inputs of the first layer, (batch, length, .)."""
    seen = []
    module.layers[0].register_forward_pre_hook(
        lambda _, args: seen.append(args[0].detach().transpose(0, 1))
    )
    return seen


def test_embedding_dropout_drops_a_dimension_for_all_tokens_of_a_row():
    module = make_module(embedding_dim=100, embedding_dropout=0.5)
    seen = capture_vectors(module)
    ids = torch.arange(2, 50).reshape(4, 12)
    module(ids)
    dropped = seen[0] == 0  # (batch, length, embedding_dim)
    assert (dropped == dropped[:, :1]).all()
    assert 0.3 < dropped.float().mean() < 0.7
    torch.testing.assert_close(
        seen[0][~dropped], 2 * module.embedding(ids)[~dropped].detach()
    )


def test_word_dropout_replaces_words_by_the_unknown_token_in_training_only():
    module = LSTMModule(
        2000, 3, embedding_dim=4, hidden_size=4, word_dropout=0.25, embedding_dropout=0
    )
    ids = torch.arange(2, 1802).reshape(60, 30)
    ids[:, 20:] = 0
    seen = capture_vectors(module)
    module(ids)
    module.eval()(ids)
    trained, predicted = seen
    vectors = module.embedding(ids).detach()
    is_unknown = (trained == module.embedding.weight[1]).all(2)
    assert 0.2 < is_unknown[:, :20].float().mean() < 0.3
    assert torch.equal(trained[~is_unknown], vectors[~is_unknown])
    assert not trained[:, 20:].any()
    assert torch.equal(predicted, vectors)


def test_word_dropout_keeps_at_least_one_word_of_each_row():
    module = make_module(word_dropout=0.9, embedding_dropout=0)
    seen = capture_vectors(module)
    module(torch.tensor([[7, 0], [7, 1], [7, 7]]).repeat(300, 1))
    has_word = (seen[0] == module.embedding.weight[7]).all(2).any(1)
    assert has_word.all()
    module(torch.tensor([[1, 0], [0, 0]]))  # rows without words
