"""The options of the classifier that regularise, one by one and together."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from skreviews import LSTMClassifier
from skreviews.neural_network import LSTMModule, _build, _data, _net

OPTIONS = {
    "word_dropout": 0.2,
    "weight_dropout": 0.3,
    "label_smoothing": 0.1,
    "ema_decay": 0.9,
    "adversarial": 0.1,
}
SMALL = {"embedding_dim": 8, "hidden_size": 8, "max_epochs": 2, "precision": "fp32"}
NO_DROPOUT = {"dropout": 0.0, "embedding_dropout": 0.0}


def _make(**params):
    """Return a small classifier without regularisation, but for these parameters."""
    return LSTMClassifier(**SMALL | dict.fromkeys(OPTIONS, 0.0) | params)


class Spy(Callback):
    """Keep what a function of the net and the batch returns at each step."""

    def __init__(self, look):
        self.look = look

    def on_train_begin(self, net, **kwargs):
        self.seen_ = []

    def on_grad_computed(self, net, batch, **kwargs):
        self.seen_.append(self.look(net, batch))


def _seen(classifier):
    return dict(classifier.net_.callbacks_)["Spy"].seen_


def _vectors_in(module):
    """Return a list to which the input of the first layer is added in each pass."""
    seen = []
    module.layers[0].register_forward_pre_hook(
        lambda _, args: seen.append(args[0].detach())
    )
    return seen


# ---- What holds for all of them


@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_changes_the_training(ids, name):
    X, y = ids
    plain = _make(random_state=0).fit(X, y)
    other = _make(random_state=0, **{name: OPTIONS[name]}).fit(X, y)
    assert not np.allclose(plain.predict_proba(X), other.predict_proba(X), atol=1e-4)


def test_options_switched_off_change_nothing(ids):
    X, y = ids
    plain = _make(random_state=0).fit(X, y)
    off = _make(random_state=0, **dict.fromkeys(OPTIONS, 0.0))
    assert np.array_equal(plain.predict_proba(X), off.fit(X, y).predict_proba(X))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_two_fits_with_all_options_are_bit_equal(ids, cell):
    X, y = ids
    params = SMALL | OPTIONS | {"cell": cell, "random_state": 0, "segment_len": 4}
    one, two = (LSTMClassifier(**params).fit(X, y).predict_proba(X) for _ in range(2))
    assert np.isfinite(one).all()
    assert np.array_equal(one, two)


def test_no_option_touches_a_prediction(ids):
    X, y = ids
    classifier = _make(**OPTIONS, random_state=0).fit(X, y)
    module = LSTMModule(**classifier.net_.get_params_for("module"))
    module.load_state_dict(classifier.net_.module_.state_dict())
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(np.asarray(X))).softmax(1)
    np.testing.assert_allclose(classifier.predict_proba(X), expected, atol=1e-6)


def test_a_model_with_all_options_goes_on_after_pickling_as_before(ids):
    X, y = ids
    classifier = _make(**OPTIONS, random_state=0).fit(X, y)
    opened = pickle.loads(pickle.dumps(classifier))
    assert np.array_equal(opened.predict_proba(X), classifier.predict_proba(X))
    before = classifier.predict_proba(X)
    for model in (classifier, opened):
        model.partial_fit(X, y)
    assert np.array_equal(opened.predict_proba(X), classifier.predict_proba(X))
    assert not np.array_equal(opened.predict_proba(X), before)


def test_all_options_go_with_sparse_gradients(ids, monkeypatch):
    monkeypatch.setattr(_build, "_BIG_VOCABULARY", 10)
    spy = Spy(lambda net, batch: net.module_.embedding.weight.grad.is_sparse)
    classifier = _make(**OPTIONS, callbacks=[spy]).fit(*ids)
    assert set(_seen(classifier)) == {True}


# ---- Word dropout


def test_words_become_unknown_in_training_only():
    module = LSTMModule(2000, 3, embedding_dim=4, hidden_size=4, word_dropout=0.25)
    module.embedding_dropout.p = 0
    X = torch.arange(2, 1802).reshape(60, 30)
    X[:, 20:] = 0
    vectors = _vectors_in(module)
    module(X)
    module.eval()(X)
    trained, predicted = (v.transpose(0, 1) for v in vectors)
    is_unknown = (trained == module.embedding.weight[1]).all(2)
    assert 0.2 < is_unknown[:, :20].float().mean() < 0.3
    assert torch.equal(trained[~is_unknown], module.embedding(X)[~is_unknown])
    assert not trained[:, 20:].any()
    assert torch.equal(predicted, module.embedding(X))


def test_a_review_never_loses_all_of_its_words():
    module = LSTMModule(50, 3, word_dropout=0.9)
    module.embedding_dropout.p = 0
    vectors = _vectors_in(module)
    X = torch.tensor([[7, 0], [7, 1], [7, 7]]).repeat(300, 1)
    module(X)
    has_word = (vectors[0].transpose(0, 1) == module.embedding.weight[7]).all(2).any(1)
    assert has_word.all()
    module(torch.tensor([[1, 0], [0, 0]]))  # nothing to lose


# ---- Weight dropout


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_weights_that_are_not_dropped_receive_the_gradients(cell):
    torch.manual_seed(0)
    module = LSTMModule(50, 3, num_layers=2, cell=cell, weight_dropout=0.4)
    X = torch.randint(1, 50, (16, 9))
    masks = []
    for _ in range(2):
        module.zero_grad()
        module(X).pow(2).sum().backward()
        for layer in module.layers:
            for direction in (layer.ahead, layer.back):
                has_none = direction.weight_hh_l0.grad == 0
                assert 0.37 < has_none.float().mean() < 0.43
                assert direction.weight_ih_l0.grad.all()
                masks.append(has_none)
    assert len({mask.numpy().tobytes() for mask in masks}) == 8
    plain = LSTMModule(50, 3, num_layers=2, cell=cell)
    assert module.state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_layer_with_dropped_weights_is_one_with_zeros_there(cell, monkeypatch):
    torch.manual_seed(0)
    module = LSTMModule(
        50, 3, cell=cell, dropout=0, embedding_dropout=0, weight_dropout=0.4
    ).double()
    X = torch.randint(1, 50, (6, 9))
    drawn = []
    dropout = nn.functional.dropout

    def spied(weight, *args, **kwargs):
        drawn.append(dropout(weight, *args, **kwargs))
        return drawn[-1]

    with monkeypatch.context() as patch:
        patch.setattr(nn.functional, "dropout", spied)
        module.dropout = module.embedding_dropout = nn.Identity()
        found = module(X)
    reference = deepcopy(module).eval()
    with torch.no_grad():
        layer = reference.layers[0]
        layer.ahead.weight_hh_l0.copy_(drawn[0])
        layer.back.weight_hh_l0.copy_(drawn[1])
        torch.testing.assert_close(found, reference(X))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_every_recurrent_weight_learns(ids, cell):
    X, y = ids
    params = SMALL | {"cell": cell, "max_epochs": 5, "random_state": 0}
    start = LSTMClassifier(**params | {"lr": 1e-12}).fit(X, y)
    classifier = LSTMClassifier(**params, weight_dropout=0.5).fit(X, y)
    for name, weight in classifier.net_.module_.named_parameters():
        if "weight_hh" in name:
            before = start.net_.module_.get_parameter(name)
            assert ((weight - before).abs() > 1e-6).all()


# ---- Label smoothing


def test_the_loss_is_that_of_smoothed_labels(ids):
    X, y = ids
    classifier = _make(**NO_DROPOUT, label_smoothing=0.2, ngram_range=None)
    classifier.set_params(max_epochs=1, lr=1e-12).fit(X, y)
    logs = np.log(classifier.predict_proba(X).astype(np.float64))
    targets = 0.8 * np.eye(5)[y - 1] + 0.2 / 5
    losses = -(targets * logs).sum(1)
    # The history weighs batches by their rows.
    found = classifier.history_["train_loss"].iloc[0]
    np.testing.assert_allclose(found, losses.mean(), rtol=1e-5)


def test_smoothed_labels_make_a_less_certain_model(ids):
    X, y = ids
    params = SMALL | {"max_epochs": 20, "lr": 0.02, "random_state": 0}
    params["ngram_range"] = None  # which learns without
    sure, smoothed = (
        LSTMClassifier(**params, label_smoothing=share).fit(X, y).predict_proba(X)
        for share in (0.0, 0.3)
    )
    assert smoothed.max(1).mean() < sure.max(1).mean() - 0.1


# ---- Average of the weights


class Steps(Callback):
    """Keep the weights after each step, and those at the end of each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.raw_ = [_flatten(net.module_)]
        self.ends_ = []
        self.validated_ = []

    def on_batch_end(self, net, training, **kwargs):
        (self.raw_ if training else self.validated_).append(_flatten(net.module_))

    def on_epoch_end(self, net, **kwargs):
        self.ends_.append(_flatten(net.module_))


