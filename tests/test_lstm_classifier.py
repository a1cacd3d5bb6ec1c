"""LSTMClassifier: labels, ids, weights, held-out samples, n-grams and bad input."""

import enum
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict
from skorch.callbacks import Callback

from skreviews import (
    LSTMClassifier,
    NgramClassifier,
    SequenceVectorizer,
    make_review_pipeline,
)
from skreviews.neural_network import _recipe
from skreviews.preprocessing._token_ids import TokenIds

SMALL = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "max_epochs": 2,
    "precision": "fp32",
    "random_state": 0,
}
# Learns a few distinct rows well.
QUICK = SMALL | {"lr": 0.05, "max_epochs": 15}
# Without the random choices that depend on the position in a batch.
NO_DROPOUT = {
    "dropout": 0.0,
    "net_params": {
        "module__embedding_dropout": 0.0,
        "module__word_dropout": 0.0,
        "adversarial": 0.0,
    },
}
POOLINGS = ["last", "mean", "max", "mean_max", "attention"]


@pytest.fixture(scope="module")
def fitted(ids):
    """A fitted classifier that no test changes."""
    return LSTMClassifier(**SMALL).fit(*ids)


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
@pytest.mark.parametrize("ngrams", [None, NgramClassifier(n_buckets=64)])
def test_predicted_labels_are_of_the_type_of_y(labels, ngrams):
    X = np.array([[2, 3, 4], [5, 6, 7]] * 30)
    y = [labels[i % 2] for i in range(60)]
    classifier = LSTMClassifier(**QUICK, ngrams=ngrams).fit(X, y)
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
def test_all_containers_of_labels_give_the_same_model(ids, fitted, convert):
    X, y = ids
    found = LSTMClassifier(**SMALL).fit(X, convert(y.tolist()))
    assert np.array_equal(found.predict_proba(X), fitted.predict_proba(X))


def test_a_fold_may_lack_a_class(ids):
    X, y = ids
    y = np.where(np.arange(len(y)) < 3, 9, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scikit-learn's, on rare classes
        proba = cross_val_predict(
            LSTMClassifier(**SMALL), X, y, cv=4, method="predict_proba"
        )
        search = GridSearchCV(
            LSTMClassifier(**SMALL), {"hidden_size": [4]}, cv=4, error_score="raise"
        ).fit(X, y)
    assert proba.shape == (len(y), len(np.unique(y)))
    assert set(search.best_estimator_.classes_) == set(y)


# ---- Ids


def test_left_padding_equals_right_padding(ids, fitted):
    X, _ = ids
    left = np.array([np.roll(row, (row == 0).sum()) for row in np.asarray(X)])
    assert not np.array_equal(left, X)
    assert np.array_equal(fitted.predict_proba(left), fitted.predict_proba(X))


def test_ids_above_the_vocabulary_count_as_unknown(ids, fitted):
    X, y = ids
    above, unknown = np.asarray(X).astype(np.int64), np.asarray(X).copy()
    unknown[:, 0] = 1
    for highest in (10**6, 2**31 + 5, 2**32 + 3):
        above[:, 0] = highest
        assert np.array_equal(
            fitted.predict_proba(above), fitted.predict_proba(unknown)
        )
    with pytest.raises(ValueError, match="X holds the id 4294967299"):
        LSTMClassifier().fit(above, y)


def test_an_empty_row_counts_as_one_unknown_token(ids, fitted):
    rows = np.zeros((2, ids[0].shape[1]), dtype=int)
    rows[1, 0] = 1
    proba = fitted.predict_proba(rows)
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba[0], proba[1], rtol=0, atol=1e-6)


def test_rows_of_padding_can_be_trained_on():
    X, y = np.zeros((20, 3), dtype=int), [0, 1] * 10
    X[::2, 0] = 5
    assert list(LSTMClassifier(**QUICK).fit(X, y).predict(X)) == y


