"""Recipe: the automatic choices of LSTMClassifier."""

from dataclasses import FrozenInstanceError, replace
from types import SimpleNamespace

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
from skreviews.neural_network import _recipe
from skreviews.neural_network._recipe import Recipe, make_recipe, measure
from skreviews.preprocessing._token_rows import TokenRows

SMALL = {"hidden_size": 8, "max_epochs": 2, "precision": "fp32", "random_state": 0}
NAMES = [name for name in Recipe.__dataclass_fields__ if name != "why"]
SIZES = np.unique(np.geomspace(50, 1e7, 120).round().astype(int))
LENGTHS = np.unique(np.geomspace(5, 1000, 24).round().astype(int))
CHOICES = ["batch_size", "max_epochs", "embedding_dropout", "adversarial"]
CHOICES += ["ngram_weight", "frozen_epochs", "learned_dim", "embedding_dim"]


def _make(n_samples=0, n_words=0, n_tokens=1000, pretrained_dim=None, **params):
    params = LSTMClassifier(**{"ngrams": NgramClassifier()} | params).get_params(False)
    return make_recipe(params, n_samples, n_words, n_tokens, pretrained_dim)


@pytest.fixture(scope="module", params=["auto", None], ids=["PPMI", "random"])
def grid(request):
    """Choices for all samples and for 80 % of them.

    Each is an ndarray of shape (n_lengths, n_sizes).
    """
    params = LSTMClassifier(
        ngrams=NgramClassifier(), word_vectors=request.param
    ).get_params(False)

    def choose(sizes):
        recipes = [
            make_recipe(params, n_samples, n_samples * length, 1000)
            for length in LENGTHS.tolist()
            for n_samples in sizes.tolist()
        ]
        shape = len(LENGTHS), len(sizes)
        return SimpleNamespace(
            **{
                name: np.reshape([getattr(recipe, name) for recipe in recipes], shape)
                for name in CHOICES
            }
        )

    folds = (SIZES * 0.8).round().astype(int)
    return SimpleNamespace(
        all=choose(SIZES), folds=choose(folds), is_random=request.param is None
    )


def _differ(grid, name):
    return np.abs(getattr(grid.all, name) - getattr(grid.folds, name))


# ---- Continuity


@pytest.mark.parametrize("name", ["batch_size", "max_epochs"])
def test_80_percent_of_the_samples_get_a_similar_training_length(grid, name):
    values = np.stack([getattr(grid.all, name), getattr(grid.folds, name)])
    ratio = values.max(axis=0) / values.min(axis=0)
    is_similar = ratio <= 1.34
    if name == "max_epochs":
        is_similar |= _differ(grid, name) <= 1
    assert is_similar.all()


def test_80_percent_of_the_samples_get_a_similar_regularisation(grid):
    assert _differ(grid, "embedding_dropout").max() <= 0.04
    assert _differ(grid, "adversarial").max() <= (0.022 if grid.is_random else 0.0111)
    assert _differ(grid, "ngram_weight").max() <= 0.06


def test_80_percent_of_the_samples_get_similar_embeddings(grid):
    assert np.array_equal(grid.all.embedding_dim, grid.folds.embedding_dim)
    assert (_differ(grid, "learned_dim") <= 0.12 * grid.all.embedding_dim).all()
    # Where all epochs but the last are frozen, their number follows max_epochs.
    allowed = np.maximum(2, _differ(grid, "max_epochs"))
    assert (_differ(grid, "frozen_epochs") <= allowed).all()


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("batch_size", 1),
        ("embedding_dropout", -1),
        ("adversarial", -1),
        ("ngram_weight", -1),
        ("learned_dim", 1),
    ],
)
def test_choices_are_monotone_in_the_amount_of_text(grid, name, sign):
    values = getattr(grid.all, name)
    assert (sign * np.diff(values, axis=1) >= 0).all()


def test_more_samples_do_not_train_for_more_epochs(grid):
    n_words = LENGTHS[:, None] * SIZES
    change = np.diff(grid.all.max_epochs, axis=1)
    # Between these sizes the fewest epochs rise from 3 to 5: frozen embeddings, or
    # more text, allow more epochs.
    low, high = _recipe._MUCH_TEXT
    rises = (n_words[:, 1:] > low) & (n_words[:, :-1] < high)
    assert (change[~rises] <= 0).all()
    assert change[rises].max() <= 1


def test_choices_reach_both_ends_of_their_range(grid):
    for name, expected in {
        "batch_size": (32, 64),
        "max_epochs": (3, 20),
        "ngram_weight": (0.5, 0.8),
        "adversarial": (0, 0.1 if grid.is_random else 0.05),
        "embedding_dropout": (0.3, 0.3) if grid.is_random else (0.15, 0.3),
        "learned_dim": (0, 0) if grid.is_random else (100, 200),
    }.items():
        values = getattr(grid.all, name)
        assert (values.min(), values.max()) == expected, name