def _flatten(module):
    return torch.cat([w.detach().flatten() for w in module.parameters()]).double()


def _average(raw, decay):
    """Yield the average after each step, by the recursion of its definition."""
    average = raw[0]
    for t, weights in enumerate(raw[1:], start=1):
        share = min(decay, (1 + t) / (10 + t))
        average = share * average + (1 - share) * weights
        yield average


@pytest.mark.parametrize("big_vocabulary", [10, 50_000])
@pytest.mark.parametrize("validation_fraction", [0.2, None])
def test_the_average_is_what_is_validated_and_kept(
    ids, monkeypatch, validation_fraction, big_vocabulary
):
    monkeypatch.setattr(_build, "_BIG_VOCABULARY", big_vocabulary)
    params = SMALL | {"max_epochs": 3, "validation_fraction": validation_fraction}
    classifier = LSTMClassifier(
        **params, lr=0.02, ema_decay=0.7, callbacks=[Steps()], random_state=0
    ).fit(*ids)
    steps = dict(classifier.net_.callbacks_)["Steps"]
    expected = list(_average(steps.raw_, 0.7))
    n_batches = len(expected) // 3
    for epoch, end in enumerate(steps.ends_, start=1):
        average = expected[epoch * n_batches - 1]
        torch.testing.assert_close(end, average, rtol=0, atol=1e-6)
    for validated in steps.validated_:
        assert any(torch.equal(validated, end) for end in steps.ends_)
    assert bool(steps.validated_) == (validation_fraction is not None)
    assert torch.equal(_flatten(classifier.net_.module_), steps.ends_[-1])
    assert not torch.allclose(steps.raw_[-1], steps.ends_[-1], atol=1e-4)


