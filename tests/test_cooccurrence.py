"""Word vectors from the training texts, and the classifier that starts from them."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skorch.callbacks import Callback

from skreviews import LSTMClassifier
from skreviews.embeddings._ppmi import learn_word_vectors
from skreviews.neural_network import _cooccurrence, _sizes
from skreviews.neural_network._batches import TokenDataset

TINY = {"hidden_size": 4, "max_epochs": 3, "device": "cpu", "random_state": 0}


@pytest.fixture
def dataset():
    """Rows of 1 to 12 tokens of ten words, some of them unknown."""
    rng = np.random.default_rng(0)
    rows = rng.integers(1, 12, (30, 12)) * (
        np.arange(12) < rng.integers(1, 13, (30, 1))
    )
    return TokenDataset.from_rows(rows, 14)


@pytest.fixture
def many_words(monkeypatch):
    """Let few words be many."""
    monkeypatch.setattr(_sizes, "_MANY_WORDS", 100)


def _learn(dataset, dim=10, n_learned=None):
    rng = np.random.default_rng(0)
    return learn_word_vectors(dataset, 14, dim, n_learned or dim, rng)


def _products(table):
    """Return the products of all vectors, which know no signs nor size."""
    products = table.astype(float) @ table.astype(float).T
    return products / np.trace(products)


def _information_by_hand(dataset):
    """Return the positive pointwise mutual information of words 1-13 and 2-11."""
    counts = np.zeros((14, 14))
    for start, end in zip(dataset.offsets, dataset.offsets[1:], strict=False):
        row = dataset.ids[start:end]
        for i, word in enumerate(row):
            for j, neighbour in enumerate(row):
                if i != j and abs(i - j) <= 5 and neighbour > 1:
                    counts[word, neighbour] += 1 / abs(i - j)
    smoothed = counts.sum(0) ** 0.75
    expected = counts.sum(1)[:, None] * smoothed / smoothed.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.fmax(np.log(counts / expected), 0)


def test_the_vectors_factor_the_mutual_information(dataset):
    left, values, _ = np.linalg.svd(_information_by_hand(dataset))
    expected = (left * values) @ left.T
    assert_allclose(
        _products(_learn(dataset)), expected / np.trace(expected), atol=1e-6
    )


def test_the_vectors_have_their_size(dataset):
    assert_allclose(_learn(dataset, dim=5)[2:].std(), 0.3, rtol=1e-5)


def test_padding_and_words_that_do_not_occur_have_no_vector(dataset):
    table = _learn(dataset)
    assert_array_equal(table.any(axis=1), [False, *[True] * 11, False, False])


@pytest.mark.parametrize("n_learned", [10, 250])
def test_the_rest_of_the_numbers_is_drawn_for_all_but_padding(dataset, n_learned):
    table = _learn(dataset, 500, n_learned)
    assert table.shape == (14, 500)
    assert_array_equal(table[:, :10], _learn(dataset))  # there are ten neighbours
    assert table[1:, 10:].all()
    assert_allclose(table[1:, 10:].std(), 0.3, rtol=0.05)
    assert not table[0].any()


def test_texts_of_one_word_teach_nothing():
    _assert_drawn(_learn(TokenDataset.from_rows([[2, 0], [3, 0]], 14)))


def test_words_beside_unknown_ones_alone_teach_nothing():
    rows = [[2, 1, 2], [2, 1, 2], [3, 1, 0]]
    table = _learn(TokenDataset.from_rows(rows, 14))
    assert np.isfinite(table).all()
    _assert_drawn(_learn(TokenDataset.from_rows([[2, 1], [2, 1], [2, 1], [3, 1]], 14)))


def _assert_drawn(table):
    expected = np.random.default_rng(0).normal(0, 0.3, (14, 10))
    expected[0] = 0
    assert_allclose(table, expected, rtol=1e-6)


def test_blocks_count_the_same_pairs(dataset, monkeypatch):
    expected = _products(_learn(dataset))
    monkeypatch.setattr(_cooccurrence, "_BLOCK", 20)
    assert_allclose(_products(_learn(dataset)), expected, atol=1e-6)


def test_enough_words_are_a_sample(dataset, monkeypatch):
    everything = _learn(dataset)
    monkeypatch.setattr(_cooccurrence, "_ENOUGH_WORDS", 60)
    sample = _learn(dataset)
    assert not np.array_equal(sample, everything)
    assert_array_equal(sample, _learn(dataset))


# ---- The classifier


class Tables(Callback):
    """Keep the word vectors as they are before each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.tables_ = []

    def on_epoch_begin(self, net, **kwargs):
        self.tables_.append(_table_of(net))


def _table_of(net):
    return net.module_.embedding.weight.detach().numpy().copy()


def _tables_of(classifier):
    """Return the word vectors before each epoch and after the last."""
    before = dict(classifier.net_.callbacks_)["Tables"].tables_
    return [*before, _table_of(classifier.net_)]


def _when_vectors_move(**params):
    def find(ids):
        classifier = LSTMClassifier(**TINY, **params, callbacks=[Tables()]).fit(*ids)
        tables = _tables_of(classifier)
        return [(a != b).any() for a, b in zip(tables, tables[1:], strict=False)]

    return find


@pytest.mark.usefixtures("many_words")
def test_many_words_have_vectors_of_their_own_that_train_in_the_last_epoch(ids):
    params = {"word_vectors": "cooccurrence", "embedding_dropout": 0.15}
    named = LSTMClassifier(**TINY, **params).fit(*ids)
    auto = LSTMClassifier(**TINY).fit(*ids)
    assert_array_equal(auto.predict_proba(ids[0]), named.predict_proba(ids[0]))
    assert _when_vectors_move()(ids) == [False, False, True]


