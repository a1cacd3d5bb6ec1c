"""The recipe: all automatic choices of LSTMClassifier."""

from dataclasses import FrozenInstanceError, asdict
from itertools import product

import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler
from sklearn.base import clone

from skreviews import (
    LSTMClassifier,
    NgramClassifier,
    TextResampler,
    make_review_pipeline,
)
from skreviews.neural_network import Recipe
from skreviews.neural_network._recipe import make_recipe, measure
from skreviews.preprocessing._token_rows import TokenRows

SIZES = np.unique(np.geomspace(50, 10**7, 300).astype(int)).tolist()
LENGTHS = np.geomspace(5, 1000, 16).tolist()
TINY = {"hidden_size": 8, "max_epochs": 1, "device": "cpu", "random_state": 0}
CLASSES = [1, 2, 3, 4, 5]


def choose(n_samples, mean_length, n_tokens=1000, pretrained_dim=None, **params):
    """Return the recipe of so many samples of this mean length."""
    classifier = LSTMClassifier(**{"ngrams": NgramClassifier()} | params)
    n_words = int(n_samples * mean_length)
    return make_recipe(
        classifier.get_params(deep=False), n_samples, n_words, n_tokens, pretrained_dim
    )


# No cliffs


@pytest.mark.parametrize("word_vectors", ["cooccurrence", None])
def test_80_percent_of_the_samples_get_almost_the_recipe_of_all(word_vectors):
    for n_samples, length in product(SIZES, LENGTHS):
        recipe = choose(n_samples, length, word_vectors=word_vectors)
        part = choose(round(0.8 * n_samples), length, word_vectors=word_vectors)
        size = n_samples, length

        def differ(name, recipe=recipe, part=part):
            return abs(getattr(recipe, name) - getattr(part, name))

        # Two steps of rounding.
        assert differ("batch_size") <= 16, size
        fewer, more = sorted([recipe.max_epochs, part.max_epochs])
        assert more <= np.ceil(1.25 * fewer), size
        assert differ("frozen_epochs") <= 4, size
        assert differ("learned_dim") <= 0.12 * recipe.embedding_dim, size
        assert differ("embedding_dropout") <= 0.04, size
        assert differ("adversarial") <= (0.022 if word_vectors is None else 0.012), size
        assert differ("ngram_weight") <= 0.06, size
        for name in ("embedding_dim", "word_dropout", "word_vectors", "class_weight"):
            assert getattr(recipe, name) == getattr(part, name), (name, size)


@pytest.mark.parametrize("length", LENGTHS)
def test_choices_move_in_one_direction_with_the_number_of_samples(length):
    recipes = [choose(n_samples, length) for n_samples in SIZES]
    for name, sign in (
        ("batch_size", 1),
        ("learned_dim", 1),
        ("embedding_dropout", -1),
        ("adversarial", -1),
        ("ngram_weight", -1),
    ):
        values = np.array([getattr(recipe, name) for recipe in recipes])
        # The mean length is that of whole words.
        assert (np.diff(sign * values) >= -0.002).all(), name


def test_all_values_are_within_their_ranges():
    for n_samples, length in product([1, 2, 10, *SIZES[::10]], LENGTHS):
        recipe = choose(n_samples, length)
        assert 32 <= recipe.batch_size <= 64 and recipe.batch_size % 8 == 0
        assert 3 <= recipe.max_epochs <= 20
        assert 0 <= recipe.frozen_epochs < recipe.max_epochs
        assert 100 <= recipe.learned_dim <= recipe.embedding_dim == 200
        assert 0.15 <= recipe.embedding_dropout <= 0.3
        assert 0 <= recipe.adversarial <= 0.05
        assert 0.5 <= recipe.ngram_weight <= 0.8


def test_typical_data():
    little, much = choose(5_000, 20), choose(25_000, 230)
    assert (little.frozen_epochs, little.learned_dim) == (0, 100)
    assert (much.frozen_epochs, much.learned_dim) == (much.max_epochs - 1, 200)
    assert (little.embedding_dropout, much.embedding_dropout) == (0.3, 0.15)
    assert (little.adversarial, much.adversarial) == (0.05, 0.0)
    assert little.ngram_weight == much.ngram_weight == 0.5
    assert choose(500, 200).ngram_weight == 0.8  # few long texts


# Parameters


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 7),
        ("max_epochs", 11),
        ("validation_fraction", 0.3),
        ("class_weight", "balanced"),
        ("class_weight", None),
        ("class_weight", {1: 2.0}),
        ("embedding_dim", 50),
        ("ngram_weight", 0.3),
        ("ngram_weight", 0.0),
        ("word_vectors", "cooccurrence"),
    ],
)
def test_parameters_take_precedence(name, value):
    recipe = choose(5_000, 20, **{name: value})
    assert getattr(recipe, name) == value
    assert recipe.why[name] == "set by the user"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("module__embedding_dropout", "embedding_dropout"),
        ("module__word_dropout", "word_dropout"),
        ("adversarial", "adversarial"),
        ("module__sparse", "sparse"),
    ],
)
def test_net_params_take_precedence(key, name):
    recipe = choose(5_000, 20, net_params={key: 0})
    assert getattr(recipe, name) == 0
    assert recipe.why[name] == "set by the user"