def test_the_optimizer_does_not_see_the_average(ids):
    raw = []
    for decay in (0.0, 0.9):
        classifier = _make(ema_decay=decay, callbacks=[Steps()], random_state=0).fit(
            *ids
        )
        raw.append(dict(classifier.net_.callbacks_)["Steps"].raw_)
    for plain, averaged in zip(*raw, strict=True):
        assert torch.equal(plain, averaged)


def test_early_stopping_keeps_the_average_of_the_best_epoch(ids):
    classifier = LSTMClassifier(
        hidden_size=16,
        lr=0.05,
        max_epochs=30,
        ema_decay=0.8,
        early_stopping=True,
        n_iter_no_change=2,
        random_state=0,
        callbacks=[Steps()],
    ).fit(*ids)
    best = classifier.history_["valid_accuracy"].idxmax()
    assert best < len(classifier.history_) - 1
    ends = dict(classifier.net_.callbacks_)["Steps"].ends_
    assert torch.equal(_flatten(classifier.net_.module_), ends[best])


def test_each_call_averages_its_own_steps(ids):
    classifier = _make(
        ema_decay=0.9, callbacks=[Steps()], warm_start=True, random_state=0
    ).fit(*ids)
    for train in (classifier.fit, classifier.partial_fit):
        before = _flatten(classifier.net_.module_)
        train(*ids)
        raw = dict(classifier.net_.callbacks_)["Steps"].raw_
        assert torch.equal(raw[0], before)
        *_, expected = _average(raw, 0.9)
        found = _flatten(classifier.net_.module_)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_a_model_is_no_larger_for_its_average(ids):
    plain = _make(random_state=0).fit(*ids)
    averaged = _make(random_state=0, ema_decay=0.9).fit(*ids)
    assert abs(len(pickle.dumps(averaged)) - len(pickle.dumps(plain))) < 100


# ---- Adversarial training


def _reference_gradients(module, ids, y, weights, epsilon):
    """Return the gradients of both losses in float64, review by review."""
    module = deepcopy(module).double()
    losses = nn.functional.cross_entropy(module(ids), y, reduction="none")
    loss = (losses * weights).sum() / len(y)
    for row, label, weight in zip(ids, y, weights, strict=True):
        row = row[row != 0][None]
        still = torch.zeros(1, row.shape[1], 8, dtype=torch.float64, requires_grad=True)
        own_loss = nn.functional.cross_entropy(module.deep(row, still), label[None])
        (slope,) = torch.autograd.grad(weight * own_loss, still)
        size = epsilon * module.embedding(row).detach().norm()
        moved = module.deep(row, size * slope / slope.norm())
        moved_loss = nn.functional.cross_entropy(moved, label[None])
        loss = loss + weight * moved_loss / len(y)
    return torch.autograd.grad(loss, list(module.parameters()))


