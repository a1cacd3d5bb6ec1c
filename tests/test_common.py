"""The contracts that every estimator keeps."""

import pickle
import subprocess
import sys
from copy import deepcopy

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn.pipeline import Pipeline
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

from skreviews import (
    LSTMClassifier,
    SequenceVectorizer,
    TextCleaner,
    TextResampler,
    make_review_pipeline,
)

SMALL = {"embedding_dim": 8, "hidden_size": 8, "max_epochs": 2, "batch_size": 32}
SMALL_STEP = {f"lstm__{name}": value for name, value in SMALL.items()}

# These two checks feed continuous numbers to every classifier, whatever its tags say
# (all others round them for a classifier of categories). Numbers that are not whole are
# no token ids and are refused, so these two see a classifier that rounds.
FEED_FRACTIONS = {
    "check_class_weight_classifiers",
    "check_sample_weight_equivalence_on_dense_data",
}
# The first has 50 rows, and gives what it knows to iterate (`max_iter`) 1,000 rounds.
MORE_EPOCHS = {"max_epochs": 50}

# This check has three words as labels, whose order the ordinal settings cannot know.
FEED_WORDS = {"check_classifiers_classes"}
ORDINAL = {"objective": "ordinal", "decision": "median"}


class RoundingClassifier(LSTMClassifier):
    def fit(self, X, y, sample_weight=None):
        return super().fit(self._round(X), y, sample_weight)

    def predict_proba(self, X):
        return super().predict_proba(self._round(X))

    def _round(self, X):
        return np.round(np.abs(X) * 10)


def _name_of(check):
    return getattr(check, "func", check).__name__


def _checks_of_classifier():
    for params, left_out in (({}, set()), (ORDINAL, FEED_WORDS)):
        for classifier, checks in (
            (LSTMClassifier(**params), lambda name: name not in FEED_FRACTIONS),
            (
                RoundingClassifier(**params, **MORE_EPOCHS),
                lambda name: name in FEED_FRACTIONS,
            ),
        ):
            for estimator, check in estimator_checks.estimator_checks_generator(
                classifier, legacy=True, mark=None
            ):
                name = _name_of(check)
                if checks(name) and name not in left_out:
                    names = [name, *params.values()]
                    yield pytest.param(estimator, check, id="-".join(names))


@pytest.mark.parametrize(("estimator", "check"), list(_checks_of_classifier()))
def test_the_classifier_passes_scikit_learns_checks(estimator, check):
    check(estimator)


# The checks of scikit-learn that never touch X; the others know no texts.
CHECKS_WITHOUT_X = [
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_mixin_order",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
    "check_param_validation",
]
TEXT_ESTIMATORS = [TextCleaner(), TextResampler(), SequenceVectorizer()]


@pytest.mark.parametrize("check", CHECKS_WITHOUT_X)
@pytest.mark.parametrize("estimator", TEXT_ESTIMATORS, ids=lambda e: type(e).__name__)
def test_text_estimators_pass_the_checks_that_need_no_data(estimator, check):
    getattr(estimator_checks, check)(type(estimator).__name__, clone(estimator))


def _run(estimator, X, y):
    """Fit the estimator and return all that it makes of X, as plain arrays."""
    if isinstance(estimator, TextResampler):
        texts, labels = estimator.fit_resample(X, y)
        return [np.asarray(texts), np.asarray(labels)]
    return [np.asarray(estimator.fit(X, y).transform(X))]


@pytest.fixture(
    params=[TextCleaner(), TextResampler(random_state=0), SequenceVectorizer()],
    ids=lambda e: type(e).__name__,
)
def text_estimator(request):
    return clone(request.param)


def test_text_estimators_give_the_same_for_every_container(
    text_estimator, as_container, reviews
):
    X, y = reviews
    expected = _run(clone(text_estimator), list(X), y)
    found = _run(text_estimator, as_container(list(X)), y)
    for e, f in zip(expected, found, strict=True):
        assert np.array_equal(e, f.astype(e.dtype))


def test_text_estimators_leave_their_input_alone(text_estimator, as_container, reviews):
    X, y = list(reviews[0]), reviews[1].copy()
    container, before = as_container(X), as_container(X)
    _run(text_estimator, container, y)
    assert all(a == b for a, b in zip(container, before, strict=True))
    assert np.array_equal(y, reviews[1])


@pytest.mark.parametrize("estimator", [TextCleaner(), SequenceVectorizer()])
def test_transform_gives_a_row_the_same_alone_and_in_any_order(estimator, reviews):
    X = reviews[0]
    whole = estimator.fit(X).transform(X)
    order = np.random.default_rng(0).permutation(len(X))
    assert np.array_equal(whole[order], estimator.transform(X[order]))
    assert np.array_equal(whole[3:4], estimator.transform(X[3:4]))