def test_long_texts_have_them_too_however_few_they_are(ids):
    X, y = np.tile(np.asarray(ids[0]), 30), ids[1]
    params = {"word_vectors": "cooccurrence", "embedding_dropout": 0.15}
    named = LSTMClassifier(**TINY, **params, adversarial=0.0)
    auto = LSTMClassifier(**TINY).fit(X, y)
    assert_array_equal(auto.predict_proba(X), named.fit(X, y).predict_proba(X))


def test_few_words_have_them_beside_random_numbers_and_train_from_the_first(ids):
    params = {"word_vectors": "cooccurrence", "embedding_dropout": 0.3}
    named = LSTMClassifier(**TINY, **params, adversarial=0.05)
    auto = LSTMClassifier(**TINY, callbacks=[Tables()]).fit(*ids)
    assert_array_equal(
        auto.predict_proba(ids[0]), named.fit(*ids).predict_proba(ids[0])
    )
    assert _when_vectors_move()(ids) == [True, True, True]
    start = _tables_of(auto)[0]
    assert start.shape[1] == 200
    assert_allclose(start[2:, :100].std(), 0.3, rtol=1e-5)  # there is no such luck
    assert_allclose(start[1:, 100:].std(), 0.3, rtol=0.05)


def test_partial_fit_starts_at_random(ids):
    classes = [1, 2, 3, 4, 5]
    random = LSTMClassifier(**TINY, word_vectors=None)
    auto = LSTMClassifier(**TINY).partial_fit(*ids, classes=classes)
    random.partial_fit(*ids, classes=classes)
    assert_array_equal(auto.predict_proba(ids[0]), random.predict_proba(ids[0]))


@pytest.mark.parametrize(
    ("freeze", "expected"),
    [(False, [True] * 3), (1, [False, True, True]), (True, [False] * 3)],
)
def test_they_stay_for_as_long_as_told(ids, freeze, expected):
    find = _when_vectors_move(word_vectors="cooccurrence", freeze_embeddings=freeze)
    assert find(ids) == expected


def test_they_need_no_words(ids):
    bare = np.asarray(ids[0]), ids[1]
    classifier = LSTMClassifier(**TINY, word_vectors="cooccurrence")
    with_words = copy.deepcopy(classifier).fit(*ids).predict_proba(ids[0])
    assert_array_equal(classifier.fit(*bare).predict_proba(ids[0]), with_words)


def test_early_stopping_finds_them_too(ids):
    params = TINY | {"word_vectors": "cooccurrence", "early_stopping": "refit"}
    first, second = (LSTMClassifier(**params).fit(*ids) for _ in range(2))
    assert_array_equal(first.predict_proba(ids[0]), second.predict_proba(ids[0]))


def test_partial_fit_has_too_few_texts_for_them(ids):
    classifier = LSTMClassifier(**TINY, word_vectors="cooccurrence")
    with pytest.raises(ValueError, match="needs all texts at once"):
        classifier.partial_fit(*ids, classes=[1, 2, 3, 4, 5])
    assert not hasattr(classifier, "net_")
    # After `fit` they are there.
    classifier.fit(*ids).partial_fit(*ids)


@pytest.mark.usefixtures("many_words")
def test_training_goes_on_out_of_a_pickle_as_it_would_have(ids, monkeypatch):
    monkeypatch.setattr(_sizes, "_FEW_ROWS", 100)  # another size of batches, too
    classifier = LSTMClassifier(**TINY).fit(*ids)
    back = pickle.loads(pickle.dumps(classifier)).partial_fit(*ids)
    classifier.partial_fit(*ids)
    assert_array_equal(back.predict_proba(ids[0]), classifier.predict_proba(ids[0]))


@pytest.mark.usefixtures("many_words")
def test_a_warm_start_keeps_what_it_has_learned(ids):
    classifier = LSTMClassifier(**TINY | {"max_epochs": 1}, warm_start=True).fit(*ids)
    learned = _table_of(classifier.net_)
    classifier.set_params(callbacks=[Tables()]).fit(*ids)
    assert_array_equal(_tables_of(classifier)[0], learned)


def test_they_are_larger_than_random_ones_unless_told(ids):
    for params, dim in (
        ({"word_vectors": "cooccurrence"}, 200),
        ({"word_vectors": None}, 100),
        ({"word_vectors": "cooccurrence", "embedding_dim": 9}, 9),
    ):
        params = TINY | {"embedding_dim": "auto", "max_epochs": 1} | params
        assert _table_of(LSTMClassifier(**params).fit(*ids).net_).shape[1] == dim


@pytest.mark.usefixtures("many_words")
def test_a_warm_start_with_fewer_words_keeps_the_size_of_the_vectors(ids):
    params = TINY | {"embedding_dim": "auto", "max_epochs": 1, "warm_start": True}
    X, y = ids
    classifier = LSTMClassifier(**params).fit(X, y)
    rows = [np.flatnonzero(y == label)[0] for label in np.unique(y)]
    classifier.fit(X[rows], y[rows])
    assert _table_of(classifier.net_).shape[1] == 200


@pytest.mark.parametrize(
    ("n_rows", "n_copies", "n_epochs"),
    [(200, 1, 20), (480, 1, 16), (800, 1, 12), (200, 30, 20)],
)
def test_words_that_are_learned_by_heart_are_read_fewer_times(
    ids, n_rows, n_copies, n_epochs
):
    rows = np.arange(n_rows) % len(ids[1])
    X, y = np.tile(np.asarray(ids[0]), n_copies)[rows], ids[1][rows]
    params = TINY | {"max_epochs": "auto", "ngram_range": None, "embedding_dim": 4}
    assert len(LSTMClassifier(**params, max_tokens=5).fit(X, y).history_) == n_epochs