@pytest.mark.parametrize("segment_len", [None, 3])
@pytest.mark.parametrize("n_places", [2**15, 100])
def test_adversarial_gradients_are_those_of_both_losses(
    ids, monkeypatch, n_places, segment_len
):
    monkeypatch.setattr(_net, "_MAX_GRADIENT_NORM", 1e9)
    monkeypatch.setitem(_data._TRAINING_PLACES, "cpu", n_places)

    def look(net, batch):
        module = net.module_
        inputs, y = batch
        expected = _reference_gradients(
            module, inputs["ids"], y, inputs["sample_weight"].double(), 0.3
        )
        return [weight.grad.double() for weight in module.parameters()], expected

    X, y = ids
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    classifier = LSTMClassifier(
        **SMALL | NO_DROPOUT | {"max_epochs": 1, "word_dropout": 0.0},
        ngram_range=None,
        adversarial=0.3,
        segment_len=segment_len,
        callbacks=[Spy(look)],
        random_state=0,
    ).fit(X[:80], y[:80], sample_weight=weights[:80])
    for found, expected in _seen(classifier):
        torch.testing.assert_close(found, list(expected), rtol=1e-3, atol=1e-6)


def _passes(classifier, ids, monkeypatch):
    """Fit, and return the first layer's input in each pass of the training."""
    passes = []
    reset = LSTMModule.reset_parameters

    def spied(self):
        reset(self)
        passes.append(_vectors_in(self))

    monkeypatch.setattr(LSTMModule, "reset_parameters", spied)
    classifier.set_params(max_epochs=1).fit(*ids)
    return passes[-1]


def test_a_review_is_moved_by_a_share_of_its_norm(ids, monkeypatch):
    classifier = _make(**NO_DROPOUT, adversarial=0.3, random_state=0)
    passes = _passes(classifier, ids, monkeypatch)
    for still, moved in zip(passes[::2], passes[1::2], strict=True):
        norms = still.norm(dim=(0, 2))
        torch.testing.assert_close((moved - still).norm(dim=(0, 2)), 0.3 * norms)
        is_padding = ~still.any(2)
        assert not moved[is_padding].any()


def test_both_passes_drop_the_same(ids, monkeypatch):
    classifier = _make(embedding_dropout=0.5, word_dropout=0.3, adversarial=0.3)
    passes = _passes(classifier, ids, monkeypatch)
    for still, moved in zip(passes[::2], passes[1::2], strict=True):
        assert torch.equal((still == 0).all(0), (moved == 0).all(0))
        assert (moved - still).norm() <= 0.3 * 2 * still.norm()


def test_the_training_loss_is_that_of_the_reviews_as_they_are(ids):
    params = SMALL | {"max_epochs": 1, "lr": 1e-12, "random_state": 0}
    params |= {"validation_fraction": 0.1}
    plain = LSTMClassifier(**params).fit(*ids)
    moved = LSTMClassifier(**params, adversarial=0.5).fit(*ids)
    columns = ["train_loss", "train_accuracy", "valid_loss"]
    np.testing.assert_allclose(
        moved.history_[columns], plain.history_[columns], rtol=1e-5
    )


def test_reviews_without_a_slope_are_not_moved_out_of_this_world(ids):
    X, y = ids
    weights = np.where(np.arange(len(y)) % 2, 1.5, 1e-30)
    classifier = _make(adversarial=0.3).fit(X, y, weights)
    assert np.isfinite(classifier.predict_proba(X)).all()
    assert np.isfinite(classifier.history_["train_loss"]).all()


def test_net_params_do_not_set_what_has_a_parameter(ids):
    with pytest.raises(ValueError, match="net_params sets 'adversarial'"):
        LSTMClassifier(net_params={"adversarial": 0.1}).fit(*ids)


@pytest.mark.parametrize("name", OPTIONS)
def test_values_out_of_range_are_refused(ids, name):
    with pytest.raises(ValueError, match=f"'{name}' parameter of LSTMClassifier"):
        LSTMClassifier(**{name: -0.1}).fit(*ids)