def test_ids_carry_their_vocabulary(reviews):
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
    classifier = LSTMClassifier(**SMALL, warm_start=True).fit(X, y)
    before = classifier.predict_proba(X)
    for method in (classifier.fit, classifier.partial_fit):
        with pytest.raises(ValueError, match="another vocabulary"):
            method(other, y[:100])
    with pytest.raises(ValueError, match="another vocabulary"):
        classifier.predict(other)
    assert np.array_equal(classifier.predict_proba(X), before)
    assert np.array_equal(classifier.predict_proba(np.asarray(X)), before)


# ---- Maximum length


def _shorten(X, n_head, n_tail):
    """Return rows of at most `n_head + n_tail` tokens, from head and tail."""
    short = np.zeros_like(X)
    for i, row in enumerate(np.asarray(X)):
        row = row[row != 0]
        if len(row) > n_head + n_tail:
            row = np.append(row[:n_head], row[len(row) - n_tail :])
        short[i, : len(row)] = row
    return short


@pytest.fixture(scope="module")
def long_ids():
    """Rows of 1 to 30 tokens, and their labels."""
    rng = np.random.default_rng(0)
    X = rng.integers(2, 50, (80, 30))
    X[np.arange(30) >= rng.integers(1, 31, (80, 1))] = 0
    return TokenIds(X, tuple(map(str, range(2, 50)))), rng.integers(0, 3, 80)


@pytest.mark.parametrize(("max_len", "n_head"), [(1, 1), (5, 2), (12, 3)])
def test_max_len_equals_shortening_the_rows_beforehand(long_ids, max_len, n_head):
    X, y = long_ids
    short = _shorten(X, n_head, max_len - n_head)
    # Word vectors are learned from whole rows, and samples are sorted by them.
    params = SMALL | NO_DROPOUT | {"word_vectors": None, "batch_size": 100}
    shortening = LSTMClassifier(**params, max_len=max_len).fit(X, y)
    whole = LSTMClassifier(**params, max_len=None).fit(short, y)
    np.testing.assert_allclose(
        shortening.predict_proba(X), whole.predict_proba(short), rtol=0, atol=1e-5
    )
    assert np.array_equal(shortening.predict_proba(X), shortening.predict_proba(short))
    shortening.partial_fit(X, y)
    whole.partial_fit(short, y)
    np.testing.assert_allclose(
        shortening.predict_proba(X), whole.predict_proba(short), rtol=0, atol=1e-5
    )


def test_max_len_of_the_longest_row_changes_nothing(long_ids):
    X, y = long_ids
    proba = [
        LSTMClassifier(**SMALL, max_len=max_len).fit(X, y).predict_proba(X)
        for max_len in (None, 30, 400)
    ]
    assert np.array_equal(proba[0], proba[1])
    assert np.array_equal(proba[0], proba[2])


# ---- Reproducibility and weights


