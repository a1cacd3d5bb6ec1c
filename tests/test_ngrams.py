"""The wide branch: a linear classifier of words and n-grams beside the LSTM."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from skorch.callbacks import Callback
from threadpoolctl import threadpool_info, threadpool_limits

from skreviews import LSTMClassifier
from skreviews.neural_network import LSTMModule, _build, _net
from skreviews.neural_network._ngrams import NgramClassifier
from skreviews.neural_network._recipe import choose_ngram_weight

SMALL = {"embedding_dim": 8, "hidden_size": 8, "max_epochs": 2, "precision": "fp32"}
SMALL |= {"ngram_buckets": 500, "word_dropout": 0.0, "adversarial": 0.0}
NO_DROPOUT = {"dropout": 0.0, "embedding_dropout": 0.0}
RANGES = [(1, 1), (2, 2), (1, 2), (1, 3), (2, 4)]


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


def _count_blas_threads():
    libraries = threadpool_info()
    return {each["num_threads"] for each in libraries if each["user_api"] == "blas"}


def _find_bucket(ngram, n_buckets):
    """Return the bucket that saved models know an n-gram by."""
    key = 0
    for token in ngram:
        key = key * 1_000_003 + int(token)
    product = key * 0x9E3779B97F4A7C1 % 2**64
    signed = product - 2**64 if product >= 2**63 else product
    return (signed >> 32) % n_buckets


def _find_ngrams(ids, n_tokens, ngram_range, n_buckets):
    """Return which weights each row has, once each, and its divisor, in float64."""
    rows, columns, divisors = [], [], []
    for i, row in enumerate(np.asarray(ids)):
        row = row[row != 0]
        divisors.append(np.sqrt(len(row)) / 4)
        for n in range(ngram_range[0], ngram_range[1] + 1):
            for ngram in np.lib.stride_tricks.sliding_window_view(
                np.append(row, [0] * n), n
            )[: max(0, len(row) - n + 1)]:
                rows.append(i)
                columns.append(
                    ngram[0] if n == 1 else n_tokens + _find_bucket(ngram, n_buckets)
                )
    shape = len(divisors), n_tokens + n_buckets * (ngram_range[1] > 1)
    found = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=shape)
    return found.tocsr() > 0, np.array(divisors)[:, None]


def _make_branch(ngram_range, n_buckets=97):
    torch.manual_seed(0)
    branch = NgramClassifier(50, 3, ngram_range=ngram_range, n_buckets=n_buckets)
    for weight in branch.parameters():
        torch.nn.init.normal_(weight)
    return branch


# ---- The branch


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("ngram_range", RANGES)
def test_logits_are_sums_of_the_weights_of_words_and_ngrams(rows, ngram_range, dtype):
    branch = _make_branch(ngram_range)
    weight, bias = (w.detach().double().numpy() for w in branch.parameters())
    has_ngram, divisors = _find_ngrams(rows, 50, ngram_range, 97)
    expected = has_ngram @ weight / divisors + bias
    found = branch(rows.to(dtype)).detach()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("ngram_range", RANGES)
def test_a_row_depends_on_its_tokens_alone(rows, ngram_range):
    branch = _make_branch(ngram_range)
    with torch.no_grad():
        together = branch(rows)
        padded = branch(torch.nn.functional.pad(rows, (0, 30)))
        torch.testing.assert_close(padded, together, rtol=0, atol=1e-5)
        for row, expected in zip(rows, together, strict=True):
            alone = branch(row[row != 0][None])
            torch.testing.assert_close(alone[0], expected, rtol=0, atol=1e-5)


def test_the_order_of_words_matters_to_bigrams_alone():
    row = torch.tensor([[7, 8, 9, 10]])
    for ngram_range, is_ordered in (((1, 1), False), ((2, 2), True), ((1, 2), True)):
        branch = _make_branch(ngram_range, n_buckets=10_000)
        is_same = torch.allclose(branch(row), branch(row.flip(1)), atol=1e-5)
        assert is_same != is_ordered


def test_texts_without_an_ngram_have_the_bias_alone():
    branch = _make_branch((3, 3))
    for rows in ([[4, 5, 0], [6, 0, 0]], [[4, 5]], [[6]]):
        found = branch(torch.tensor(rows))
        assert torch.equal(found, branch.bias.expand(len(rows), 3))


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("n_buckets", [2**14, 10_007])
def test_ngrams_fall_into_buckets_as_if_drawn(n, n_buckets):
    # As many as there are buckets leave 1 / e of these empty.
    rng = np.random.default_rng(0)
    ngrams = np.unique(rng.integers(2, 30_000, (n_buckets, n)), axis=0)
    branch = NgramClassifier(
        30_000, 1, ngram_range=(n, n), n_buckets=n_buckets, sparse=True
    )
    branch(torch.from_numpy(ngrams)).sum().backward()
    (used,) = branch.weight.grad.coalesce().indices()
    assert abs(len(used) / n_buckets - (1 - np.exp(-1))) < 0.02


@pytest.mark.parametrize(
    ("ngram_range", "n_weights"), [((1, 1), 50), ((1, 2), 50 + 97), ((2, 3), 50 + 97)]
)
def test_words_have_weights_of_their_own_and_ngrams_those_of_buckets(
    ngram_range, n_weights
):
    branch = NgramClassifier(50, 3, ngram_range=ngram_range, n_buckets=97)
    assert branch.weight.shape == (n_weights, 3) and branch.bias.shape == (3,)
    assert not any(weight.any() for weight in branch.parameters())


# ---- Beside the LSTM


def test_the_logits_are_the_mean_of_both_branches(rows):
    module = LSTMModule(50, 3, ngram_range=(1, 2), ngram_buckets=97).eval()
    torch.nn.init.normal_(module.wide.weight)
    with torch.no_grad():
        expected = (module.deep(rows).double() + module.wide(rows).double()) / 2
        torch.testing.assert_close(module(rows).double(), expected)


def test_without_an_ngram_range_the_lstm_stands_alone(rows):
    torch.manual_seed(0)
    alone = LSTMModule(50, 3).eval()
    torch.manual_seed(0)
    module = LSTMModule(50, 3, ngram_range=(1, 2)).eval()
    added = module.state_dict().keys() - alone.state_dict().keys()
    assert added == {"wide.weight", "wide.bias"}
    assert torch.equal(alone(rows), module.deep(rows))


def test_the_probabilities_are_those_of_the_mean(ids):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, random_state=0).fit(X, y)
    module = classifier.net_.module_.eval()
    tensor = torch.from_numpy(np.asarray(X))
    with torch.no_grad():
        deep, wide = module.deep(tensor).numpy(), module.wide(tensor).numpy()
    assert np.abs(deep).max() > 0.01 and np.abs(wide).max() > 0.01
    expected = softmax((deep.astype(np.float64) + wide) / 2, axis=1)
    np.testing.assert_allclose(classifier.predict_proba(X), expected, atol=1e-6)


@pytest.mark.parametrize("ngram_range", [*RANGES, [1, 2], None])
def test_every_range_learns(ids, ngram_range):
    X, y = ids
    y = np.where(y > 3, "good", "bad")
    params = SMALL | {"max_epochs": 15, "lr": 0.01, "ngram_range": ngram_range}
    classifier = LSTMClassifier(**params, random_state=0).fit(X, y)
    assert classifier.score(X, y) > 0.9
    assert (classifier.net_.module_.wide is None) == (ngram_range is None)


# ---- Each branch learns alone


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"adversarial": 0.1, "word_dropout": 0.2, "weight_dropout": 0.2},
        {"ema_decay": 0.9, "objective": "ordinal", "validation_fraction": 0.2},
        {"class_weight": "balanced", "weight_decay": 0.1},
    ],
    ids=str,
)
def test_the_lstm_learns_as_if_it_stood_alone(ids, params):
    weights = [
        LSTMClassifier(**SMALL | params, ngram_range=ngram_range, random_state=0)
        .fit(*ids)
        .net_.module_.state_dict()
        for ngram_range in (None, (1, 2))
    ]
    for name, weight in weights[0].items():
        assert torch.equal(weights[1][name], weight), name


@pytest.mark.parametrize("params", [{}, {"adversarial": 0.3}, {"dropout": 0.9}])
@pytest.mark.parametrize("ngram_range", [(1, 1), (1, 3)])
def test_the_wide_branch_learns_from_its_own_error_once_a_step(
    ids, monkeypatch, ngram_range, params
):
    monkeypatch.setattr(_net, "_MAX_GRADIENT_NORM", 1e-3)  # that is the LSTM's

    def look(net, batch):
        inputs, y = batch
        wide = net.module_.wide
        weight, bias = (w.detach().double().numpy() for w in wide.parameters())
        has_ngram, divisors = _find_ngrams(
            inputs["ids"], wide.n_tokens, ngram_range, SMALL["ngram_buckets"]
        )
        errors = softmax(has_ngram @ weight / divisors + bias, axis=1) - np.eye(5)[y]
        errors *= inputs["sample_weight"].double().numpy()[:, None] / len(y)
        expected = has_ngram.T @ (errors / divisors), errors.sum(0)
        gradients = wide.weight.grad.to_dense(), wide.bias.grad
        return [gradient.clone().numpy() for gradient in gradients], expected

    X, y = ids
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    params = SMALL | params | {"ngram_range": ngram_range, "callbacks": [Spy(look)]}
    classifier = LSTMClassifier(**params, random_state=0)
    classifier.partial_fit(X, y, [1, 2, 3, 4, 5], weights)
    for found, expected in _seen(classifier):
        for gradient, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(gradient, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("validation_fraction", [None, 0.3])
def test_history_tells_the_losses_and_accuracies_of_the_lstm(ids, validation_fraction):
    params = SMALL | {"validation_fraction": validation_fraction, "random_state": 0}
    beside, alone = (
        LSTMClassifier(**params, ngram_range=ngram_range).fit(*ids).history_
        for ngram_range in ((1, 2), None)
    )
    assert len(beside.columns) == (5 if validation_fraction is None else 7)
    pd.testing.assert_frame_equal(beside.drop(columns="dur"), alone.drop(columns="dur"))


def test_the_wide_branch_has_a_rate_of_its_own_in_partial_fit(ids):
    spy = Spy(lambda net, batch: [g["lr"] for g in net.optimizer_.param_groups])
    classifier = LSTMClassifier(**SMALL, lr=1e-3, callbacks=[spy]).fit(*ids)
    classifier.partial_fit(*ids)
    rates = np.unique(_seen(classifier), axis=0)
    np.testing.assert_allclose(rates, [[2.5e-3, 1e-3]])


# ---- Solved by fit


def test_blas_has_one_thread_while_they_are_solved_and_its_own_after(ids, monkeypatch):
    seen = []
    fit = LogisticRegression.fit

    def spied(self, *args):
        seen.append(_count_blas_threads())
        return fit(self, *args)

    monkeypatch.setattr(LogisticRegression, "fit", spied)
    with threadpool_limits(2, user_api="blas"):
        LSTMClassifier(**SMALL).fit(*ids)
        assert seen and all(counts <= {1} for counts in seen)
        assert _count_blas_threads() <= {2}


@pytest.mark.parametrize("ngram_range", [(1, 2), (2, 2)])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_fit_solves_a_logistic_regression_of_weighted_ngrams(
    ids, ngram_range, n_classes
):
    X, y = ids
    y = y.clip(max=n_classes)
    sample_weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    params = SMALL | {"ngram_range": ngram_range, "random_state": 0}
    classifier = LSTMClassifier(**params).fit(X, y, sample_weight)
    wide = classifier.net_.module_.wide
    has_ngram, divisors = _find_ngrams(X, wide.n_tokens, ngram_range, 500)
    has_ngram = has_ngram.toarray()
    features = has_ngram * (np.log(201 / (1 + has_ngram.sum(0))) + 1) / divisors
    features /= np.sqrt((features**2).sum(1).mean())
    weight = wide.weight.detach().double().numpy()
    bias = wide.bias.detach().double().numpy()
    logits = has_ngram @ weight / divisors + bias
    gaps = [
        np.abs(
            softmax(logits, axis=1)
            - LogisticRegression(C=strength, max_iter=100)
            .fit(features, y, sample_weight / sample_weight.mean())
            .predict_proba(features)
        ).max()
        for strength in (1, 3, 10, 30, 100, 300)
    ]
    assert min(gaps) < 0.001


def test_noisy_labels_make_the_penalty_stronger():
    rng = np.random.default_rng(0)
    X = rng.integers(2, 40, (400, 6))
    clean = (X < 8).any(axis=1).astype(int)
    noisy = np.where(rng.random(400) < 0.35, 1 - clean, clean)
    sizes = []
    for y in (clean, noisy):
        classifier = LSTMClassifier(**SMALL, random_state=0).fit(X, y)
        sizes.append(np.linalg.norm(_wide_weight(classifier)))
    assert sizes[1] < 0.5 * sizes[0]


def test_a_label_without_rows_is_the_least_probable(ids):
    X, y = ids
    sample_weight = np.where(y == 3, 0.0, 1.5)
    classifier = LSTMClassifier(**SMALL, random_state=0).fit(X, y, sample_weight)
    with torch.no_grad():
        wide = classifier.net_.module_.wide(torch.from_numpy(np.asarray(X)))
    assert (wide.argmin(1) == 2).all()


def test_texts_too_short_for_any_ngram_can_be_fitted():
    X, y = [[2, 3], [4, 5], [2, 0], [4, 0]] * 5, [0, 1, 0, 1] * 5
    params = SMALL | {"ngram_range": (3, 3), "random_state": 0}
    classifier = LSTMClassifier(**params).fit(X, y)
    assert not _wide_weight(classifier).any()


def test_the_wide_branch_reads_long_texts_whole_and_the_lstm_does_not(ids):
    X, y = ids
    X = np.asarray(X)
    long = np.sort(np.tile(X, 2), axis=1)[:, ::-1].copy()  # padding last
    classifier = LSTMClassifier(**SMALL, max_tokens=8, random_state=0).fit(long, y)
    module = classifier.net_.module_.eval()
    rows = torch.from_numpy(long[(long != 0).sum(1) > 10][:5]).long()
    assert len(rows)
    changed = rows.clone()
    changed[:, 3] = 2 + (changed[:, 3] - 1) % 5  # behind the head, before the tail
    with torch.no_grad():
        assert torch.equal(module.deep(rows), module.deep(changed))
        assert not torch.equal(module.wide(rows), module.wide(changed))


@pytest.mark.parametrize(
    ("n_rows", "length", "expected"), [(30, 99, 0.5), (30, 100, 0.8), (5000, 100, 0.5)]
)
def test_few_long_texts_give_the_wide_branch_more_weight(n_rows, length, expected):
    assert choose_ngram_weight("auto", n_rows, n_rows * length) == expected
    assert choose_ngram_weight(0.3, n_rows, n_rows * length) == 0.3


def test_the_first_partial_fit_weighs_the_branches_alike(ids):
    classifier = LSTMClassifier(**SMALL).partial_fit(*ids, classes=[1, 2, 3, 4, 5])
    assert classifier.net_.module_.ngram_weight == 0.5


# ---- Lazy steps of partial_fit


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_weights_of_ngrams_that_are_not_there_stay_as_they_were(ids, weight_decay):
    X, y = ids
    params = SMALL | {"weight_decay": weight_decay, "random_state": 0}
    classifier = LSTMClassifier(**params)
    classifier.partial_fit(X[:150], y[:150], classes=[1, 2, 3, 4, 5])
    before = np.zeros_like(_wide_weight(classifier))
    for n_rows in (150, 20):
        weight = _wide_weight(classifier)
        has_ngram, _ = _find_ngrams(X[:n_rows], classifier.n_tokens_, (1, 2), 500)
        is_there = has_ngram.sum(axis=0) > 0
        assert 0 < is_there.sum() < len(weight)
        assert (weight[is_there] != before[is_there]).any(axis=1).all()
        assert np.array_equal(weight[~is_there], before[~is_there])
        before = weight.copy()
        classifier.partial_fit(X[:20], y[:20])


def _wide_weight(classifier):
    return classifier.net_.module_.wide.weight.detach().clone().numpy()


@pytest.mark.parametrize(
    ("net_params", "is_lazy"),
    [
        (None, True),
        ({"optimizer__amsgrad": True}, False),
        ({"optimizer": torch.optim.SGD}, False),
        ({"optimizer": torch.optim.LBFGS, "optimizer__max_iter": 1}, False),
    ],
)
def test_an_optimizer_of_the_users_own_gets_gradients_that_it_takes(
    ids, monkeypatch, net_params, is_lazy
):
    monkeypatch.setattr(_build, "_BIG_VOCABULARY", 10)
    spy = Spy(lambda net, batch: net.module_.wide.weight.grad.is_sparse)
    params = SMALL | {"net_params": net_params, "callbacks": [spy], "lr": 0.1}
    classifier = LSTMClassifier(**params).partial_fit(*ids, classes=[1, 2, 3, 4, 5])
    assert set(_seen(classifier)) == {is_lazy}
    assert _wide_weight(classifier).any()
    classifier.partial_fit(*ids)


def test_sgd_makes_steps_of_its_own_rate_in_both_branches(ids):
    X, y = ids
    params = SMALL | {"net_params": {"optimizer": torch.optim.SGD}, "lr": 0.5}
    gradient = Spy(lambda net, batch: net.module_.wide.weight.grad.clone())
    classifier = LSTMClassifier(**params, callbacks=[gradient], batch_size=200)
    classifier.partial_fit(X, y, classes=[1, 2, 3, 4, 5])
    (first,) = _seen(classifier)
    np.testing.assert_allclose(_wide_weight(classifier), -0.5 * first.numpy())


# ---- Keeping, going on


@pytest.mark.parametrize("ngram_range", [(1, 3), None])
def test_a_pickle_brings_the_branch_along(ids, ngram_range):
    X, y = ids
    params = SMALL | {"ngram_range": ngram_range, "random_state": 0}
    classifier = LSTMClassifier(**params).fit(X, y)
    opened = pickle.loads(pickle.dumps(classifier))
    assert np.array_equal(opened.predict_proba(X), classifier.predict_proba(X))
    for model in (classifier, opened):
        model.partial_fit(X, y)
    assert np.array_equal(opened.predict_proba(X), classifier.predict_proba(X))


def test_warm_start_goes_on_from_the_weights_of_both_branches(ids):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, lr=0.02, warm_start=True, random_state=0)
    before = classifier.fit(X, y).predict_proba(X)
    weight = _wide_weight(classifier)
    classifier.set_params(lr=1e-12).fit(X, y)
    assert weight.any()
    np.testing.assert_allclose(_wide_weight(classifier), weight, rtol=0, atol=1e-8)
    np.testing.assert_allclose(classifier.predict_proba(X), before, atol=1e-6)
    for params in ({"ngram_range": None}, {"ngram_buckets": 501}):
        with pytest.raises(ValueError, match="architecture"):
            classifier.set_params(**SMALL | {"ngram_range": (1, 2)} | params).fit(X, y)


def test_partial_fit_in_pieces_learns_the_words_of_each(ids):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, random_state=0)
    for piece in (slice(0, 100), slice(100, 200)):
        classifier.partial_fit(X[piece], y[piece], classes=[1, 2, 3, 4, 5])
    words = np.unique(np.asarray(X)[np.asarray(X) > 0])
    assert _wide_weight(classifier)[words].any(axis=1).all()


def test_a_weight_of_two_is_the_row_twice(ids):
    X, y = ids
    weights = np.random.default_rng(0).integers(0, 4, len(y))
    params = SMALL | {"ngram_range": (1, 3), "random_state": 0}
    weighted = LSTMClassifier(**params).fit(X, y, sample_weight=weights)
    repeated = LSTMClassifier(**params).fit(X.repeat(weights, 0), y.repeat(weights))
    assert np.array_equal(weighted.predict_proba(X), repeated.predict_proba(X))


def test_rows_of_hardly_any_weight_teach_hardly_anything(ids):
    X, y = ids
    weights = []
    for weight in (0, 1e-7):
        sample_weight = np.where(np.arange(len(y)) < 150, 1.5, weight)
        classifier = LSTMClassifier(**SMALL, random_state=0)
        weights.append(_wide_weight(classifier.fit(X, y, sample_weight)))
    none, hardly_any = weights
    is_new = ~none.any(axis=1) & hardly_any.any(axis=1)
    assert is_new.any()
    assert np.abs(hardly_any[is_new]).max() < 0.1 * np.abs(none).max()


# ---- Bad ranges


@pytest.mark.parametrize(
    "ngram_range",
    [
        (2, 1),
        (0, 1),
        (-1, 2),
        (1,),
        (1, 2, 3),
        (),
        (1, 2.0),
        ("1", 2),
        (1, None),
        [2, 1],
    ],
)
def test_what_is_no_range_is_refused_before_any_work(ids, ngram_range):
    classifier = LSTMClassifier(ngram_range=ngram_range)
    message = r"ngram_range=.* is no range of lengths; pass two whole numbers"
    with pytest.raises(ValueError, match=message):
        classifier.fit(*ids)
    with pytest.raises(ValueError, match=message):
        classifier.partial_fit(*ids, classes=[1, 2, 3, 4, 5])
    assert not hasattr(classifier, "net_")


@pytest.mark.parametrize(
    "params", [{"ngram_range": "12"}, {"ngram_range": 2}, {"ngram_buckets": 0}]
)
def test_values_of_another_kind_are_refused(ids, params):
    (name,) = params
    with pytest.raises(ValueError, match=f"'{name}' parameter of LSTMClassifier"):
        LSTMClassifier(**params).fit(*ids)