@pytest.mark.parametrize(
    ("freeze", "expected"), [(False, 0), (0, 0), (True, 11), (3, 3), (100, 100)]
)
def test_frozen_epochs_of_the_user(freeze, expected):
    recipe = choose(25_000, 230, freeze_embeddings=freeze, max_epochs=11)
    assert recipe.frozen_epochs == expected
    assert type(recipe.frozen_epochs) is int
    assert recipe.why["frozen_epochs"] == "set by the user"


def test_choices_follow_other_parameters():
    assert choose(5_000, 20, class_weight="auto").class_weight == "sqrt"
    median = choose(5_000, 20, class_weight="auto", decision="median")
    assert median.class_weight is None
    assert choose(5_000, 20, early_stopping=True).validation_fraction == 0.1
    assert choose(5_000, 20).validation_fraction is None
    assert choose(5_000, 20, ngrams=None).ngram_weight == 0.0
    random = choose(25_000, 230, word_vectors=None)
    assert (random.embedding_dim, random.learned_dim) == (100, 0)
    assert (random.frozen_epochs, random.embedding_dropout) == (0, 0.3)
    given = choose(25_000, 230, word_vectors={"good": [1.0]}, pretrained_dim=7)
    assert (given.word_vectors, given.embedding_dim) == ("pretrained", 7)
    assert (given.learned_dim, given.frozen_epochs) == (0, 0)
    assert choose(5_000, 20, n_tokens=50_001).sparse
    assert not choose(5_000, 20, n_tokens=50_000).sparse


def test_partial_fit_does_not_know_the_size_of_the_data():
    recipe = choose(0, 0, class_weight="auto")
    assert (recipe.n_samples, recipe.n_words, recipe.max_epochs) == (0, 0, 1)
    assert (recipe.word_vectors, recipe.embedding_dim) == ("random", 100)
    assert recipe.class_weight is None
    assert recipe.adversarial == 0.0
    assert recipe.ngram_weight == 0.5


# The object


def test_a_recipe_is_frozen_and_lists_all_settings_with_reasons():
    recipe = choose(5_000, 20)
    with pytest.raises(FrozenInstanceError):
        recipe.batch_size = 1
    frame = recipe.to_frame()
    assert list(frame) == ["name", "value", "why"]
    assert list(frame["name"]) == [name for name in asdict(recipe) if name != "why"]
    assert (frame["why"].str.len() > 5).all()
    for name, value in zip(frame["name"], frame["value"], strict=True):
        assert getattr(recipe, name) == value or value is None
        assert name in str(recipe)
    assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_the_net_is_that_of_the_recipe(ids):
    params = TINY | {"max_epochs": "auto", "early_stopping": True}
    classifier = LSTMClassifier(**params, ngrams=NgramClassifier(n_buckets=64))
    classifier.fit(ids[0][:60], ids[1][:60])
    recipe, net = classifier.recipe_, classifier.net_
    assert recipe.n_samples == len(np.unique(ids[0][:60], axis=0))
    assert net.max_epochs == recipe.max_epochs
    assert net.batch_size == recipe.batch_size
    assert net.adversarial == recipe.adversarial
    module = net.module_
    assert module.word_dropout == recipe.word_dropout
    assert module.embedding_dropout.p == recipe.embedding_dropout
    assert module.embedding.embedding_dim == recipe.embedding_dim
    assert "valid_loss" in classifier.history_


def test_held_out_samples_do_not_change_the_recipe(ids):
    recipes = [
        LSTMClassifier(**TINY, validation_fraction=fraction).fit(*ids).recipe_.to_dict()
        for fraction in (None, 0.3)
    ]
    for recipe in recipes:
        del recipe["validation_fraction"], recipe["why"]
    assert recipes[0] == recipes[1]


@pytest.mark.parametrize("optimizer", [None, "a large vocabulary"])
def test_weight_decay_is_that_of_the_optimizer(ids, monkeypatch, optimizer):
    if optimizer is not None:
        monkeypatch.setattr("skreviews.neural_network._recipe._LARGE_VOCABULARY", 10)
    found = [
        LSTMClassifier(**TINY, **params).fit(*ids).predict_proba(ids[0])
        for params in (
            {"weight_decay": 1e-2},
            {"net_params": {"optimizer__weight_decay": 1e-2}},
            {},
        )
    ]
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


# The measured size


def test_the_size_is_that_of_distinct_samples_without_punctuation():
    words = ("good", ",", "app", "!", "4", "don't", "…")
    X = np.array([[2, 3, 4, 0, 0], [2, 3, 4, 0, 0], [6, 7, 8, 1, 5], [3, 0, 0, 0, 0]])
    rows = TokenRows.from_padded(X, 9)
    # good app | 4 don't unknown
    for copies in ([0, 1, 2, 3], [0, 2, 3], [0, 0, 1, 2, 2, 2, 3, 3]):
        assert measure(rows.take(np.array(copies)), words) == (3, 5)
    assert measure(rows, None) == (3, 9)


def test_copies_and_punctuation_do_not_change_the_recipe(reviews):
    pipe = make_review_pipeline(lstm__ngrams=None, vectorize__max_len=60)
    pipe.set_params(**{f"lstm__{name}": value for name, value in TINY.items()})
    texts = [text.replace(" ", " , ") for text in reviews[0]]
    copies = TextResampler(RandomOverSampler(random_state=0))
    recipes = [
        clone(pipe).set_params(**params).fit(texts, reviews[1])["lstm"].recipe_
        for params in ({}, {"resample": copies}, {"clean__punctuation": "remove"})
    ]
    assert recipes[0] == recipes[1] == recipes[2]
    assert recipes[0].n_samples == len(set(texts))