def test_refit_equals_a_fresh_fit(text_estimator, reviews):
    X, y = reviews
    _run(text_estimator, X[:50], y[:50])
    again = _run(text_estimator, X, y)
    fresh = _run(clone(text_estimator), X, y)
    assert all(np.array_equal(a, b) for a, b in zip(again, fresh, strict=True))


def test_a_refitted_classifier_equals_a_fresh_one(ids):
    X, y = ids
    refitted = LSTMClassifier(**SMALL, random_state=0).fit(X[:50], y[:50]).fit(X, y)
    fresh = LSTMClassifier(**SMALL, random_state=0).fit(X, y)
    assert np.array_equal(refitted.predict_proba(X), fresh.predict_proba(X))


def test_unfitted_estimators_say_so(reviews):
    X = reviews[0]
    for method in ("transform", "inverse_transform", "oov_rate"):
        with pytest.raises(NotFittedError):
            getattr(SequenceVectorizer(), method)(X)
    for method in ("predict", "predict_proba"):
        with pytest.raises(NotFittedError):
            getattr(LSTMClassifier(), method)([[2, 3]])
        with pytest.raises(NotFittedError):
            getattr(make_review_pipeline(), method)(X)


def test_the_cleaner_has_nothing_to_learn(reviews):
    X = reviews[0]
    assert np.array_equal(TextCleaner().transform(X), TextCleaner().fit_transform(X))


@pytest.fixture(scope="module")
def fitted(reviews):
    """A fitted pipeline, small."""
    return make_review_pipeline(random_state=0, **SMALL_STEP).fit(*reviews)


def test_get_params_names_every_parameter_of_every_step():
    params = make_review_pipeline().get_params()
    for step, estimator in (("clean", TextCleaner()), ("lstm", LSTMClassifier())):
        for name in estimator.get_params():
            assert f"{step}__{name}" in params


def test_the_pipeline_stems_words_unless_pretrained_vectors_are_given():
    vectors = {"lstm__word_vectors": {"good": [1.0, 0.0]}}
    for params, stemmer in (
        ({}, "snowball"),
        ({"lstm__word_vectors": None}, "snowball"),
        ({"lstm__word_vectors": "cooccurrence"}, "snowball"),
        (vectors, None),
        (vectors | {"clean__stemmer": "porter"}, "porter"),
        ({"lstm": LSTMClassifier(word_vectors={"good": [1.0, 0.0]})}, None),
        ({"clean": TextCleaner()}, None),
    ):
        assert make_review_pipeline(**params)["clean"].stemmer == stemmer


def test_clone_forgets_the_fit_and_keeps_the_parameters(fitted):
    copy = clone(fitted)
    assert copy.get_params()["lstm__hidden_size"] == 8
    assert not hasattr(copy["lstm"], "net_")


def test_a_copy_predicts_the_same(fitted, reviews):
    X = reviews[0]
    expected = fitted.predict_proba(X)
    assert np.array_equal(deepcopy(fitted).predict_proba(X), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), expected)


