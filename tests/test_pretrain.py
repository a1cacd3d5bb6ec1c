"""Learning from texts without labels, and starting a classifier from it."""

import pickle
from copy import copy, deepcopy

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skreviews import (
    LSTMClassifier,
    SequenceVectorizer,
    TextCleaner,
    make_review_pipeline,
    make_reviews,
    pretrain,
)
from skreviews.neural_network import LanguageModel

SIZES = {"embedding_dim": 12, "hidden_size": 8, "bidirectional": True, "cell": "lstm"}
SMALL = {f"lstm__{name}": value for name, value in SIZES.items()}
SMALL |= {"lstm__precision": "fp32", "lstm__max_epochs": 2, "device": "cpu"}


def make_small(**params):
    return make_review_pipeline(**({"random_state": 0} | SMALL | params))


@pytest.fixture(scope="module")
def unlabelled():
    return make_reviews(300, random_state=1)[0]


@pytest.fixture(scope="module")
def started(unlabelled):
    """A pipeline that starts from unlabelled texts, not fitted."""
    return pretrain(unlabelled, make_small())


@pytest.fixture(scope="module")
def few():
    return make_reviews(40, random_state=2)


def _assert_same(a, b):
    assert a.words == b.words
    assert a.params == b.params
    assert a.losses == b.losses
    np.testing.assert_array_equal(a.table, b.table)
    assert a.weights.keys() == b.weights.keys()
    for name, weight in a.weights.items():
        np.testing.assert_array_equal(weight, b.weights[name])


# ---- What it learns


def test_the_model_has_the_words_and_shapes_of_the_pipeline(unlabelled, started):
    model = started["lstm"].pretrained
    plain = clone(started["clean"]).fit_transform(unlabelled)
    words = SequenceVectorizer().fit(plain).vocabulary_
    assert model.words == tuple(words)
    assert model.table.shape == (len(words) + 2, 12)
    assert not model.table[0].any()
    assert model.table[1:].any(axis=1).all()
    assert {name: weight.shape for name, weight in model.weights.items()} == {
        f"{direction}.{name}": shape
        for direction in ("ahead", "back")
        for name, shape in {
            "weight_ih_l0": (32, 12),
            "weight_hh_l0": (32, 8),
            "bias_ih_l0": (32,),
            "bias_hh_l0": (32,),
        }.items()
    }
    assert model.params == SIZES
    assert len(model.losses) == 2


@pytest.mark.parametrize("params", [{"cell": "gru"}, {"bidirectional": False}])
def test_other_layers_learn_too(unlabelled, few, params):
    pipe = make_small(**{f"lstm__{name}": value for name, value in params.items()})
    pipe = pretrain(unlabelled, pipe)
    assert pipe["lstm"].pretrained.params == SIZES | params
    assert pipe.fit(*few).predict(few[0]).shape == (40,)


def test_what_the_first_layer_is_not_is_free(unlabelled, started, few):
    params = {"num_layers": 2, "pooling": "attention", "ngram_range": None}
    params |= {"segment_len": 5, "dropout": 0.1}
    pipe = clone(started).set_params(
        **{f"lstm__{name}": value for name, value in params.items()}
    )
    assert pipe.fit(*few).predict(few[0]).shape == (40,)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_each_direction_learns_the_order_of_the_words(bidirectional):
    # Alone each of the eight words is as frequent as the others; from its neighbour on
    # either side it is certain.
    cycle = [f"word{letter}" for letter in "abcdefgh"]
    texts = [" ".join((cycle * 4)[i : i + 20]) for i in range(8)] * 4
    pipe = make_small(lstm__bidirectional=bidirectional)
    pipe = pretrain(texts, pipe, max_epochs=60, lr=0.05)
    losses = pipe["lstm"].pretrained.losses
    assert abs(losses[0] - np.log(8)) < 0.3
    assert losses[-1] < np.log(8) / 4


def test_the_loss_falls_below_the_entropy_of_the_words():
    # With all texts in one batch all words compete, and the loss is the whole one.
    texts = make_reviews(60, random_state=0)[0]
    pipe = make_small(vectorize__min_df=3, lstm__hidden_size=32)
    pipe = pretrain(texts, pipe, max_epochs=60, batch_size=60, lr=0.05)
    plain = TextCleaner().fit_transform(texts)
    ids = clone(pipe["vectorize"]).fit_transform(plain)
    counts = np.bincount(ids[ids > 0])
    shares = counts / counts.sum()
    chances = np.sqrt(1 / (len(counts) * shares[shares > 0])).clip(max=1)
    asked = shares[shares > 0] * chances
    asked /= asked.sum()
    losses = pipe["lstm"].pretrained.losses
    assert losses[-1] < losses[0]
    assert losses[-1] < -(asked * np.log(asked)).sum() - 0.1


