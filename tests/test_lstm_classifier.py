"""The LSTM module and the classifier around it."""

import enum
import pickle
import signal
import subprocess
import sys
import threading
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import GridSearchCV, cross_val_predict
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
    ProgressBar,
    TensorBoard,
)
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from skreviews import LSTMClassifier, SequenceVectorizer
from skreviews.neural_network import (
    LSTMModule,
    _build,
    _cpu,
    _data,
    _net,
    _precision,
    _sizes,
)
from skreviews.neural_network._optimizer import LazyAdam

SMALL = {"embedding_dim": 8, "hidden_size": 8, "max_epochs": 2}
POOLINGS = ["last", "mean", "max", "mean_max", "attention"]


# ---- LSTMModule


def _packed_states(module, ids, cell, num_layers, bidirectional):
    """Return what torch's own stacked network makes of packed rows."""
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
    """Return the pooled states by their definition, row by row, in float64."""
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
def test_the_module_equals_packed_sequences(
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
def test_a_row_depends_on_its_tokens_alone(rows, pooling, cell):
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
def test_every_weight_but_the_padding_vector_learns(rows, pooling):
    module = LSTMModule(50, 3, num_layers=2, pooling=pooling)
    module(rows).sum().backward()
    for name, weight in module.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, name
    assert module.embedding.weight.grad[0].abs().sum() == 0


def test_embedding_dropout_drops_a_channel_for_all_tokens_of_a_row():
    module = LSTMModule(50, 3, embedding_dropout=0.5, segment_len=4)
    inputs = []
    module.layers[0].register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    module(torch.arange(2, 50).reshape(4, 12))
    (vectors,) = inputs  # (length, 4 * n_segments, embedding_dim)
    dropped = (vectors == 0).unflatten(1, (4, 3))
    assert (dropped == dropped[:1, :, :1]).all()
    assert 0.3 < dropped.float().mean() < 0.7


# ---- Labels


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


@pytest.mark.parametrize(
    "labels",
    [
        [1, 5],
        [0, 1],
        [-3, 7],
        ["bad", "good"],
        [False, True],
        [1.0, 5.0],
        [("app", 1), ("app", 2)],
        [Mood.GOOD, Mood.BAD],
        [1, "one"],
    ],
    ids=str,
)
def test_labels_of_any_kind_come_back_as_they_went_in(labels):
    X = np.array([[2, 3, 4], [5, 6, 7]] * 30)
    y = [labels[i % 2] for i in range(60)]
    classifier = LSTMClassifier(hidden_size=8, lr=0.05, random_state=0).fit(X, y)
    assert list(classifier.predict(X)) == y
    assert set(classifier.classes_) == set(labels)
    proba = classifier.predict_proba(X)
    assert [list(classifier.classes_)[i] for i in proba.argmax(axis=1)] == y


@pytest.mark.parametrize(
    "convert",
    [
        list,
        tuple,
        np.array,
        pd.Series,
        lambda y: pd.Series(y, dtype="category"),
        lambda y: pd.Series(y, dtype="Int64"),
        lambda y: np.array(y, dtype=np.int8),
    ],
)
def test_every_container_of_labels_gives_the_same(ids, convert):
    X, y = ids
    expected = LSTMClassifier(**SMALL, random_state=0).fit(X, y)
    found = LSTMClassifier(**SMALL, random_state=0).fit(X, convert(y.tolist()))
    assert np.array_equal(found.predict_proba(X), expected.predict_proba(X))


def test_a_class_missing_from_a_fold_is_no_accident(ids):
    X, y = ids
    y = np.where(np.arange(len(y)) < 3, 9, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scikit-learn's, on rare classes
        proba = cross_val_predict(
            LSTMClassifier(**SMALL, random_state=0), X, y, cv=4, method="predict_proba"
        )
        search = GridSearchCV(
            LSTMClassifier(**SMALL), {"hidden_size": [4]}, cv=4, error_score="raise"
        ).fit(X, y)
    assert proba.shape == (len(y), len(np.unique(y)))
    assert set(search.best_estimator_.classes_) == set(y)


# ---- Ids


def test_left_padding_equals_right_padding(ids):
    X, y = ids
    left = np.array([np.roll(row, (row == 0).sum()) for row in np.asarray(X)])
    assert not np.array_equal(left, X)
    classifier = LSTMClassifier(**SMALL, random_state=0).fit(X, y)
    assert np.array_equal(classifier.predict_proba(left), classifier.predict_proba(X))


def test_a_prediction_depends_on_nothing_but_its_row(ids, monkeypatch):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, random_state=0).fit(X, y)
    together = classifier.predict_proba(X)
    alone = np.vstack([classifier.predict_proba(X[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, together[:20], rtol=0, atol=1e-5)
    monkeypatch.setitem(_data._PREDICTION_PLACES, "cpu", 64)
    np.testing.assert_allclose(
        classifier.predict_proba(X[::-1])[::-1], together, rtol=0, atol=1e-5
    )


def test_ids_above_the_vocabulary_count_as_unknown(ids):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, random_state=0).fit(X, y)
    above, unknown = np.asarray(X).copy(), np.asarray(X).copy()
    unknown[:, 0] = 1
    for highest in (10**6, 2**31 + 5, 2**32 + 3):
        above = above.astype(np.int64)
        above[:, 0] = highest
        assert np.array_equal(
            classifier.predict_proba(above), classifier.predict_proba(unknown)
        )
    with pytest.raises(ValueError, match="X holds the id 4294967299"):
        LSTMClassifier().fit(above, y)


def test_an_empty_row_counts_as_one_unknown_token(ids):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, random_state=0).fit(X, y)
    rows = np.zeros((2, X.shape[1]), dtype=int)
    rows[1, 0] = 1
    proba = classifier.predict_proba(rows)
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba[0], proba[1], rtol=0, atol=1e-6)


def test_rows_of_padding_only_can_be_trained_on():
    X, y = np.zeros((20, 3), dtype=int), [0, 1] * 10
    X[::2, 0] = 5
    classifier = LSTMClassifier(hidden_size=8, lr=0.05, random_state=0).fit(X, y)
    assert list(classifier.predict(X)) == y


def test_the_vocabulary_travels_with_the_ids(reviews):
    texts, y = reviews
    vectorizer = SequenceVectorizer()
    X = vectorizer.fit_transform(texts)
    for part in (X, X[:60], X[np.arange(60)], pickle.loads(pickle.dumps(X))):
        classifier = LSTMClassifier(**SMALL).fit(part, y[: len(part)])
        assert classifier.n_tokens_ == len(vectorizer.vocabulary_) + 2
    plain = LSTMClassifier(**SMALL).fit(np.asarray(X), y)
    assert plain.n_tokens_ == X.max() + 1


def test_ids_of_another_vocabulary_are_refused(reviews):
    texts, y = reviews
    X = SequenceVectorizer(max_len=9).fit_transform(texts)
    other = SequenceVectorizer(max_len=9).fit_transform(texts[:100])
    classifier = LSTMClassifier(**SMALL, warm_start=True, random_state=0).fit(X, y)
    before = classifier.predict_proba(X)
    for method in (classifier.fit, classifier.partial_fit):
        with pytest.raises(ValueError, match="another vocabulary"):
            method(other, y[:100])
    with pytest.raises(ValueError, match="another vocabulary"):
        classifier.predict(other)
    assert np.array_equal(classifier.predict_proba(X), before)
    assert np.array_equal(classifier.predict_proba(np.asarray(X)), before)


# ---- Training


def test_two_fits_are_bit_equal_and_leave_the_global_generators_alone(ids):
    X, y = ids
    torch.manual_seed(3)
    np.random.seed(3)
    expected = torch.rand(1).item(), np.random.rand()
    torch.manual_seed(3)
    np.random.seed(3)
    one = LSTMClassifier(**SMALL, random_state=0).fit(X, y).predict_proba(X)
    assert (torch.rand(1).item(), np.random.rand()) == expected
    torch.manual_seed(4)
    two = LSTMClassifier(**SMALL, random_state=0).fit(X, y).predict_proba(X)
    other = LSTMClassifier(**SMALL, random_state=1).fit(X, y).predict_proba(X)
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_no_generator_of_another_device_is_seeded(ids, monkeypatch):
    def refuse(seed):
        raise AssertionError("the generators of all devices were seeded")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", refuse)
    pickle.loads(pickle.dumps(LSTMClassifier(**SMALL, random_state=0).fit(*ids)))


def test_the_order_of_the_rows_does_not_matter(ids):
    X, y = ids
    order = np.random.default_rng(0).permutation(len(y))
    one = LSTMClassifier(**SMALL, random_state=0).fit(X, y)
    two = LSTMClassifier(**SMALL, random_state=0).fit(X[order], y[order])
    assert np.array_equal(one.predict_proba(X), two.predict_proba(X))


@pytest.mark.parametrize("class_weight", [None, "balanced", "sqrt", {5: 2.0, 1: 0.5}])
def test_a_weight_of_two_is_the_row_twice(ids, class_weight):
    X, y = ids
    weights = np.random.default_rng(0).integers(0, 4, len(y))
    params = SMALL | {"random_state": 0, "class_weight": class_weight}
    weighted = LSTMClassifier(**params).fit(X, y, sample_weight=weights)
    repeated = LSTMClassifier(**params).fit(X.repeat(weights, 0), y.repeat(weights))
    assert np.array_equal(weighted.predict_proba(X), repeated.predict_proba(X))


@pytest.mark.parametrize("scale", [0.5, 1000])
def test_weights_that_are_no_counts_weigh_the_loss(scale):
    # The same row with two labels: the weights alone decide.
    X, y = np.full((80, 2), 5), np.repeat([0, 1], 40)
    weights = scale * np.repeat([1, 3], 40)
    classifier = LSTMClassifier(
        hidden_size=8, lr=0.05, max_epochs=30, random_state=0
    ).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(
        classifier.predict_proba(X[:1])[0], [0.25, 0.75], atol=0.05
    )


def test_class_weights_move_the_probabilities_as_they_should():
    X, y = np.full((80, 2), 5), np.repeat(["a", "b"], [72, 8])
    params = {"hidden_size": 8, "lr": 0.05, "max_epochs": 30, "random_state": 0}
    for class_weight, expected in (
        (None, [0.9, 0.1]),
        ("sqrt", [0.75, 0.25]),
        ("balanced", [0.5, 0.5]),
        ({"b": 27}, [0.25, 0.75]),
    ):
        classifier = LSTMClassifier(class_weight=class_weight, **params).fit(X, y)
        found = classifier.predict_proba(X[:1])[0]
        np.testing.assert_allclose(found, expected, atol=0.06)


@pytest.mark.parametrize(
    ("decision", "class_weight"), [("mode", "sqrt"), ("median", None)]
)
def test_weights_are_for_the_mode_if_they_are_left_to_the_classifier(
    ids, decision, class_weight
):
    params = SMALL | {"decision": decision, "random_state": 0}
    proba = [
        LSTMClassifier(**params, class_weight=weight).fit(*ids).predict_proba(ids[0])
        for weight in ("auto", class_weight)
    ]
    assert np.array_equal(*proba)
    LSTMClassifier(class_weight="auto").partial_fit(*ids, classes=[1, 2, 3, 4, 5])


class SplitSpy(Callback):
    """Keeps the rows of both sides of the validation split."""

    def on_epoch_begin(self, net, dataset_train, dataset_valid, **kwargs):
        self.sides_ = [
            []
            if side is None
            else [
                (tuple(side.ids[a:b]), int(label))
                for a, b, label in zip(
                    side.offsets[:-1], side.offsets[1:], side.y, strict=True
                )
            ]
            for side in (dataset_train, dataset_valid)
        ]


def _split_of(X, y, **params):
    params = SMALL | {"callbacks": [SplitSpy()], "random_state": 0} | params
    classifier = LSTMClassifier(**params).fit(X, y)
    names = dict(classifier.net_.callbacks_)
    return names["SplitSpy"].sides_


def test_copies_of_a_row_never_stand_on_both_sides_of_the_split(ids):
    X, y = ids
    copied = np.random.default_rng(0).integers(0, len(y), 1000)
    train, valid = _split_of(X[copied], y[copied], validation_fraction=0.1)
    assert len(train) + len(valid) == 1000
    assert not {row for row, _ in train} & {row for row, _ in valid}


def test_the_split_is_stratified(ids):
    X, y = ids
    train, valid = _split_of(X, y, validation_fraction=0.2)
    for code, size in enumerate(np.bincount(y)[1:]):
        held_out = sum(label == code for _, label in valid)
        assert abs(held_out - 0.2 * size) <= 1
        assert held_out + sum(label == code for _, label in train) == size


def test_a_class_with_one_row_is_trained_on():
    X = np.arange(2, 82).reshape(20, 4)
    y = np.repeat([0, 1, 2], [10, 9, 1])
    train, valid = _split_of(X, y, validation_fraction=0.1)
    assert {label for _, label in train} == {0, 1, 2}
    assert {label for _, label in valid} == {0, 1}


def test_a_text_with_two_labels_is_held_out_as_the_rarer(ids):
    # The only text of class 4 has class 0 more often.
    X = np.arange(2, 22)[:, None].repeat(3, axis=1)
    X, y = np.vstack([X, X[:1]]), np.repeat([0, 4], [20, 1])
    for seed in range(20):
        train, _ = _split_of(X, y, validation_fraction=0.1, random_state=seed)
        assert {label for _, label in train} == {0, 1}


def test_every_class_trains_whatever_the_fraction(ids):
    X, y = ids
    train, _ = _split_of(X, y, validation_fraction=0.99)
    assert {label for _, label in train} == set(range(5))


@pytest.mark.parametrize("params", [{}, {"validation_fraction": None}])
def test_without_a_validation_fraction_every_row_trains(ids, params):
    X, y = ids
    train, valid = _split_of(X, y, **params)
    assert len(train) == len(y) and valid == []


def test_rows_are_held_out_for_early_stopping(ids):
    X, y = ids
    train, valid = _split_of(X, y, early_stopping=True)
    assert [train, valid] == _split_of(X, y, validation_fraction=0.1)
    assert len(train) + len(valid) == len(y)
    assert 0.1 * len(y) <= len(valid) <= 0.1 * len(y) + 5  # each class is rounded up
    _, valid = _split_of(X, y, early_stopping=True, validation_fraction=0.3)
    assert len(valid) >= 0.3 * len(y)


def test_held_out_rows_do_not_change_the_schedule(ids, monkeypatch):
    # A tenth less would be below the limit, and make fewer batches.
    monkeypatch.setattr(_sizes, "_FEW_ROWS", 200)
    nets = [
        LSTMClassifier(max_epochs="auto", early_stopping=early_stopping).fit(*ids).net_
        for early_stopping in (False, True, "refit")
    ]
    assert {net.batch_size for net in nets} == {64}
    assert len({net.max_epochs for net in nets}) == 1


def test_history_has_a_row_for_each_epoch(ids):
    X, y = ids
    history = LSTMClassifier(**SMALL, validation_fraction=0.1).fit(X, y).history_
    assert list(history["epoch"]) == [1, 2]
    for column in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy"):
        assert np.isfinite(history[column]).all()
    assert history["valid_accuracy"].between(0, 1).all()
    whole = LSTMClassifier(**SMALL).fit(X, y).history_
    assert not {"valid_loss", "valid_accuracy"} & set(whole)


class WeightSpy(Callback):
    """Keeps the weights at the end of each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.weights_ = []

    def on_epoch_end(self, net, **kwargs):
        self.weights_.append(net.module_.head.weight.detach().clone())


def test_early_stopping_keeps_the_best_weights(ids):
    X, y = ids
    classifier = LSTMClassifier(
        hidden_size=16,
        lr=0.05,
        max_epochs=30,
        early_stopping=True,
        n_iter_no_change=2,
        random_state=0,
        callbacks=[WeightSpy()],
    ).fit(X, y)
    accuracies = classifier.history_["valid_accuracy"]
    best = accuracies.idxmax()
    # Two epochs without a higher accuracy, then the end.
    assert best == len(accuracies) - 3
    spied = dict(classifier.net_.callbacks_)["WeightSpy"].weights_
    assert torch.equal(classifier.net_.module_.head.weight, spied[best])


def test_without_early_stopping_the_last_weights_are_kept(ids):
    X, y = ids
    classifier = LSTMClassifier(
        hidden_size=16, lr=0.05, max_epochs=9, random_state=0, callbacks=[WeightSpy()]
    ).fit(X, y)
    spied = dict(classifier.net_.callbacks_)["WeightSpy"].weights_
    assert len(spied) == len(classifier.history_) == 9
    assert torch.equal(classifier.net_.module_.head.weight, spied[-1])


@pytest.mark.parametrize("early_stopping", [True, "refit"])
def test_early_stopping_without_held_out_rows_is_refused(ids, early_stopping):
    params = {"early_stopping": early_stopping}
    with pytest.raises(ValueError, match="set validation_fraction"):
        LSTMClassifier(**params, validation_fraction=None).fit(*ids)
    message = (
        f"early_stopping={early_stopping!r} needs rows to hold out, but each class"
    )
    with pytest.raises(ValueError, match=message):
        LSTMClassifier(**params).fit([[2, 3], [4, 5], [4, 5]], [0, 1, 1])


REFIT = {"hidden_size": 16, "lr": 0.005, "max_epochs": 30, "n_iter_no_change": 2}
REFIT |= {"random_state": 1}


def test_refit_trains_on_all_rows_for_as_many_epochs_as_were_best(ids):
    X, y = ids
    callbacks = [SplitSpy(), WeightSpy()]
    stopped = LSTMClassifier(**REFIT, early_stopping=True).fit(X, y)
    refitted = LSTMClassifier(**REFIT, early_stopping="refit", callbacks=callbacks)
    refitted.fit(X, y)
    best = stopped.history_["valid_accuracy"].idxmax() + 1
    assert 1 < best < len(stopped.history_)
    spies = dict(refitted.net_.callbacks_)
    train, valid = spies["SplitSpy"].sides_
    assert len(train) == len(y) and valid == []
    weights = spies["WeightSpy"].weights_
    assert len(weights) == best
    assert torch.equal(refitted.net_.module_.head.weight, weights[-1])
    history = refitted.history_
    assert list(history["epoch"]) == list(range(1, best + 1))
    assert not {"valid_loss", "valid_accuracy"} & set(history)


def test_refit_knows_the_words_of_the_rows_that_were_held_out(ids):
    X, y = ids
    words = np.unique(np.asarray(X)[np.asarray(X) > 0])
    for early_stopping, knows_all in ((True, False), ("refit", True)):
        classifier = LSTMClassifier(**SMALL, early_stopping=early_stopping).fit(X, y)
        weight = classifier.net_.module_.wide.weight[words]
        assert bool((weight != 0).any(1).all()) == knows_all


def test_refit_starts_anew(ids):
    X, y = ids
    stopped, refitted = (
        LSTMClassifier(**REFIT, early_stopping=early_stopping).fit(X, y).history_
        for early_stopping in (True, "refit")
    )
    loss = refitted["train_loss"][0]
    # It has more rows, and makes more steps in an epoch; but it knows nothing yet.
    assert abs(loss - stopped["train_loss"][0]) < 0.1
    assert loss > stopped["train_loss"][1] + 0.05
    warm = LSTMClassifier(**SMALL, warm_start=True, random_state=0, lr=0.05).fit(X, y)
    trained = warm.predict_proba(X)
    warm.set_params(lr=1e-12, early_stopping="refit").fit(X, y)
    np.testing.assert_allclose(warm.predict_proba(X), trained, atol=1e-5)


def test_two_refits_are_bit_equal_and_go_on_after_pickling(ids):
    X, y = ids
    params = SMALL | {"early_stopping": "refit", "random_state": 0}
    one, two = (LSTMClassifier(**params).fit(X, y) for _ in range(2))
    assert np.array_equal(one.predict_proba(X), two.predict_proba(X))
    opened = pickle.loads(pickle.dumps(one))
    for model in (two, opened):
        model.partial_fit(X, y)
    assert np.array_equal(opened.predict_proba(X), two.predict_proba(X))
    assert len(opened.history_) == len(one.history_) + 1


@pytest.mark.parametrize(
    "params", [{"early_stopping": "yes"}, {"validation_fraction": "none"}]
)
def test_other_words_than_refit_and_auto_are_refused(ids, params):
    (name,) = params
    with pytest.raises(ValueError, match=f"'{name}' parameter of LSTMClassifier"):
        LSTMClassifier(**params).fit(*ids)


def test_early_stopping_writes_no_file(ids, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    LSTMClassifier(**SMALL, early_stopping=True, random_state=0).fit(*ids)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_every_architecture_learns_the_order_of_tokens(pooling, cell):
    # Only the order tells the classes apart: a bag of words cannot.
    generator = np.random.default_rng(0)
    X = generator.integers(4, 9, (300, 6))
    y = generator.integers(0, 2, 300)
    X[np.arange(300), 2] = 2 + y
    X[np.arange(300), 3] = 3 - y
    classifier = LSTMClassifier(
        embedding_dim=16,
        hidden_size=16,
        cell=cell,
        pooling=pooling,
        embedding_dropout=0,
        lr=0.02,
        batch_size=16,
        max_epochs=25,
        random_state=0,
    ).fit(X[:200], y[:200])
    assert classifier.score(X[200:], y[200:]) > 0.9


def test_partial_fit_learns_in_pieces(ids):
    X, y = ids
    y = np.where(y > 3, "good", "bad")
    classifier = LSTMClassifier(hidden_size=16, lr=0.01, random_state=0)
    for _ in range(15):
        for piece in np.array_split(np.arange(len(y)), 4):
            classifier.partial_fit(X[piece], y[piece], classes=["good", "bad"])
    assert list(classifier.classes_) == ["bad", "good"]
    assert len(classifier.history_) == 60
    assert classifier.score(X, y) > 0.9


def test_partial_fit_takes_pieces_with_one_class(ids):
    X, _ = ids
    classifier = LSTMClassifier(**SMALL).partial_fit(X[:5], [1] * 5, classes=[1, 2])
    assert classifier.predict_proba(X[:5]).shape == (5, 2)
    classifier.partial_fit(X[5:9], [2] * 4)
    with pytest.raises(ValueError, match=r"y\[1\] is 3, which is not among"):
        classifier.partial_fit(X[:2], [1, 3])


def test_partial_fit_is_the_same_before_and_after_pickling(ids):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, early_stopping=True, random_state=0).fit(X, y)
    opened = pickle.loads(pickle.dumps(classifier))
    before = opened.predict_proba(X)
    opened.partial_fit(X, y)
    assert not np.array_equal(opened.predict_proba(X), before)
    assert np.array_equal(classifier.predict_proba(X), before)
    classifier.partial_fit(X, y)
    assert np.array_equal(classifier.predict_proba(X), opened.predict_proba(X))
    assert list(opened.history_["epoch"]) == [1, 2, 3]
    assert opened.history_["train_loss"].equals(classifier.history_["train_loss"])
    *_, group = classifier.net_.optimizer_.param_groups
    assert group["lr"] == classifier.lr


def test_partial_fit_remembers_the_vocabulary(reviews):
    texts, y = reviews
    X = SequenceVectorizer(max_len=9).fit_transform(texts)
    other = SequenceVectorizer(max_len=9).fit_transform(texts[:100])
    classifier = LSTMClassifier(**SMALL).fit(X, y).partial_fit(np.asarray(X), y)
    with pytest.raises(ValueError, match="another vocabulary"):
        classifier.predict(other)


def test_partial_fit_refuses_what_needs_all_rows(ids):
    X, y = ids
    with pytest.raises(ValueError, match="needs all rows at once"):
        LSTMClassifier(class_weight="balanced").partial_fit(X, y, classes=[1, 2])
    with pytest.raises(ValueError, match="class_weight='sqrt' needs all rows at once"):
        LSTMClassifier(class_weight="sqrt").partial_fit(X, y, classes=[1, 2])
    with pytest.raises(ValueError, match="classes has one label only, 1"):
        LSTMClassifier().partial_fit(X, y, classes=[1])


def test_class_weights_count_in_pieces_with_one_class(ids):
    X, _ = ids
    pieces = {"classes": [1, 2]}
    plain = LSTMClassifier(**SMALL, random_state=0)
    heavy = LSTMClassifier(**SMALL, random_state=0, class_weight={1: 100})
    for classifier in (plain, heavy):
        classifier.net_params = {"optimizer": torch.optim.SGD}
        classifier.partial_fit(X[:64], [1] * 64, **pieces)
    assert not np.allclose(plain.predict_proba(X), heavy.predict_proba(X))


def test_warm_start_goes_on_from_the_weights(ids):
    X, y = ids
    cold = LSTMClassifier(**SMALL, lr=1e-9, random_state=0).fit(X, y)
    warm = LSTMClassifier(**SMALL, lr=0.05, warm_start=True, random_state=0).fit(X, y)
    trained = warm.predict_proba(X)
    warm.set_params(lr=1e-9).fit(X, y)
    np.testing.assert_allclose(warm.predict_proba(X), trained, atol=1e-4)
    assert np.abs(cold.predict_proba(X) - trained).max() > 0.01


def test_warm_start_refuses_other_classes_and_architectures(ids):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, warm_start=True).fit(X, y)
    before = classifier.predict_proba(X)
    with pytest.raises(ValueError, match="classes"):
        classifier.fit(X, np.where(y == 5, 4, y))
    with pytest.raises(ValueError, match="architecture"):
        classifier.set_params(hidden_size=9).fit(X, y)
    assert np.array_equal(classifier.predict_proba(X), before)


def test_epoch_scoring_sees_each_row_with_its_own_label(ids):
    callbacks = [
        EpochScoring("accuracy", lower_is_better=False, name="scored"),
        EpochScoring("accuracy", False, name="scored_train", on_train=True),
    ]
    params = SMALL | {"max_epochs": 6, "lr": 0.05, "callbacks": callbacks}
    params |= {"validation_fraction": 0.1}
    net = LSTMClassifier(**params, random_state=0).fit(*ids).net_
    for name, expected in (
        ("scored", "valid_accuracy"),
        ("scored_train", "train_accuracy"),
    ):
        np.testing.assert_allclose(
            net.history[:, name], net.history[:, expected], rtol=1e-5
        )


def test_callbacks_see_the_loss_of_each_batch(ids):
    class Reader(Callback):
        def on_batch_end(self, net, training, **kwargs):
            name = "train_loss" if training else "valid_loss"
            assert net.history[-1, "batches", -1, name] > 0

    LSTMClassifier(**SMALL, validation_fraction=0.1, callbacks=[Reader()]).fit(*ids)


def test_skorch_callbacks_work_on_codes(ids):
    X, y = ids
    scoring = EpochScoring("f1_macro", lower_is_better=False, name="valid_f1")
    params = SMALL | {"validation_fraction": 0.1, "callbacks": [scoring]}
    classifier = LSTMClassifier(**params).fit(X, y * 10)
    assert len(classifier.net_.history[:, "valid_f1"]) == 2


def test_skorch_callbacks_of_every_kind_work_together(ids):
    callbacks = [
        ("stop", EarlyStopping(monitor="valid_loss", patience=1, threshold=10)),
        ("rate", LRScheduler(policy="StepLR", step_size=1, gamma=0.5)),
        ("bar", ProgressBar()),
        ("f1", EpochScoring("f1_macro", lower_is_better=False, name="valid_f1")),
    ]
    params = SMALL | {"max_epochs": 9, "validation_fraction": 0.1}
    classifier = LSTMClassifier(**params, callbacks=callbacks).fit(*ids)
    history = classifier.net_.history
    assert len(history) == 2  # no loss falls by a factor of ten
    assert all(0 <= score <= 1 for score in history[:, "valid_f1"])
    assert history[0, "event_lr"] > 0


def test_tensorboard_writes_the_losses(ids, tmp_path):
    tensorboard = pytest.importorskip(
        "torch.utils.tensorboard", reason="tensorboard is not installed"
    )
    writer = tensorboard.SummaryWriter(tmp_path)
    LSTMClassifier(**SMALL, callbacks=[TensorBoard(writer)]).fit(*ids)
    assert any(path.stat().st_size for path in tmp_path.iterdir())


def test_what_a_callback_writes_to_need_not_be_copied(ids):
    class Writer:
        tags = ()

        def add_scalar(self, tag, *args, **kwargs):
            self.tags += (tag,)

        def close(self):
            pass

        def __deepcopy__(self, memo):
            raise TypeError("cannot pickle '_thread.lock' object")

    writer = Writer()
    LSTMClassifier(**SMALL, callbacks=[("board", TensorBoard(writer))]).fit(*ids)
    assert "Loss/train_loss" in writer.tags


def test_the_users_callbacks_are_cloned(ids):
    callback = LRScheduler(policy="StepLR", step_size=1)
    classifier = LSTMClassifier(**SMALL, callbacks=[callback]).fit(*ids)
    assert not hasattr(callback, "lr_scheduler_")
    assert b"exp_avg" not in pickle.dumps(classifier)


def test_net_params_of_the_classifiers_own_are_refused(ids):
    with pytest.raises(ValueError, match="net_params sets 'lr', 'max_epochs'"):
        LSTMClassifier(net_params={"max_epochs": 4, "lr": 1}).fit(*ids)
    for optimizer in (torch.optim.RMSprop, torch.optim.LBFGS):
        LSTMClassifier(**SMALL, net_params={"optimizer": optimizer}).fit(*ids)
    with pytest.raises(ValueError, match="net_params sets 'predict_nonlinearity'"):
        LSTMClassifier(net_params={"predict_nonlinearity": None}).fit(*ids)


def test_net_params_reach_the_net(ids):
    classifier = LSTMClassifier(**SMALL, net_params={"optimizer__amsgrad": True})
    assert classifier.fit(*ids).net_.optimizer_.defaults["amsgrad"] is True


@pytest.mark.parametrize("is_terminal", [True, False])
def test_verbose_shows_a_line_for_each_epoch_and_on_a_terminal_a_bar(
    ids, capsys, monkeypatch, is_terminal
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    LSTMClassifier(**SMALL, validation_fraction=0.1, verbose=1).fit(*ids)
    shown = capsys.readouterr()
    assert "valid_loss" in shown.out
    assert ("it/s" in shown.err) == is_terminal
    LSTMClassifier(**SMALL).fit(*ids)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_lines_of_the_epochs_are_coloured_on_a_terminal_only(
    ids, capsys, monkeypatch, is_terminal
):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    LSTMClassifier(**SMALL, validation_fraction=0.1, verbose=1).fit(*ids)
    assert ("\033[" in capsys.readouterr().out) == is_terminal


def test_the_lines_of_the_epochs_go_to_anything_that_takes_lines(ids, monkeypatch):
    class Lines:
        def __init__(self):
            self.lines = []

        def write(self, line):
            self.lines.append(line)

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stdout", Lines())
    LSTMClassifier(**SMALL, verbose=1).fit(*ids)
    assert "train_loss" in "".join(sys.stdout.lines)


def test_the_users_interrupt_at_the_end_of_an_epoch_is_no_early_stopping(ids):
    class Press(Callback):
        def on_epoch_end(self, net, **kwargs):
            signal.raise_signal(signal.SIGINT)

    classifier = LSTMClassifier(**SMALL, callbacks=[Press()])
    # Shells let what they start in the background ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            classifier.fit(*ids)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert not hasattr(classifier, "net_")


def test_the_users_interrupt_ends_fit(ids):
    class Interrupt(nn.CrossEntropyLoss):
        def forward(self, *args):
            raise KeyboardInterrupt

    classifier = LSTMClassifier(net_params={"criterion": Interrupt})
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(*ids)
    assert not hasattr(classifier, "net_")


# ---- Speed, and what it must not change

PLAIN = SMALL | {"dropout": 0.0, "embedding_dropout": 0.0, "precision": "fp32"}
PLAIN |= {"word_dropout": 0.0, "adversarial": 0.0}


class Spy(Callback):
    """Ask something at each step of the training."""

    def __init__(self, ask):
        self.ask = ask

    def on_train_begin(self, net, **kwargs):
        self.answers_ = []

    def on_grad_computed(self, net, **kwargs):
        self.answers_.append(self.ask(net))


def _answers(classifier):
    return dict(classifier.net_.callbacks_)["Spy"].answers_


def _flushes_denormals(net=None):
    return (torch.tensor(1e-38) * 0.1).item() == 0


@pytest.mark.parametrize("pooling", POOLINGS)
def test_segments_are_rows_of_their_own_pooled_together(rows, pooling):
    torch.manual_seed(0)
    module = LSTMModule(50, 3, pooling=pooling, segment_len=4).eval()
    hidden = module.layers[0].ahead.hidden_size
    states, ends = [], []
    with torch.no_grad():
        for row in rows:
            parts = row[row != 0].split(4)
            packed = [_packed_states(module, p[None], "lstm", 1, True) for p in parts]
            states.append(torch.cat([part[0][0] for part in packed]))
            ends.append([packed[-1][2][0, :hidden], packed[0][2][0, hidden:]])
        lengths = torch.tensor([len(row) for row in states])
        last = torch.stack([torch.cat(end) for end in ends])
        padded = nn.utils.rnn.pad_sequence(states, batch_first=True)
        pooled = _pooled(pooling, module, padded, lengths, last)
        expected = pooled @ module.head.weight.double().T + module.head.bias.double()
        torch.testing.assert_close(
            module(rows).double(), expected, rtol=1e-5, atol=1e-6
        )


def test_one_segment_is_no_segment(ids):
    X, y = ids
    whole = LSTMClassifier(**SMALL, random_state=0).fit(X, y)
    cut = LSTMClassifier(**SMALL, random_state=0, segment_len=X.shape[1] + 8).fit(X, y)
    np.testing.assert_allclose(
        cut.predict_proba(X), whole.predict_proba(X), rtol=0, atol=1e-5
    )


def test_long_segments_add_no_padding(rows):
    module = LSTMModule(50, 3, segment_len=400).eval()
    shapes = []
    module.layers[0].register_forward_pre_hook(
        lambda _, args: shapes.append(args[0].shape[:2])
    )
    module(rows)
    assert shapes == [(9, 6)]


def test_segments_of_rows_that_are_no_block_of_memory(rows):
    module = LSTMModule(50, 3, segment_len=4).eval()
    with torch.no_grad():
        found = module(rows.t().contiguous().t()[:, :8])
        torch.testing.assert_close(found, module(rows[:, :8].contiguous()))


def test_gradients_of_padded_rows_equal_those_of_packed_ones(rows):
    torch.manual_seed(0)
    module = LSTMModule(50, 3, num_layers=2, pooling="mean").eval()
    weights = list(module.parameters())
    gradients = torch.autograd.grad(module(rows).pow(2).sum(), weights)
    alone = [module(row[row != 0][None]).pow(2).sum() for row in rows]
    expected = torch.autograd.grad(sum(alone), weights)
    for gradient, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-5)


def test_gradients_have_gradients(rows):
    module = LSTMModule(50, 3, embedding_dim=3, hidden_size=2, cell="gru").double()
    module.eval()
    vectors = module.embedding(rows).detach().requires_grad_()
    module.embedding.forward = lambda ids: vectors.transpose(0, 1)
    assert torch.autograd.gradcheck(lambda _: module(rows), vectors)
    assert torch.autograd.gradgradcheck(lambda _: module(rows), vectors)


def test_a_batch_that_is_too_large_is_trained_on_in_parts(ids, monkeypatch):
    X, y = ids
    whole = LSTMClassifier(**PLAIN, random_state=0).fit(X, y)
    monkeypatch.setitem(_data._TRAINING_PLACES, "cpu", 100)
    parts = LSTMClassifier(**PLAIN, random_state=0)
    seen = []
    deep = LSTMModule.deep
    monkeypatch.setattr(
        LSTMModule, "deep", lambda self, x: (seen.append(x), deep(self, x))[1]
    )
    parts.fit(X, y)
    assert len(seen) > len(y) / 10
    assert all(x.numel() <= 100 or len(x) == 1 for x in seen)
    np.testing.assert_allclose(
        parts.predict_proba(X), whole.predict_proba(X), rtol=0, atol=1e-4
    )


def test_history_tells_the_share_of_padding(ids):
    X, y = ids
    history = LSTMClassifier(**SMALL).fit(X, y).history_
    assert history["padding_share"].between(0, 0.5).all()
    full = np.random.default_rng(0).integers(2, 50, (len(y), 8))
    history = LSTMClassifier(**SMALL).fit(full, y).history_
    assert (history["padding_share"] == 0).all()


def test_rows_of_similar_length_share_a_batch():
    rng = np.random.default_rng(0)
    X = rng.integers(2, 50, (2000, 60))
    X[np.arange(60) >= rng.integers(1, 61, (2000, 1))] = 0
    history = LSTMClassifier(**SMALL).fit(X, rng.integers(0, 2, 2000)).history_
    assert history["padding_share"].max() < 0.12  # in random batches: 0.5


@pytest.mark.parametrize("amsgrad", [False, True])
def test_big_tables_learn_by_sparse_gradients(ids, monkeypatch, amsgrad):
    monkeypatch.setattr(_build, "_BIG_VOCABULARY", 10)
    spy = Spy(lambda net: net.module_.embedding.weight.grad.is_sparse)
    net_params = {"optimizer__amsgrad": True} if amsgrad else None
    classifier = LSTMClassifier(**SMALL, callbacks=[spy], net_params=net_params)
    classifier.fit(*ids).predict(ids[0])
    assert set(_answers(classifier)) == {not amsgrad}
    classifier.partial_fit(*ids)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_lazy_adam_is_adam_where_every_row_has_a_gradient(weight_decay):
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


def test_lazy_adam_is_sparse_adam_where_not():
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


def test_gradients_are_clipped_also_the_sparse_ones(ids, monkeypatch):
    def norm(net):
        gradients = [p.grad for p in net.module_.parameters()]
        values = [g.coalesce().values() if g.is_sparse else g for g in gradients]
        return torch.cat([value.flatten() for value in values]).norm().item()

    for big in (10, 50_000):
        monkeypatch.setattr(_build, "_BIG_VOCABULARY", big)
        monkeypatch.setattr(_net, "_MAX_GRADIENT_NORM", 1e-3)
        classifier = LSTMClassifier(
            **SMALL, ngram_range=None, callbacks=[Spy(norm)]
        ).fit(*ids)
        np.testing.assert_allclose(_answers(classifier), 1e-3, rtol=1e-2)


def test_n_threads_holds_in_fit_and_predict_and_is_restored(ids, monkeypatch):
    before = torch.get_num_threads()
    other = 1 if before > 1 else 2
    spy = Spy(lambda net: (torch.get_num_threads(), _flushes_denormals()))
    classifier = LSTMClassifier(**SMALL, n_threads=other, callbacks=[spy]).fit(*ids)
    assert set(_answers(classifier)) == {(other, True)}
    seen = []
    forward = LSTMModule.forward

    def spied(self, x):
        seen.append((torch.get_num_threads(), _flushes_denormals()))
        return forward(self, x)

    monkeypatch.setattr(LSTMModule, "forward", spied)
    classifier.predict(ids[0])
    assert set(seen) == {(1, True)}
    assert (torch.get_num_threads(), _flushes_denormals()) == (before, False)


def test_a_prediction_is_the_same_with_any_number_of_threads(ids, monkeypatch):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, random_state=0, n_threads=1).fit(X, y)
    monkeypatch.setitem(_data._PREDICTION_PLACES, "cpu", 64)
    expected = classifier.predict_proba(X)
    names = set()
    forward = LSTMModule.forward

    def spied(self, x):
        names.add(threading.current_thread().name)
        return forward(self, x)

    monkeypatch.setattr(LSTMModule, "forward", spied)
    found = classifier.set_params(n_threads=3).predict_proba(X)
    np.testing.assert_array_equal(found, expected)
    assert 1 < len(names) <= 3


@pytest.mark.parametrize("flushed", [False, True])
def test_an_error_restores_how_the_cpu_computes(ids, flushed):
    def fail(net):
        raise RuntimeError("stop here")

    before = torch.get_num_threads()
    torch.set_flush_denormal(flushed)
    try:
        with pytest.raises(RuntimeError, match="stop here"):
            LSTMClassifier(**SMALL, n_threads=before + 1, callbacks=[Spy(fail)]).fit(
                *ids
            )
        assert (torch.get_num_threads(), _flushes_denormals()) == (before, flushed)
    finally:
        torch.set_flush_denormal(False)


def test_no_thread_of_torch_flushes_denormals_after_fit():
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


def test_parallel_searches_share_the_cores(ids):
    X, y = ids
    n_cores = joblib.cpu_count()

    def count_threads(estimator, X, y):
        return torch.get_num_threads() + 0.0 * estimator.score(X, y)

    search = GridSearchCV(
        LSTMClassifier(**SMALL),
        {"lr": [1e-3, 1e-2]},
        scoring=count_threads,
        n_jobs=2,
        cv=2,
        refit=False,
    ).fit(X, y)
    threads = search.cv_results_["mean_test_score"]
    assert (2 * threads <= max(2, n_cores)).all()


def test_memory_is_kept_only_where_glibc_is(ids, monkeypatch):
    expected = LSTMClassifier(**SMALL, random_state=0).fit(*ids).predict_proba(ids[0])
    monkeypatch.setattr(_cpu.platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(_cpu.ctypes, "CDLL", None)
    found = LSTMClassifier(**SMALL, random_state=0).fit(*ids).predict_proba(ids[0])
    np.testing.assert_array_equal(found, expected)


# ---- Precision


def _has_bf16():
    return np.isfinite(_precision._cost_of_bf16("cpu"))


def test_bf16_is_refused_before_any_work_where_it_does_not_run(ids, monkeypatch):
    monkeypatch.setattr(_precision, "_cost_of_bf16", lambda device_type: np.inf)
    with pytest.raises(ValueError, match="precision='bf16' does not run.*cpu"):
        LSTMClassifier(precision="bf16").fit(*ids)
    classifier = LSTMClassifier(**SMALL, random_state=0).fit(*ids)
    expected = classifier.predict_proba(ids[0])
    with pytest.warns(UserWarning, match="fp32 is used"):
        found = classifier.set_params(precision="bf16").predict_proba(ids[0])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "precision, cost, training, prediction",
    [
        ("auto", 0.9, True, False),
        ("auto", 1.1, False, False),
        ("auto", np.inf, False, False),
        ("bf16", 1.1, True, True),
        ("fp32", 0.9, False, False),
    ],
)
def test_bf16_is_used_where_it_should(
    ids, monkeypatch, precision, cost, training, prediction
):
    # A GRU, which needs no instructions for bf16: on CPUs it stays in fp32.
    monkeypatch.setattr(_precision, "_cost_of_bf16", lambda device_type: cost)
    used = {True: set(), False: set()}
    deep = LSTMModule.deep

    def spied(self, *args):
        used[self.training].add(torch.is_autocast_enabled("cpu"))
        return deep(self, *args)

    monkeypatch.setattr(LSTMModule, "deep", spied)
    classifier = LSTMClassifier(**SMALL, cell="gru", precision=precision).fit(*ids)
    assert classifier.predict_proba(ids[0]).dtype == np.float32
    assert used == {True: {training}, False: {prediction}}
    weights = classifier.net_.module_.parameters()
    assert {weight.dtype for weight in weights} == {torch.float32}


@pytest.mark.skipif(not _has_bf16(), reason="this processor has no bf16 LSTM")
def test_bf16_predicts_nearly_what_fp32_does(ids):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, random_state=0).fit(X, y)
    expected = classifier.predict_proba(X)
    found = classifier.set_params(precision="bf16").predict_proba(X)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.02)


def test_the_trial_of_bf16_leaves_the_global_generator_alone():
    state = torch.random.get_rng_state()
    _precision._cost_of_bf16.__wrapped__("cpu")
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_trial_of_bf16_runs_in_inference_mode():
    with torch.inference_mode():
        cost = _precision._cost_of_bf16.__wrapped__("cpu")
    assert np.isfinite(cost) == _has_bf16()


# ---- Devices


def test_a_device_that_is_not_there_is_refused_before_any_work(ids, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ValueError, match="device='cuda' is not on this machine"):
        LSTMClassifier(device="cuda").fit(*ids)
    with pytest.raises(ValueError, match="device='tpu' is unknown"):
        LSTMClassifier(device="tpu").fit(*ids)


def test_a_model_from_a_gpu_predicts_on_a_machine_without(ids, monkeypatch):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, random_state=0).fit(X, y)
    expected = classifier.predict_proba(X)
    classifier.device = "cuda:7"  # as if trained there
    opened = pickle.loads(pickle.dumps(classifier))
    with pytest.warns(UserWarning, match="CPU is used"):
        assert np.array_equal(opened.predict_proba(X), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_cuda_gives_the_same_labels_as_the_cpu(ids):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, device="cuda", random_state=0).fit(X, y)
    on_gpu = classifier.predict_proba(X)
    classifier.set_params(device="cpu")
    np.testing.assert_allclose(classifier.predict_proba(X), on_gpu, atol=1e-4)


# ---- Bad input


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([[2, 3], [4, -7]], [0, 1], r"X\[1, 1\] is -7, which is negative"),
        ([[2, 3], [4.5, 5]], [0, 1], r"X\[1, 0\] is 4.5, which is not a whole number"),
        ([[2, 3], [np.nan, 5]], [0, 1], "contains NaN"),
        ([[2, 3], [4, 5]], [0, 1, 1], "inconsistent numbers of samples"),
        ([[2, 3], [4, 5]], [1, 1], "at least 2 classes are needed"),
        ([[2, 3], [4, 5]], [0, None], r"y\[1\] is None"),
        ([[2, 3], [4, 5]], [0, np.nan], r"y\[1\] is nan"),
        ([[2, 3], [4, 5]], ["a", None], r"y\[1\] is None"),
        ([[2, 3], [4, 5]], [0.5, 1.5], "continuous"),
        (["good", "bad"], [0, 1], "X holds texts, not token ids.*SequenceVectorizer"),
        ([2, 3], [0, 1], "Expected 2D array"),
        ([["good"], ["bad"]], [0, 1], "convert|numeric"),
        (np.empty((0, 2)), [], "0 sample|empty"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(ids, X, y, message):
    classifier = LSTMClassifier(**SMALL, random_state=0).fit(*ids)
    before = classifier.predict_proba(ids[0])
    state = {k: v for k, v in vars(classifier).items() if k != "net_"}
    with pytest.raises(ValueError, match=message):
        classifier.fit(X, y)
    after = {k: v for k, v in vars(classifier).items() if k != "net_"}
    assert all(after[name] is value for name, value in state.items())
    assert np.array_equal(classifier.predict_proba(ids[0]), before)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], "shape|inconsistent"),
        ([-1.0] * 200, "[Nn]egative"),
        ([0.0] * 200, "weight|class"),
    ],
)
def test_bad_weights_are_refused(ids, weights, message):
    with pytest.raises(ValueError, match=message):
        LSTMClassifier(**SMALL).fit(*ids, sample_weight=weights)


def test_a_class_weight_for_a_label_that_the_fold_lacks_is_no_accident(ids):
    X, y = ids
    kept = y != 2
    weighted = LSTMClassifier(**SMALL, class_weight={1: 2, 2: 1}, random_state=0)
    expected = LSTMClassifier(**SMALL, class_weight={1: 2}, random_state=0)
    assert np.array_equal(
        weighted.fit(X[kept], y[kept]).predict_proba(X),
        expected.fit(X[kept], y[kept]).predict_proba(X),
    )


@pytest.mark.parametrize("weight", [-1, np.nan, np.inf, "2"])
def test_a_class_weight_that_is_no_weight_is_refused(ids, weight):
    with pytest.raises(ValueError, match="class_weight of 5 is .*0 or more"):
        LSTMClassifier(**SMALL, class_weight={5: weight}).fit(*ids)


def test_class_weights_that_are_all_zero_are_refused(ids):
    class_weight = dict.fromkeys(range(1, 6), 0)
    with pytest.raises(ValueError, match="every row a weight of zero"):
        LSTMClassifier(**SMALL, class_weight=class_weight).fit(*ids)


def test_a_class_weight_for_an_unknown_label_is_refused(ids):
    with pytest.raises(ValueError, match=r"class_weight names the labels \[6\]"):
        LSTMClassifier(**SMALL, class_weight={6: 2}).fit(*ids)


def test_other_widths_than_in_training_are_refused(ids):
    X, y = ids
    classifier = LSTMClassifier(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match="features"):
        classifier.predict(X[:, :-1])