@pytest.mark.parametrize(
    ("n_samples", "length", "expected"),
    [(300, 50, 0.5), (300, 100, 0.8), (2500, 100, 0.8), (10_000, 100, 0.5)],
)
def test_few_long_texts_give_the_ngram_model_more_weight(n_samples, length, expected):
    assert _make(n_samples, n_samples * length).ngram_weight == expected


def test_much_text_freezes_its_embeddings_and_little_text_does_not():
    little, much = _make(1000, 10_000), _make(100_000, 1_000_000)
    assert little.frozen_epochs == 0 and little.embedding_dropout == 0.3
    assert much.frozen_epochs == much.max_epochs - 1
    assert (much.embedding_dropout, much.adversarial) == (0.15, 0)


def test_random_vectors_are_not_frozen():
    recipe = _make(100_000, 1_000_000, word_vectors=None)
    assert (recipe.frozen_epochs, recipe.learned_dim) == (0, 0)


@pytest.mark.parametrize(("n_tokens", "expected"), [(50_000, False), (50_001, True)])
def test_large_vocabularies_are_updated_sparsely(n_tokens, expected):
    assert _make(100, 1000, n_tokens).sparse is expected


# ---- Parameters


EXPLICIT = {
    "batch_size": 7,
    "max_epochs": 33,
    "ngram_weight": 0.3,
    "embedding_dim": 17,
    "class_weight": "balanced",
    "validation_fraction": 0.25,
    "frozen_epochs": 2,
}


@pytest.mark.parametrize("name", EXPLICIT)
def test_explicit_parameters_win(name):
    value = EXPLICIT[name]
    param = {"frozen_epochs": "freeze_embeddings"}.get(name, name)
    recipe = _make(1000, 10_000, **{param: value})
    assert getattr(recipe, name) == value
    assert recipe.why[name] == "set by the user"


@pytest.mark.parametrize(
    ("key", "name", "value"),
    [
        ("module__embedding_dropout", "embedding_dropout", 0.05),
        ("module__word_dropout", "word_dropout", 0.4),
        ("module__sparse", "sparse", True),
        ("adversarial", "adversarial", 0.0),
    ],
)
def test_net_params_override_the_recipe(key, name, value):
    recipe = _make(1000, 10_000, net_params={key: value})
    assert getattr(recipe, name) == value
    assert recipe.why[name] == "set by the user"


@pytest.mark.parametrize("name", ["ngram_weight", "class_weight", "embedding_dim"])
def test_an_explicit_choice_leaves_the_others_as_they_are(name):
    automatic = _make(1000, 10_000, class_weight="auto").to_dict()
    explicit = _make(
        1000, 10_000, **{"class_weight": "auto"} | {name: EXPLICIT[name]}
    ).to_dict()
    changed = {key for key in automatic if automatic[key] != explicit[key]}
    assert changed - {"why", "learned_dim"} == {name}


def test_an_explicit_batch_size_sets_the_number_of_epochs():
    assert _make(3200, 32_000, batch_size=16).max_epochs == 5
    assert _make(3200, 32_000, batch_size=32).max_epochs == 10


@pytest.mark.parametrize(("freeze", "expected"), [(True, 9), (False, 0), (4, 4)])
def test_frozen_epochs_follow_the_parameter(freeze, expected):
    recipe = _make(100_000, 10**6, max_epochs=9, freeze_embeddings=freeze)
    assert recipe.frozen_epochs == expected


def test_given_vectors_set_their_own_dimension():
    recipe = _make(1000, 10_000, pretrained_dim=50, word_vectors={"good": np.ones(50)})
    assert (recipe.word_vectors, recipe.embedding_dim) == ("pretrained", 50)
    assert (recipe.learned_dim, recipe.frozen_epochs) == (0, 0)


def test_early_stopping_holds_samples_out():
    assert _make(1000, 10_000).validation_fraction is None
    recipe = _make(1000, 10_000, early_stopping=True)
    assert recipe.validation_fraction == 0.1
    assert recipe.why["validation_fraction"] == "for early stopping"


@pytest.mark.parametrize(("decision", "expected"), [("mode", "sqrt"), ("median", None)])
def test_class_weights_follow_the_decision(decision, expected):
    recipe = _make(1000, 10_000, class_weight="auto", decision=decision)
    assert recipe.class_weight == expected


def test_without_ngrams_the_lstm_has_all_the_weight():
    for ngram_weight in ("auto", 0.7):
        recipe = _make(300, 30_000, ngrams=None, ngram_weight=ngram_weight)
        assert recipe.ngram_weight == 0
        assert recipe.why["ngram_weight"] == "there is no n-gram model"


def test_the_first_partial_fit_knows_no_size():
    recipe = _make(class_weight="auto")
    assert (recipe.n_samples, recipe.n_words, recipe.learned_dim) == (0, 0, 0)
    assert (recipe.word_vectors, recipe.embedding_dim) == ("random", 100)
    assert (recipe.batch_size, recipe.ngram_weight) == (32, 0.5)
    assert recipe.class_weight is None and recipe.frozen_epochs == 0
    assert (recipe.max_epochs, recipe.adversarial) == (1, 0)


# ---- The object