def test_the_classifier_takes_vectors_of_any_size_unless_it_is_told_one(unlabelled):
    model = pretrain(unlabelled, make_small(lstm__embedding_dim=6))["lstm"].pretrained
    pipe = make_small(lstm__embedding_dim="auto", lstm__pretrained=model)
    y = np.arange(len(unlabelled)) % 2
    net = pipe.fit(unlabelled, y)["lstm"].net_
    assert net.module_.embedding.embedding_dim == 6
    pipe.set_params(lstm__embedding_dim=7)
    with pytest.raises(ValueError, match="embedding_dim=7, but .* embedding_dim=6"):
        pipe.fit(unlabelled, y)
    default = pretrain(unlabelled, make_small(lstm__embedding_dim="auto"))
    assert default["lstm"].pretrained.params["embedding_dim"] == 100


def test_long_texts_are_read_to_their_end():
    text = " ".join(["good app"] * 150)
    model = pretrain([text], make_small(vectorize__max_len=300))["lstm"].pretrained
    assert np.isfinite(model.losses).all()


def test_same_seed_same_model_other_seed_another(unlabelled, started):
    model = started["lstm"].pretrained
    _assert_same(pretrain(unlabelled, make_small())["lstm"].pretrained, model)
    other = pretrain(unlabelled, make_small(random_state=1))["lstm"].pretrained
    assert (other.table != model.table).any()


def test_the_global_generators_and_the_pipeline_stay_as_they_were(unlabelled):
    torch.manual_seed(3)
    np.random.seed(3)
    pipe = make_small()
    before = repr(pipe.get_params())
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    pretrain(unlabelled, pipe)
    assert torch.equal(torch.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])
    assert repr(pipe.get_params()) == before


def test_the_default_pipeline_is_that_of_make_review_pipeline(monkeypatch, unlabelled):
    monkeypatch.setattr("skreviews.pretraining.make_review_pipeline", make_small)
    assert pretrain(unlabelled)["lstm"].pretrained.params == SIZES


def test_verbose_tells_the_losses(unlabelled, capsys):
    pretrain(unlabelled[:50], make_small(lstm__verbose=1), max_epochs=3)
    assert capsys.readouterr().out.count("loss") == 3


# ---- What the classifier makes of it


def test_the_classifier_starts_from_the_weights(started, few):
    pipe = clone(started).set_params(lstm__lr=1e-12, lstm__ngram_range=None)
    model = started["lstm"].pretrained
    module = pipe.fit(*few)["lstm"].net_.module_
    table = module.embedding.weight.detach().numpy()
    np.testing.assert_allclose(table, model.table, atol=1e-6)
    for name, weight in module.layers[0].state_dict().items():
        np.testing.assert_allclose(weight, model.weights[name], atol=1e-6)


def test_words_that_the_labelled_texts_lack_are_known(started, few):
    pipe = clone(started).fit(*few)
    words = started["lstm"].pretrained.words
    assert tuple(pipe["vectorize"].vocabulary_) == words
    assert pipe["lstm"].n_tokens_ == len(words) + 2


def test_vectors_line_up_by_word_with_another_vocabulary(started, few):
    model = started["lstm"].pretrained
    words = [*reversed(model.words[:50]), "neverseen"]
    pipe = clone(started).set_params(vectorize__vocabulary=words, lstm__lr=1e-12)
    table = pipe.fit(*few)["lstm"].net_.module_.embedding.weight.detach().numpy()
    np.testing.assert_allclose(table[2:-1], model.table[2:52][::-1], atol=1e-6)
    np.testing.assert_allclose(table[1], model.table[1], atol=1e-6)
    assert table[-1].any()


def test_frozen_vectors_stay(started, few):
    pipe = clone(started).set_params(lstm__freeze_embeddings=True).fit(*few)
    table = pipe["lstm"].net_.module_.embedding.weight.detach().numpy()
    np.testing.assert_array_equal(table, started["lstm"].pretrained.table)


def test_partial_fit_starts_from_it_once(started, few):
    ids = started[:-1].fit_transform(*few)
    y = np.arange(len(ids)) % 2
    classifier = clone(started["lstm"]).set_params(lr=1e-12)
    classifier.partial_fit(ids, y, classes=[0, 1])
    table = classifier.net_.module_.embedding.weight
    np.testing.assert_allclose(
        table.detach().numpy(), started["lstm"].pretrained.table, atol=1e-6
    )
    classifier.set_params(lr=0.01).partial_fit(ids, y).set_params(lr=1e-12)
    moved = classifier.net_.module_.embedding.weight.detach().clone()
    classifier.partial_fit(ids, y)
    after = classifier.net_.module_.embedding.weight.detach()
    torch.testing.assert_close(after, moved)


def test_a_pretrained_pipeline_can_be_pretrained_again(started):
    again = pretrain(["good app", "bad app"] * 9, started)
    first, second = started["lstm"].pretrained, again["lstm"].pretrained
    assert second is not first
    assert second.words == first.words


# ---- Copies


def test_nothing_copies_the_model(started):
    model = started["lstm"].pretrained
    assert copy(model) is model
    assert deepcopy(model) is model
    assert clone(started)["lstm"].pretrained is model


