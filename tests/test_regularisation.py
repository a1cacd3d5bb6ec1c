"""Word dropout, embedding dropout, label smoothing and adversarial training."""

import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skreviews import LSTMClassifier
from skreviews.neural_network import LSTMModule, _recipe

SMALL = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "max_epochs": 2,
    "precision": "fp32",
    "random_state": 0,
}
OFF = {
    "module__embedding_dropout": 0.0,
    "module__word_dropout": 0.0,
    "criterion__label_smoothing": 0.0,
    "adversarial": 0.0,
}
OPTIONS = {
    "module__embedding_dropout": 0.3,
    "module__word_dropout": 0.2,
    "criterion__label_smoothing": 0.1,
    "adversarial": 0.1,
}


def _make(net_params=(), **params):
    """Return a small classifier without regularisation, but for these arguments."""
    return LSTMClassifier(**SMALL | params, net_params=OFF | dict(net_params))


@pytest.fixture(scope="module")
def plain(ids):
    """A classifier fitted without regularisation, which no test changes."""
    return _make().fit(*ids)


class Spy(Callback):
    """Keeps what a function of the net and the batch returns at each step."""

    def __init__(self, look):
        self.look = look

    def on_train_begin(self, net, **kwargs):
        self.seen_ = []

    def on_grad_computed(self, net, batch, **kwargs):
        self.seen_.append(self.look(net, batch))


def _seen(classifier):
    return dict(classifier.net_.callbacks_)["Spy"].seen_


# ---- All options


@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_changes_the_training(ids, plain, name):
    other = _make({name: OPTIONS[name]}).fit(*ids)
    expected = plain.predict_proba(ids[0])
    assert not np.allclose(other.predict_proba(ids[0]), expected, atol=1e-4)


@pytest.mark.parametrize(
    "name", ["module__embedding_dropout", "module__word_dropout", "adversarial"]
)
def test_options_replace_the_automatic_choice(ids, name):
    recipe = LSTMClassifier(**SMALL, net_params={name: 0.07}).fit(*ids).recipe_
    field = name.removeprefix("module__")
    assert getattr(recipe, field) == 0.07
    assert recipe.why[field] == "set by the user"


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_fits_with_all_options_are_bit_equal(ids, cell):
    one, two = (
        _make(OPTIONS, cell=cell).fit(*ids).predict_proba(ids[0]) for _ in range(2)
    )
    assert np.isfinite(one).all()
    assert np.array_equal(one, two)


def test_options_do_not_change_predictions(ids):
    X, _ = ids
    classifier = _make(OPTIONS).fit(*ids)
    module = LSTMModule(**classifier.net_.get_params_for("module"))
    module.load_state_dict(classifier.net_.module_.state_dict())
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(np.asarray(X))).softmax(1)
    np.testing.assert_allclose(classifier.predict_proba(X), expected, atol=1e-6)


def test_training_with_all_options_resumes_after_pickling(ids):
    X, y = ids
    classifier = _make(OPTIONS).fit(X, y)
    opened = pickle.loads(pickle.dumps(classifier))
    before = classifier.predict_proba(X)
    assert np.array_equal(opened.predict_proba(X), before)
    for model in (classifier, opened):
        model.partial_fit(X, y)
    assert np.array_equal(opened.predict_proba(X), classifier.predict_proba(X))
    assert not np.array_equal(opened.predict_proba(X), before)


def test_all_options_work_with_sparse_gradients(ids, monkeypatch):
    monkeypatch.setattr(_recipe, "_LARGE_VOCABULARY", 10)
    spy = Spy(lambda net, batch: net.module_.embedding.weight.grad.is_sparse)
    classifier = _make(OPTIONS, callbacks=[spy]).fit(*ids)
    assert set(_seen(classifier)) == {True}


# ---- Label smoothing


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_that_of_smoothed_labels(ids, weighted):
    X, y = ids
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y)) if weighted else None
    classifier = _make(
        {"criterion__label_smoothing": 0.2}, dropout=0.0, max_epochs=1, lr=1e-12
    ).fit(X, y, weights)
    logs = np.log(classifier.predict_proba(X).astype(np.float64))
    targets = 0.8 * np.eye(5)[y - 1] + 0.2 / 5
    losses = -(targets * logs).sum(1)
    # The history weighs batches by their samples.
    found = classifier.history_["train_loss"].iloc[0]
    expected = np.average(losses, weights=weights)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


# ---- Adversarial training


@pytest.mark.parametrize("adversarial", [None, 0.3])
def test_partial_fit_perturbs_only_on_request(ids, adversarial):
    net_params = {} if adversarial is None else {"adversarial": adversarial}
    classifier = LSTMClassifier(**SMALL, net_params=net_params).fit(*ids)
    assert classifier.net_.adversarial == classifier.recipe_.adversarial > 0
    classifier.partial_fit(*ids)
    assert classifier.net_.adversarial == (adversarial or 0)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("value", [-0.1, "auto"])
def test_values_out_of_range_are_refused(ids, name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of net_params must be"):
        LSTMClassifier(net_params={name: value}).fit(*ids)