def test_the_order_of_the_samples_does_not_matter(ids, fitted):
    X, y = ids
    order = np.random.default_rng(0).permutation(len(y))
    other = LSTMClassifier(**SMALL).fit(X[order], y[order])
    assert np.array_equal(fitted.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize("class_weight", [None, "balanced", "sqrt", {5: 2.0, 1: 0.5}])
@pytest.mark.parametrize("ngrams", [None, NgramClassifier(n_buckets=64)])
def test_a_weight_of_two_is_the_sample_twice(ids, class_weight, ngrams):
    X, y = ids
    weights = np.random.default_rng(0).integers(0, 4, len(y))
    params = SMALL | {"class_weight": class_weight, "ngrams": ngrams}
    weighted = LSTMClassifier(**params).fit(X, y, sample_weight=weights)
    repeated = LSTMClassifier(**params).fit(X.repeat(weights, 0), y.repeat(weights))
    assert np.array_equal(weighted.predict_proba(X), repeated.predict_proba(X))


@pytest.mark.parametrize("scale", [0.5, 1000])
def test_weights_that_are_no_counts_scale_the_loss(scale):
    # The same row with two labels: the weights alone decide.
    X, y = np.full((80, 2), 5), np.repeat([0, 1], 40)
    weights = scale * np.repeat([1, 3], 40)
    classifier = LSTMClassifier(**QUICK | {"max_epochs": 30})
    classifier.fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(
        classifier.predict_proba(X[:1])[0], [0.25, 0.75], atol=0.05
    )


def test_class_weights_shift_the_probabilities():
    X, y = np.full((80, 2), 5), np.repeat(["a", "b"], [72, 8])
    for class_weight, expected in (
        (None, [0.9, 0.1]),
        ("sqrt", [0.75, 0.25]),
        ("balanced", [0.5, 0.5]),
        ({"b": 27}, [0.25, 0.75]),
    ):
        params = QUICK | {"max_epochs": 30, "class_weight": class_weight}
        found = LSTMClassifier(**params).fit(X, y).predict_proba(X[:1])[0]
        np.testing.assert_allclose(found, expected, atol=0.06)


@pytest.mark.parametrize(
    ("decision", "class_weight"), [("mode", "sqrt"), ("median", None)]
)
def test_automatic_class_weights_suit_the_decision(ids, decision, class_weight):
    params = SMALL | {"decision": decision}
    models = [
        LSTMClassifier(**params, class_weight=weight).fit(*ids)
        for weight in ("auto", class_weight)
    ]
    assert np.array_equal(*[model.predict_proba(ids[0]) for model in models])
    assert models[0].recipe_.class_weight == class_weight
    LSTMClassifier(**SMALL, class_weight="auto").partial_fit(*ids, classes=range(1, 6))


@pytest.mark.parametrize("weight", [1, 0.7])
@pytest.mark.parametrize("ngrams", [None, NgramClassifier(n_buckets=64)])
def test_a_class_may_have_samples_of_weight_zero_only(ids, weight, ngrams):
    X, y = ids
    weights = np.where(y == 3, 0, weight)
    classifier = LSTMClassifier(**QUICK, ngrams=ngrams).fit(X, y, weights)
    assert list(classifier.classes_) == [1, 2, 3, 4, 5]
    proba = classifier.predict_proba(X)
    assert proba.shape == (len(y), 5)
    assert np.isfinite(proba).all()
    assert 3 not in classifier.predict(X)


def test_a_class_may_have_a_class_weight_of_zero(ids):
    X, y = ids
    params = QUICK | {"class_weight": {3: 0}, "ngrams": NgramClassifier(n_buckets=64)}
    classifier = LSTMClassifier(**params).fit(X, y)
    assert list(classifier.ngrams_.classes_) == [1, 2, 3, 4, 5]
    assert 3 not in classifier.predict(X)


# ---- Held-out samples


class SplitSpy(Callback):
    """Keeps the ids and labels of the training and the held-out samples."""

    def on_epoch_begin(self, net, dataset_train, dataset_valid, **kwargs):
        self.sides_ = [
            []
            if side is None
            else list(zip(map(tuple, _rows_of(side)), side.y.tolist(), strict=True))
            for side in (dataset_train, dataset_valid)
        ]


def _rows_of(dataset):
    return np.split(dataset.rows.ids, dataset.rows.offsets[1:-1])


def _split_of(X, y, **params):
    params = SMALL | {"max_epochs": 1, "callbacks": [SplitSpy()]} | params
    classifier = LSTMClassifier(**params).fit(X, y)
    return dict(classifier.net_.callbacks_)["SplitSpy"].sides_


def test_copies_of_a_sample_are_never_on_both_sides(ids):
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


def test_a_class_with_one_sample_is_trained_on():
    X = np.arange(2, 82).reshape(20, 4)
    y = np.repeat([0, 1, 2], [10, 9, 1])
    train, valid = _split_of(X, y, validation_fraction=0.1)
    assert {label for _, label in train} == {0, 1, 2}
    assert {label for _, label in valid} == {0, 1}


def test_a_text_with_two_labels_counts_as_the_rarer():
    # The only text of class 4 has class 0 too.
    X = np.arange(2, 22)[:, None].repeat(3, axis=1)
    X, y = np.vstack([X, X[:1]]), np.repeat([0, 4], [20, 1])
    for seed in range(20):
        train, _ = _split_of(X, y, validation_fraction=0.1, random_state=seed)
        assert {label for _, label in train} == {0, 1}


def test_all_classes_are_trained_on_with_any_fraction(ids):
    train, _ = _split_of(*ids, validation_fraction=0.99)
    assert {label for _, label in train} == set(range(5))


@pytest.mark.parametrize("params", [{}, {"validation_fraction": None}])
def test_all_samples_train_without_a_validation_fraction(ids, params):
    train, valid = _split_of(*ids, **params)
    assert len(train) == len(ids[1]) and valid == []


def test_samples_are_held_out_for_early_stopping(ids):
    X, y = ids
    train, valid = _split_of(X, y, early_stopping=True)
    assert [train, valid] == _split_of(X, y, validation_fraction=0.1)
    assert len(train) + len(valid) == len(y)
    assert 0.1 * len(y) <= len(valid) <= 0.1 * len(y) + 5  # each class is rounded up
    _, valid = _split_of(X, y, early_stopping=True, validation_fraction=0.3)
    assert len(valid) >= 0.3 * len(y)


def test_held_out_samples_do_not_change_the_recipe(ids, monkeypatch):
    # A tenth less would have smaller batches and four epochs.
    monkeypatch.setattr(_recipe, "_BATCH_SAMPLES", (150, 250))
    monkeypatch.setattr(_recipe, "_STEPS", 17)
    models = [
        LSTMClassifier(
            hidden_size=4, word_vectors=None, early_stopping=early_stopping
        ).fit(*ids)
        for early_stopping in (False, True)
    ]
    assert {model.net_.batch_size for model in models} == {48}
    assert {model.net_.max_epochs for model in models} == {5}


@pytest.mark.parametrize("ngrams", [None, NgramClassifier(n_buckets=64)])
def test_history_has_a_row_for_each_epoch(ids, ngrams):
    X, y = ids
    params = SMALL | {"validation_fraction": 0.1, "ngrams": ngrams}
    history = LSTMClassifier(**params).fit(X, y).history_
    assert list(history["epoch"]) == [1, 2]
    for column in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy"):
        assert np.isfinite(history[column]).all()
    assert history["valid_accuracy"].between(0, 1).all()
    assert (history["dur"] > 0).all()
    whole = LSTMClassifier(**SMALL).fit(X, y).history_
    assert not {"valid_loss", "valid_accuracy"} & set(whole)


@pytest.mark.parametrize(
    "params",
    [
        {"early_stopping": "yes"},
        {"validation_fraction": "none"},
        {"validation_fraction": 1.0},
        {"ngram_weight": 1.5},
        {"ngrams": "yes"},
        {"max_len": 0},
        {"dropout": 1.0},
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(ids, params):
    (name,) = params
    with pytest.raises(ValueError, match=f"'{name}' parameter of LSTMClassifier"):
        LSTMClassifier(**params).fit(*ids)


# ---- The network


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_every_architecture_learns_the_order_of_tokens(pooling, cell):
    # Only the order tells the classes apart: a bag of words cannot.
    generator = np.random.default_rng(0)
    X = generator.integers(4, 9, (300, 6))
    y = generator.integers(0, 2, 300)
    X[np.arange(300), 2] = 2 + y
    X[np.arange(300), 3] = 3 - y
    params = SMALL | {"embedding_dim": 16, "hidden_size": 16, "batch_size": 16}
    params |= NO_DROPOUT | {"lr": 0.02, "max_epochs": 12}
    classifier = LSTMClassifier(**params, cell=cell, pooling=pooling)
    assert classifier.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.9


# ---- partial_fit and warm_start


@pytest.mark.parametrize("ngrams", [None, NgramClassifier(n_buckets=64)])
def test_partial_fit_learns_in_pieces(ids, ngrams):
    X, y = ids
    y = np.where(y > 3, "good", "bad")
    classifier = LSTMClassifier(**SMALL | {"lr": 0.02, "ngrams": ngrams})
    for _ in range(8):
        for piece in np.array_split(np.arange(len(y)), 4):
            classifier.partial_fit(X[piece], y[piece], classes=["good", "bad"])
    assert list(classifier.classes_) == ["bad", "good"]
    assert len(classifier.history_) == 32
    assert classifier.score(X, y) > 0.9


def test_partial_fit_takes_pieces_with_one_class(ids):
    X, _ = ids
    classifier = LSTMClassifier(**SMALL).partial_fit(X[:5], [1] * 5, classes=[1, 2])
    assert classifier.predict_proba(X[:5]).shape == (5, 2)
    classifier.partial_fit(X[5:9], [2] * 4)
    with pytest.raises(ValueError, match=r"y\[1\] is 3, which is not among"):
        classifier.partial_fit(X[:2], [1, 3])


@pytest.mark.parametrize("ngrams", [None, NgramClassifier(n_buckets=64)])
def test_partial_fit_is_the_same_before_and_after_pickling(ids, ngrams):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, early_stopping=True, ngrams=ngrams).fit(X, y)
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


def test_partial_fit_refuses_what_needs_all_samples(ids):
    for class_weight in ("balanced", "sqrt"):
        message = f"class_weight='{class_weight}' needs all samples at once"
        with pytest.raises(ValueError, match=message):
            LSTMClassifier(class_weight=class_weight).partial_fit(*ids, classes=[1, 2])
    with pytest.raises(ValueError, match="classes has only one label, 1"):
        LSTMClassifier().partial_fit(*ids, classes=[1])


def test_class_weights_apply_to_pieces_with_one_class(ids):
    X, _ = ids
    models = [
        LSTMClassifier(
            **SMALL,
            class_weight=class_weight,
            net_params={"optimizer": torch.optim.SGD},
        ).partial_fit(X[:64], [1] * 64, classes=[1, 2])
        for class_weight in (None, {1: 100})
    ]
    plain, heavy = (model.predict_proba(X) for model in models)
    assert not np.allclose(plain, heavy)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_warm_start_continues_from_the_weights(ids, early_stopping):
    X, y = ids
    params = SMALL | {"lr": 0.05}
    cold = LSTMClassifier(**params | {"lr": 1e-9}).fit(X, y)
    warm = LSTMClassifier(**params, warm_start=True).fit(X, y)
    trained = warm.predict_proba(X)
    warm.set_params(lr=1e-9, early_stopping=early_stopping).fit(X, y)
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


# ---- The n-gram model


class NgramSpy(NgramClassifier):
    """Keeps the samples of each fit."""

    fits = []

    def fit(self, X, y, sample_weight=None):
        self.fits.append((np.asarray(X), y, sample_weight))
        return super().fit(X, y, sample_weight)


@pytest.fixture
def ngram_fits(monkeypatch):
    """The samples of each fit of an NgramSpy: ids, labels and weights."""
    monkeypatch.setattr(NgramSpy, "fits", [])
    return NgramSpy.fits


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("weight", ["auto", 0.0, 0.3, 1.0])
def test_the_decision_function_is_the_average_of_both_models(ids, n_classes, weight):
    X, y = ids
    y = y if n_classes == 5 else np.where(y > 3, "good", "bad")
    ngrams = NgramClassifier(n_buckets=64)
    both = LSTMClassifier(**SMALL, ngrams=ngrams, ngram_weight=weight).fit(X, y)
    lstm = LSTMClassifier(**SMALL).fit(X, y).decision_function(X)
    linear = ngrams.fit(X, y).decision_function(X)
    share = both.recipe_.ngram_weight
    assert share == (0.5 if weight == "auto" else weight)
    found = both.decision_function(X)
    assert found.shape == ((len(y),) if n_classes == 2 else (len(y), 5))
    assert found.dtype == both.predict_proba(X).dtype == np.float32
    np.testing.assert_allclose(
        found, (1 - share) * lstm + share * linear, rtol=1e-4, atol=1e-5
    )
    assert (both.classes_[both.predict_proba(X).argmax(1)] == both.predict(X)).all()


def test_without_ngrams_the_lstm_is_alone(fitted):
    assert fitted.ngrams_ is None
    assert fitted.recipe_.ngram_weight == 0


def test_ngrams_is_cloned(ids):
    ngrams = NgramClassifier(n_buckets=64)
    classifier = LSTMClassifier(**SMALL, ngrams=ngrams).fit(*ids)
    assert not hasattr(ngrams, "classes_")
    assert classifier.ngrams is ngrams
    with pytest.raises(NotFittedError):
        ngrams.predict(ids[0])


@pytest.mark.parametrize("max_len", [None, 5])
def test_the_ngram_model_has_the_whole_rows_of_the_training_samples(
    ids, ngram_fits, max_len
):
    X, y = ids
    params = {"ngrams": NgramSpy(n_buckets=64), "max_len": max_len}
    train, valid = _split_of(X, y, validation_fraction=0.2, **params)
    ((X_ngrams, y_ngrams, weights),) = ngram_fits
    expected, _ = _split_of(X, y, validation_fraction=0.2, max_len=None)
    assert 0 < len(valid) and len(train) == len(expected) == len(X_ngrams)
    found = [tuple(row[row != 0].tolist()) for row in X_ngrams]
    assert [row for row, _ in expected] == found
    assert [label + 1 for _, label in expected] == y_ngrams.tolist()
    assert weights is None


def test_the_ngram_model_has_the_weights_of_the_samples(ids, ngram_fits):
    X, y = ids
    weights = np.random.default_rng(0).uniform(0.1, 2, len(y))
    by_class = {1: 3.0, 2: 1.0, 3: 0.5, 4: 1.0, 5: 1.0}
    params = SMALL | {"class_weight": by_class, "ngrams": NgramSpy(n_buckets=64)}
    LSTMClassifier(**params).fit(X, y, weights)
    ((X_ngrams, y_ngrams, found),) = ngram_fits
    weights = weights * np.array([by_class[label] for label in y])
    expected = {
        (*row, label): weight / weights.mean()
        for row, label, weight in zip(X.tolist(), y.tolist(), weights, strict=True)
    }
    for row, label, weight in zip(X_ngrams.tolist(), y_ngrams, found, strict=True):
        assert weight == pytest.approx(expected[(*row, label)], rel=1e-5)


def test_parameters_of_the_ngram_model_can_be_searched(reviews):
    pipe = make_review_pipeline(random_state=0)
    pipe.set_params(**{f"lstm__{name}": value for name, value in SMALL.items()})
    grid = {
        "lstm__ngrams__n_buckets": [64],
        "lstm__ngrams__ngram_range": [(1, 1), (1, 3)],
    }
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(*reviews)
    best = search.best_estimator_["lstm"]
    assert best.ngrams_.ngram_range == search.best_params_["lstm__ngrams__ngram_range"]


# ---- Word vectors of a pipeline with a stemmer

TEXTS = ["amazing movies", "it crashes", "really amazing games", "crashes constantly"]
SURFACE = {
    word: np.full(4, i, float) for i, word in enumerate(" ".join(TEXTS).split(), 1)
}


def _found_share(pipe, X=None, y=None):
    """Return the share of the words whose vector is the given one."""
    ids = pipe["vectorize"].vocabulary_
    stems = {"amazing": "amaz", "movies": "movi", "games": "game"}
    stems |= {"crashes": "crash", "constantly": "constant", "it": "it"}
    table = pipe["lstm"].net_.module_.embedding.weight.detach().numpy()
    if table.shape[1] != 4:
        return 0.0
    present = {word: ids[stem] for word, stem in stems.items() if stem in ids}
    return np.mean([(table[i] == SURFACE[word]).all() for word, i in present.items()])


@pytest.fixture
def stemming_pipeline():
    pipe = make_review_pipeline(random_state=0, lstm__ngrams=None)
    params = SMALL | {"max_epochs": 1, "freeze_embeddings": True}
    return pipe.set_params(**{f"lstm__{name}": v for name, v in params.items()})


def test_word_vectors_set_later_agree_with_the_stemmer(stemming_pipeline):
    X, y = TEXTS * 4, [1, 0] * 8
    stemming_pipeline.set_params(lstm__word_vectors=SURFACE).fit(X, y)
    assert "amaz" in stemming_pipeline["vectorize"].vocabulary_
    assert _found_share(stemming_pipeline) == 1


def test_searched_word_vectors_agree_with_the_stemmer(stemming_pipeline):
    stemming_pipeline.set_params(lstm__freeze_embeddings="auto", lstm__lr=1e-12)
    grid = {"lstm__word_vectors": [None, SURFACE]}
    search = GridSearchCV(stemming_pipeline, grid, cv=2, scoring=_found_share)
    search.fit(TEXTS * 4, [1, 0] * 8)
    assert search.cv_results_["mean_test_score"].tolist() == [0, 1]
    assert _found_share(search.best_estimator_) == 1


# ---- Invalid input


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
def test_invalid_data_are_refused_and_change_nothing(ids, X, y, message):
    classifier = LSTMClassifier(**SMALL).fit(*ids)
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
def test_invalid_sample_weights_are_refused(ids, weights, message):
    with pytest.raises(ValueError, match=message):
        LSTMClassifier(**SMALL).fit(*ids, sample_weight=weights)


def test_a_class_weight_may_name_a_label_that_the_fold_lacks(ids):
    X, y = ids
    kept = y != 2
    weighted = LSTMClassifier(**SMALL, class_weight={1: 2, 2: 1})
    expected = LSTMClassifier(**SMALL, class_weight={1: 2})
    assert np.array_equal(
        weighted.fit(X[kept], y[kept]).predict_proba(X),
        expected.fit(X[kept], y[kept]).predict_proba(X),
    )


@pytest.mark.parametrize("weight", [-1, np.nan, np.inf, "2"])
def test_invalid_class_weights_are_refused(ids, weight):
    with pytest.raises(ValueError, match="class_weight of 5 is .*0 or more"):
        LSTMClassifier(**SMALL, class_weight={5: weight}).fit(*ids)


def test_class_weights_that_are_all_zero_are_refused(ids):
    class_weight = dict.fromkeys(range(1, 6), 0)
    with pytest.raises(ValueError, match="every sample a weight of zero"):
        LSTMClassifier(**SMALL, class_weight=class_weight).fit(*ids)


def test_a_class_weight_for_an_unknown_label_is_refused(ids):
    with pytest.raises(ValueError, match=r"class_weight names the labels \[6\]"):
        LSTMClassifier(**SMALL, class_weight={6: 2}).fit(*ids)


def test_rows_of_another_length_are_refused(ids, fitted):
    with pytest.raises(ValueError, match="features"):
        fitted.predict(ids[0][:, :-1])


# ---- Errors come before work


class Unreachable(NgramClassifier):
    def fit(self, X, y, sample_weight=None):
        raise AssertionError("the n-gram model was fitted")


def test_a_changed_architecture_is_refused_before_the_ngram_model_is_fitted(ids):
    classifier = LSTMClassifier(**SMALL, warm_start=True).fit(*ids)
    classifier.set_params(hidden_size=3, ngrams=Unreachable())
    with pytest.raises(ValueError, match="architecture of the earlier fit"):
        classifier.fit(*ids)


def test_parameters_that_the_ngram_model_refuses_leave_the_lstm_unchanged(ids):
    X, y = ids
    ngrams = NgramClassifier(n_buckets=64)
    classifier = LSTMClassifier(**SMALL, ngrams=ngrams).fit(X, y)
    before = classifier.predict_proba(X)
    classifier.ngrams_.set_params(class_weight="balanced")
    with pytest.raises(ValueError, match="class_weight='balanced' needs all samples"):
        classifier.partial_fit(X, y)
    np.testing.assert_array_equal(classifier.predict_proba(X), before)