def test_the_recipe_is_frozen():
    recipe = _make(1000, 10_000)
    with pytest.raises(FrozenInstanceError):
        recipe.max_epochs = 3


def test_the_frame_lists_every_setting_with_its_reason():
    recipe = _make(1000, 10_000, lr=0.1, batch_size=16)
    frame = recipe.to_frame()
    assert frame.columns.tolist() == ["name", "value", "why"]
    assert frame["name"].tolist() == NAMES
    for name, value, why in frame.itertuples(index=False):
        assert value == getattr(recipe, name) and type(value) is type(
            getattr(recipe, name)
        )
        assert why == recipe.why[name] and why
    assert set(recipe.why) == set(NAMES)


def test_the_text_is_the_table():
    recipe = _make(1234, 56_789)
    lines = str(recipe).splitlines()
    assert [line.split()[:1] for line in lines] == [[name] for name in NAMES]
    assert "1234" in lines[0] and "distinct samples" in lines[0]
    assert "56,789 words, 46 per text" in str(recipe)


def test_a_recipe_survives_its_dict():
    recipe = _make(1000, 10_000, class_weight={"good": 2.0, "bad": 1.0})
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert replace(recipe, max_epochs=3) != recipe


# ---- The measured size


def test_copies_and_padding_are_not_measured():
    X = np.array([[2, 3, 0], [4, 0, 0], [2, 3, 0], [0, 2, 3], [5, 6, 7]])
    rows = TokenRows.from_padded(X, 8)
    assert measure(rows, None) == (3, 6)


def test_tokens_without_a_letter_or_digit_are_not_measured():
    words = "good", "!", "...", "4", "äh", "🙂"
    rows = TokenRows.from_padded([[2, 3, 4, 5], [6, 7, 1, 0], [3, 3, 0, 0]], 8)
    assert measure(rows, None) == (3, 9)
    assert measure(rows, words) == (3, 4)  # good, 4, äh and the unknown word


def test_punctuation_and_resamplers_do_not_change_the_measured_size(reviews):
    texts, y = reviews
    sizes = [
        _fit_pipeline(texts, y, **params)
        for params in (
            {},
            {"clean__punctuation": "remove"},
            {"resample": TextResampler(sampler=RandomOverSampler(random_state=1))},
        )
    ]
    assert len(set(sizes)) == 1, sizes


def _fit_pipeline(texts, y, **params):
    # The automatic max_len is a quantile of the lengths, in which copies count.
    params = {"vectorize__max_len": 100, "lstm__ngrams": None} | params
    pipeline = make_review_pipeline(
        lstm__hidden_size=4, lstm__max_epochs=1, **params
    ).fit(texts, y)
    recipe = pipeline[-1].recipe_
    return recipe.n_samples, recipe.n_words


# ---- The recipe and the net


def test_the_net_uses_the_recipe(ids):
    params = {"hidden_size": 8, "precision": "fp32", "early_stopping": True}
    classifier = LSTMClassifier(
        **params, ngrams=NgramClassifier(n_buckets=97), random_state=0
    )
    X, y = ids
    classifier.fit(X[:60], y[:60])
    recipe, net = classifier.recipe_, classifier.net_
    module = net.module_
    assert net.batch_size == recipe.batch_size == 32
    assert net.max_epochs == recipe.max_epochs >= len(classifier.history_)
    assert net.adversarial == recipe.adversarial == 0.05
    assert module.embedding_dropout.p == recipe.embedding_dropout
    assert module.word_dropout == recipe.word_dropout
    assert module.embedding.embedding_dim == recipe.embedding_dim
    assert module.embedding.sparse == recipe.sparse
    w = recipe.ngram_weight
    alone = clone(classifier).set_params(ngrams=None).fit(X[:60], y[:60])
    np.testing.assert_allclose(
        classifier.decision_function(X),
        (1 - w) * alone.decision_function(X)
        + w * classifier.ngrams_.decision_function(X),
        atol=1e-5,
    )


def test_the_net_trains_for_the_epochs_of_the_recipe(ids):
    X, y = ids
    classifier = LSTMClassifier(hidden_size=4, embedding_dim=8, random_state=0)
    classifier.fit(X[:40], y[:40])
    assert len(classifier.history_) == classifier.recipe_.max_epochs == 20


def test_the_weight_decay_of_the_net_is_that_of_the_classifier(ids):
    X, y = ids
    given = {"weight_decay": 1e-5}, {"net_params": {"optimizer__weight_decay": 1e-5}}
    first, second, without = (
        LSTMClassifier(**SMALL, **params).fit(X, y) for params in (*given, {})
    )
    assert np.array_equal(first.decision_function(X), second.decision_function(X))
    assert first.recipe_ == second.recipe_ == without.recipe_
    assert not np.array_equal(first.decision_function(X), without.decision_function(X))


@pytest.mark.parametrize("value", [1e-5, 0.01])
def test_a_weight_decay_leaves_the_recipe_as_it_is(value):
    for params in (
        {"weight_decay": value},
        {"net_params": {"optimizer__weight_decay": value}},
    ):
        assert _make(1000, 10_000, **params) == _make(1000, 10_000)