def test_a_new_process_gives_exactly_the_same_probabilities(fitted, reviews, tmp_path):
    X = reviews[0]
    joblib.dump(fitted, tmp_path / "pipe.joblib")
    joblib.dump(X, tmp_path / "X.joblib")
    code = (
        "import joblib, numpy; X = joblib.load('X.joblib');"
        "numpy.save('proba.npy', joblib.load('pipe.joblib').predict_proba(X))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    found = np.load(tmp_path / "proba.npy")
    assert np.array_equal(found, fitted.predict_proba(X))


def test_a_pickle_holds_no_optimizer_and_no_training_data(reviews):
    X, y = reviews
    pipe = make_review_pipeline(random_state=0, **SMALL_STEP).fit(X, y)
    saved = pickle.dumps(pipe)
    assert b"exp_avg" not in saved
    assert not any(text.encode() in saved for text in X if len(text.split()) > 5)
    # Adam's two moments would add twice the weights.
    n_weights = sum(p.numel() for p in pipe["lstm"].net_.module_.parameters())
    words = sum(len(word) + 20 for word in pipe["vectorize"].vocabulary_)
    assert len(saved) < 4 * n_weights + words + 20_000


def test_a_pickle_does_not_grow_with_the_training_data(reviews):
    X, y = reviews
    words = sorted({word for text in X for word in text.split()})
    # The resampler keeps the numbers of the chosen rows, as imbalanced-learn's do.
    steps = {"resample": "passthrough", "vectorize__vocabulary": words}
    pipe = make_review_pipeline(random_state=0, vectorize__max_len=9, **steps)
    pipe.set_params(**SMALL_STEP)
    once = len(pickle.dumps(clone(pipe).fit(X, y)))
    ten_times = len(pickle.dumps(clone(pipe).fit(np.tile(X, 10), np.tile(y, 10))))
    assert abs(ten_times - once) < 1000


def test_pandas_output_gives_the_same_predictions(reviews):
    X, y = reviews
    pipe = make_review_pipeline(random_state=0, **SMALL_STEP)
    words = sorted({word for text in X for word in text.split()})
    pipe.set_params(vectorize__vocabulary=[*words, "neverwritten"])
    expected = clone(pipe).fit(X, y).predict_proba(X)
    set_once = clone(pipe).set_output(transform="pandas").fit(X, y)
    assert isinstance(set_once[:-1].transform(X), pd.DataFrame)
    assert np.array_equal(set_once.predict_proba(X), expected)
    with sklearn.config_context(transform_output="pandas"):
        assert np.array_equal(clone(pipe).fit(X, y).predict_proba(X), expected)
    assert set_once[:-1].get_feature_names_out()[0] == "sequencevectorizer0"


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_over_all_steps_works_on_raw_texts(reviews, n_jobs):
    grid = {
        "lstm__hidden_size": [4, 8],
        "clean__stemmer": [None, "porter"],
        "resample": ["passthrough", TextResampler(random_state=0)],
    }
    pipe = make_review_pipeline(random_state=0, **SMALL_STEP)
    search = GridSearchCV(
        pipe, grid, scoring="f1_macro", cv=2, n_jobs=n_jobs, error_score="raise"
    )
    search.fit(*reviews)
    assert len(search.cv_results_["params"]) == 8
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(["good app"]).shape == (1,)


def test_two_processes_find_the_same_scores_as_one(reviews):
    pipe = make_review_pipeline(random_state=0, **SMALL_STEP)
    one = cross_val_score(pipe, *reviews, cv=2, n_jobs=1, scoring="neg_log_loss")
    two = cross_val_score(pipe, *reviews, cv=2, n_jobs=2, scoring="neg_log_loss")
    np.testing.assert_allclose(one, two, rtol=1e-5)


def test_model_selection_tools_take_raw_texts(reviews):
    X, y = reviews
    y = y > 3
    pipe = make_review_pipeline(random_state=0, **SMALL_STEP)
    scores = cross_validate(pipe, X, y, cv=2, scoring=["roc_auc", "neg_log_loss"])
    assert np.isfinite(scores["test_neg_log_loss"]).all()
    _, _, test_scores = learning_curve(pipe, X, y, cv=2, train_sizes=[0.5, 1.0])
    assert np.isfinite(test_scores).all()
    _, permuted, p_value = permutation_test_score(
        pipe, X, y, cv=2, n_permutations=2, random_state=0
    )
    assert permuted.shape == (2,) and 0 < p_value <= 1


def test_meta_estimators_take_raw_texts(reviews):
    X, y = reviews
    pipe = make_review_pipeline(random_state=0, **SMALL_STEP)
    linear = make_pipeline(TfidfVectorizer(), LogisticRegression())
    for estimator in (
        CalibratedClassifierCV(pipe, cv=2),
        VotingClassifier([("lstm", pipe), ("linear", linear)], voting="soft"),
    ):
        proba = estimator.fit(X, y).predict_proba(X)
        assert proba.shape == (len(X), 5)
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)


def test_one_vs_rest_takes_ids(ids):
    X, y = ids
    found = OneVsRestClassifier(LSTMClassifier(**SMALL, random_state=0)).fit(X, y)
    assert found.predict_proba(X).shape == (len(X), 5)


def test_one_vs_rest_takes_raw_texts(reviews):
    X, y = reviews
    pipe = make_review_pipeline(random_state=0, **SMALL_STEP)
    assert OneVsRestClassifier(pipe).fit(X, y).predict(X).shape == (len(X),)


def test_a_cached_pipeline_equals_an_uncached_one(reviews, tmp_path):
    X, y = reviews
    expected = make_review_pipeline(random_state=0, **SMALL_STEP).fit(X, y)
    for _ in range(2):
        pipe = make_review_pipeline(
            random_state=0, memory=str(tmp_path), **SMALL_STEP
        ).fit(X, y)
        assert pipe["lstm"].n_tokens_ == expected["lstm"].n_tokens_
        assert np.array_equal(pipe.predict_proba(X), expected.predict_proba(X))


def test_a_prediction_never_loses_a_row(fitted):
    X = ["", "good", "zzz qqq", "www.x.y", "good"]
    assert fitted.predict(X).shape == (5,)
    proba = fitted.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    # A text without tokens counts as one unknown word.
    np.testing.assert_allclose(proba[0], proba[3])
    np.testing.assert_allclose(
        proba[0], fitted.predict_proba(["zzz"])[0], rtol=0, atol=1e-6
    )


def test_the_steps_are_those_of_imbalanced_learn():
    pipe = make_review_pipeline()
    assert isinstance(pipe, Pipeline)
    assert list(pipe.named_steps) == ["clean", "resample", "vectorize", "lstm"]


def test_an_unknown_step_parameter_is_refused_by_name():
    with pytest.raises(ValueError, match="hiden_size"):
        make_review_pipeline(lstm__hiden_size=64)
