"""LSTMModule: architectures, pooling, gradients and dropout."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from skreviews.neural_network import LSTMModule

POOLINGS = ["last", "mean", "max", "mean_max", "attention"]


def _first_inputs(module):
    """Return a list that collects the inputs of the first layer."""
    inputs = []
    module.layers[0].register_forward_pre_hook(
        lambda _, args: inputs.append(args[0].detach().transpose(0, 1))
    )
    return inputs  # each (batch, length, embedding_dim)


def _packed_states(module, ids, cell, num_layers, bidirectional):
    """Return states, lengths and last states of torch's stacked LSTM on packed rows."""
    first = module.layers[0].ahead
    reference = {"lstm": nn.LSTM, "gru": nn.GRU}[cell](
        first.input_size,
        first.hidden_size,
        num_layers,
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
    return states.double(), lengths.double()[:, None], last.double()


def _pooled(pooling, module, states, lengths, last):
    """Pool the states of each row by the definition, in float64."""
    if pooling == "last":
        return last
    pooled = []
    for row, length in zip(states, lengths.long().flatten().tolist(), strict=True):
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
def test_module_equals_torch_on_packed_sequences(
    rows, pooling, cell, num_layers, bidirectional
):
    torch.manual_seed(0)
    module = LSTMModule(
        50,
        3,
        embedding_dim=5,
        hidden_size=4,
        num_layers=num_layers,
        bidirectional=bidirectional,
        cell=cell,
        pooling=pooling,
    ).eval()
    with torch.no_grad():
        packed = _packed_states(module, rows, cell, num_layers, bidirectional)
        pooled = _pooled(pooling, module, *packed)
        head = module.head
        expected = pooled @ head.weight.double().T + head.bias.double()
        torch.testing.assert_close(
            module(rows).double(), expected, rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_output_of_a_row_depends_on_its_tokens_only(rows, pooling, cell):
    torch.manual_seed(0)
    module = LSTMModule(50, 3, num_layers=2, cell=cell, pooling=pooling).eval()
    with torch.no_grad():
        together = module(rows)
        padded = module(torch.nn.functional.pad(rows, (0, 30)))
        torch.testing.assert_close(padded, together, rtol=0, atol=1e-5)
        for row, expected in zip(rows, together, strict=True):
            alone = module(row[row != 0][None])
            torch.testing.assert_close(alone[0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_all_weights_but_the_padding_vector_have_gradients(rows, pooling):
    module = LSTMModule(50, 3, num_layers=2, pooling=pooling)
    module(rows).sum().backward()
    for name, weight in module.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, name
    assert module.embedding.weight.grad[0].abs().sum() == 0


def test_gradients_of_padded_rows_equal_those_of_single_rows(rows):
    torch.manual_seed(0)
    module = LSTMModule(50, 3, num_layers=2, pooling="mean").eval()
    weights = list(module.parameters())
    gradients = torch.autograd.grad(module(rows).pow(2).sum(), weights)
    alone = [module(row[row != 0][None]).pow(2).sum() for row in rows]
    expected = torch.autograd.grad(sum(alone), weights)
    for gradient, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-5)


def test_second_derivatives_are_correct(rows):
    rows = rows[:3, :5]
    module = LSTMModule(50, 3, embedding_dim=3, hidden_size=2, cell="gru").double()
    module.eval()
    vectors = module.embedding(rows).detach().requires_grad_()
    module.embedding.forward = lambda ids: vectors.transpose(0, 1)
    assert torch.autograd.gradcheck(lambda _: module(rows), vectors)
    assert torch.autograd.gradgradcheck(lambda _: module(rows), vectors)


def test_rows_may_be_a_view_with_any_strides(rows):
    module = LSTMModule(50, 3).eval()
    with torch.no_grad():
        found = module(rows.t().contiguous().t()[:, :8])
        torch.testing.assert_close(found, module(rows[:, :8].contiguous()))


def test_int32_ids_equal_int64_ids(rows):
    module = LSTMModule(50, 3).eval()
    with torch.no_grad():
        torch.testing.assert_close(module(rows.int()), module(rows))


@pytest.mark.parametrize("num_layers", [1, 2])
def test_perturbation_is_added_to_the_word_vectors(rows, num_layers):
    module = LSTMModule(50, 3, num_layers=num_layers).eval()
    perturbation = torch.randn(*rows.shape, 100)
    inputs = _first_inputs(module)
    with torch.no_grad():
        module(rows, perturbation)
    expected = module.embedding(rows) + perturbation
    torch.testing.assert_close(inputs[0], expected.detach())


def test_embedding_dropout_drops_a_dimension_for_all_tokens_of_a_row():
    module = LSTMModule(50, 3, embedding_dropout=0.5)
    inputs = _first_inputs(module)
    module(torch.arange(2, 50).reshape(4, 12))
    dropped = inputs[0] == 0  # (4, 12, embedding_dim)
    assert (dropped == dropped[:, :1]).all()
    assert 0.3 < dropped.float().mean() < 0.7
    assert len(dropped[:, 0].unique(dim=0)) == 4
    module.eval()(torch.arange(2, 50).reshape(4, 12))
    assert not (inputs[1] == 0).any()


def test_word_dropout_replaces_words_in_training_only():
    module = LSTMModule(2000, 3, embedding_dim=4, hidden_size=4, word_dropout=0.25)
    module.embedding_dropout = nn.Dropout(0)
    ids = torch.arange(2, 1802).reshape(60, 30)
    ids[:, 20:] = 0
    inputs = _first_inputs(module)
    module(ids)
    module.eval()(ids)
    trained, predicted = inputs
    is_unknown = (trained == module.embedding.weight[1]).all(2)
    assert 0.2 < is_unknown[:, :20].float().mean() < 0.3
    assert torch.equal(trained[~is_unknown], module.embedding(ids)[~is_unknown])
    assert not trained[:, 20:].any()
    assert torch.equal(predicted, module.embedding(ids))


def test_word_dropout_keeps_a_word_of_each_row():
    module = LSTMModule(50, 3, word_dropout=0.9)
    module.embedding_dropout = nn.Dropout(0)
    inputs = _first_inputs(module)
    module(torch.tensor([[7, 0], [7, 1], [7, 7]]).repeat(300, 1))
    has_word = (inputs[0] == module.embedding.weight[7]).all(2).any(1)
    assert has_word.all()
    module(torch.tensor([[1, 0], [0, 0]]))  # rows without a word


def test_dropout_layers_draw_anew_in_each_pass(rows):
    module = LSTMModule(50, 3, num_layers=2)
    assert not torch.equal(module(rows), module(rows))
    module.eval()
    assert torch.equal(module(rows), module(rows))