def test_the_model_cannot_be_changed(started):
    model = started["lstm"].pretrained
    with pytest.raises(AttributeError):
        model.words = ()
    with pytest.raises(ValueError, match="read-only"):
        model.table[2] = 0
    with pytest.raises(ValueError, match="read-only"):
        model.weights["ahead.weight_hh_l0"][0] = 0


def test_pickle_round_trip(started, few):
    _assert_same(
        pickle.loads(pickle.dumps(started["lstm"].pretrained)),
        started["lstm"].pretrained,
    )
    loaded = pickle.loads(pickle.dumps(started))
    np.testing.assert_array_equal(
        loaded.fit(*few).predict_proba(few[0]),
        clone(started).fit(*few).predict_proba(few[0]),
    )


def test_a_fitted_pipeline_does_without_it(started, few):
    pipe = clone(started).fit(*few)
    expected = pipe.predict_proba(few[0])
    whole = len(pickle.dumps(pipe))
    pipe.set_params(lstm__pretrained=None)
    assert len(pickle.dumps(pipe)) < whole
    loaded = pickle.loads(pickle.dumps(pipe))
    np.testing.assert_array_equal(loaded.predict_proba(few[0]), expected)


def test_grid_search_with_and_without(started, few):
    grid = {"lstm__pretrained": [None, started["lstm"].pretrained]}
    search = GridSearchCV(clone(started), grid, cv=2, error_score="raise")
    X, y = few
    assert search.fit(X, y > 3).best_score_ >= 0


# ---- What is refused, before any work


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("embedding_dim", 10),
        ("hidden_size", 9),
        ("bidirectional", False),
        ("cell", "gru"),
    ],
)
def test_other_sizes_are_refused(started, few, name, value):
    pipe = clone(started).set_params(**{f"lstm__{name}": value})
    with pytest.raises(ValueError, match=f"{name}={value!r}.*{SIZES[name]!r}"):
        pipe.fit(*few)
    assert not hasattr(pipe["lstm"], "net_")


def test_bare_ids_and_two_starts_are_refused(started):
    classifier = clone(started["lstm"])
    with pytest.raises(ValueError, match="pretrained needs ids that know their words"):
        classifier.fit([[2, 3], [3, 2]], [0, 1])
    classifier.set_params(word_vectors={"good": [1.0] * 12})
    with pytest.raises(ValueError, match="word_vectors and pretrained both"):
        classifier.fit([[2, 3], [3, 2]], [0, 1])


def test_only_a_language_model_is_a_start(started, few):
    pipe = clone(started).set_params(lstm__pretrained="glove")
    with pytest.raises(ValueError, match="'pretrained' parameter"):
        pipe.fit(*few)


@pytest.mark.parametrize(
    "pipeline",
    [
        make_pipeline(TfidfVectorizer(), LogisticRegression()),
        make_pipeline(LSTMClassifier()),
        LSTMClassifier(),
    ],
)
def test_only_a_pipeline_of_the_two_steps_is_taken(pipeline, unlabelled):
    with pytest.raises(TypeError, match="make_review_pipeline"):
        pretrain(unlabelled, pipeline)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"lstm__device": "cuda:99"}, "not on this machine"),
        ({"lstm__hidden_size": 0}, "'hidden_size' parameter"),
        ({"lstm__word_vectors": {"good": [1.0]}}, "set word_vectors=None"),
        ({"vectorize__max_len": 0}, "'max_len' parameter"),
    ],
)
def test_bad_parameters_of_the_pipeline_are_refused(unlabelled, params, message):
    with pytest.raises(ValueError, match=message):
        pretrain(unlabelled, make_small().set_params(**params))


@pytest.mark.parametrize("params", [{"max_epochs": 0}, {"lr": 0}, {"batch_size": 0}])
def test_bad_parameters_are_refused(unlabelled, params):
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
        pretrain(unlabelled, make_small(), **params)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("good app", "single str"),
        ([], "X is empty"),
        (["good", None], r"X\[1\] is None"),
        (["", ""], "No word stands"),
        (["good", "bad", ""], "No text has two words"),
    ],
)
def test_texts_that_teach_nothing_are_refused(texts, message):
    with pytest.raises(ValueError, match=message):
        pretrain(texts, make_small())


def test_empty_and_one_word_texts_are_left_out(unlabelled):
    texts = ["", "good", *unlabelled, "", "bad"]
    model = pretrain(texts, make_small())["lstm"].pretrained
    assert isinstance(model, LanguageModel)
    assert np.isfinite(model.losses).all()


def test_two_words_are_enough():
    model = pretrain(["good app"], make_small())["lstm"].pretrained
    assert model.words == ("app", "good")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_what_a_gpu_has_learned_starts_a_cpu(unlabelled, few):
    pipe = pretrain(unlabelled, make_small(device="cuda"))
    assert pipe.set_params(lstm__device="cpu").fit(*few).predict(few[0]).shape == (40,)
