"""Conventions of scikit-learn for all estimators and the pipeline."""

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
    NgramClassifier,
    SequenceVectorizer,
    TextCleaner,
    TextResampler,
    make_review_pipeline,
)

SMALL = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "max_epochs": 2,
    "precision": "fp32",
    "random_state": 0,
}
SMALL_STEP = {f"lstm__{name}": value for name, value in SMALL.items()}
SMALL_STEP["lstm__ngrams__n_buckets"] = 64

# ---- Checks of scikit-learn

# Twelve epochs are the fewest that learn the few samples of the checks.
CHECKED = {"embedding_dim": 8, "hidden_size": 8, "max_epochs": 12, "precision": "fp32"}

# These checks feed continuous numbers to every classifier, whatever its tags say; the
# others round them for a classifier of categories. Fractions are no token ids and are
# refused, so these checks get a classifier that rounds.
FEED_FRACTIONS = {
    "check_class_weight_classifiers",
    "check_decision_proba_consistency",
    "check_sample_weight_equivalence_on_dense_data",
}

# The checks that a combination of both models could fail where each passes.
COMBINED = {
    "check_classifiers_classes",
    "check_classifiers_one_label_sample_weights",
    "check_classifiers_train",
    "check_dict_unchanged",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_dont_overwrite_attributes",
    "check_estimators_overwrite_params",
    "check_estimators_partial_fit_n_features",
    "check_estimators_pickle",
    "check_fit_idempotent",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_parameters_default_constructible",
}


class Rounding:
    """Rounds the numbers in X to whole ones."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(self._round(X), y, sample_weight)

    def decision_function(self, X):
        return super().decision_function(self._round(X))

    def _round(self, X):
        return np.round(np.abs(X) * 10)


class RoundingLSTM(Rounding, LSTMClassifier):
    pass


class RoundingNgrams(Rounding, NgramClassifier):
    pass


def _generate_checks():
    ngrams = NgramClassifier(n_buckets=1024)  # enough to avoid collisions
    # check_class_weight_classifiers sets `max_iter` to 1,000 where there is one.
    more_epochs = CHECKED | {"max_epochs": 50}
    for classifier, is_run in (
        (LSTMClassifier(**CHECKED), lambda name: name not in FEED_FRACTIONS),
        (RoundingLSTM(**more_epochs), FEED_FRACTIONS.__contains__),
        (ngrams, lambda name: name not in FEED_FRACTIONS),
        (RoundingNgrams(n_buckets=1024), FEED_FRACTIONS.__contains__),
        (LSTMClassifier(**CHECKED, ngrams=ngrams), COMBINED.__contains__),
    ):
        checks = estimator_checks.estimator_checks_generator(
            classifier, legacy=True, mark=None
        )
        has_ngrams = getattr(classifier, "ngrams", None) is not None
        owner = "Combined" if has_ngrams else type(classifier).__name__
        for estimator, check in checks:
            name = getattr(check, "func", check).__name__
            if is_run(name):
                yield pytest.param(estimator, check, id=f"{owner}-{name}")


@pytest.mark.parametrize(("estimator", "check"), list(_generate_checks()))
def test_classifiers_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "classifier",
    [LSTMClassifier(**SMALL), NgramClassifier(n_buckets=64)],
    ids=lambda classifier: type(classifier).__name__,
)
def test_fractions_are_no_token_ids(classifier, ids):
    X, y = ids
    fractions = np.asarray(X) + 0.5
    fitted = clone(classifier).fit(X, y)
    for call in (
        lambda: fitted.fit(fractions, y),
        lambda: fitted.partial_fit(fractions, y),
        lambda: fitted.predict(fractions),
    ):
        with pytest.raises(ValueError, match=r"X\[0, 0\] is .*not a whole number"):
            call()
    whole = np.asarray(X, float)
    assert np.array_equal(fitted.predict(whole), fitted.predict(X))


# The checks that need no X; the others have no texts.
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
def test_text_estimators_pass_the_checks_without_data(estimator, check):
    getattr(estimator_checks, check)(type(estimator).__name__, clone(estimator))


# ---- Estimators


def _run(estimator, X, y):
    """Fit the estimator and return its output for X as plain arrays."""
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


def test_text_estimators_take_all_containers(text_estimator, as_container, reviews):
    X, y = reviews
    expected = _run(clone(text_estimator), list(X), y)
    found = _run(text_estimator, as_container(list(X)), y)
    for e, f in zip(expected, found, strict=True):
        assert np.array_equal(e, f.astype(e.dtype))


def test_text_estimators_do_not_change_their_input(
    text_estimator, as_container, reviews
):
    X, y = list(reviews[0]), reviews[1].copy()
    container, before = as_container(X), as_container(X)
    _run(text_estimator, container, y)
    assert all(a == b for a, b in zip(container, before, strict=True))
    assert np.array_equal(y, reviews[1])


@pytest.mark.parametrize("estimator", [TextCleaner(), SequenceVectorizer()])
def test_transform_does_not_depend_on_other_samples(estimator, reviews):
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


@pytest.mark.parametrize("ngrams", [None, NgramClassifier(n_buckets=64)])
def test_a_refitted_classifier_equals_a_fresh_one(ids, ngrams):
    X, y = ids
    params = SMALL | {"ngrams": ngrams}
    refitted = LSTMClassifier(**params).fit(X[:50], y[:50]).fit(X, y)
    fresh = LSTMClassifier(**params).fit(X, y)
    assert np.array_equal(refitted.predict_proba(X), fresh.predict_proba(X))


def test_unfitted_estimators_raise(reviews):
    X = reviews[0]
    for method in ("transform", "inverse_transform", "oov_rate"):
        with pytest.raises(NotFittedError):
            getattr(SequenceVectorizer(), method)(X)
    for method in ("predict", "predict_proba", "decision_function"):
        for classifier in (LSTMClassifier(), NgramClassifier()):
            with pytest.raises(NotFittedError):
                getattr(classifier, method)([[2, 3]])
        with pytest.raises(NotFittedError):
            getattr(make_review_pipeline(), method)(X)


def test_the_cleaner_needs_no_fit(reviews):
    X = reviews[0]
    assert np.array_equal(TextCleaner().transform(X), TextCleaner().fit_transform(X))


# ---- The pipeline


@pytest.fixture(scope="module")
def fitted(reviews):
    """A small fitted pipeline that no test changes."""
    return make_review_pipeline(random_state=0, **SMALL_STEP).fit(*reviews)


def test_get_params_returns_all_parameters_of_all_steps():
    params = make_review_pipeline().get_params()
    for step, estimator in (
        ("clean", TextCleaner()),
        ("resample", TextResampler()),
        ("vectorize", SequenceVectorizer()),
        ("lstm", LSTMClassifier()),
        ("lstm__ngrams", NgramClassifier()),
    ):
        for name in estimator.get_params():
            assert f"{step}__{name}" in params


def test_the_pipeline_stems_words_by_default():
    vectors = {"lstm__word_vectors": {"good": [1.0, 0.0]}}
    for params, stemmer in (
        ({}, "snowball"),
        (vectors, "snowball"),
        ({"vectorize__stemmer": "porter"}, "porter"),
        ({"vectorize": SequenceVectorizer()}, None),
    ):
        assert make_review_pipeline(**params)["vectorize"].stemmer == stemmer


def test_clone_keeps_the_parameters_only(fitted):
    copy = clone(fitted)
    assert copy.get_params()["lstm__hidden_size"] == 8
    assert copy["lstm"].ngrams.n_buckets == 64
    assert not {"net_", "ngrams_"} & set(vars(copy["lstm"]))


def test_a_copy_predicts_the_same(fitted, reviews, tmp_path):
    X = reviews[0]
    expected = fitted.predict_proba(X)
    joblib.dump(fitted, tmp_path / "pipe.joblib")
    opened = joblib.load(tmp_path / "pipe.joblib")
    assert np.array_equal(opened.predict_proba(X), expected)
    assert np.array_equal(deepcopy(fitted).predict_proba(X), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), expected)


@pytest.mark.slow
def test_a_new_process_predicts_exactly_the_same(fitted, reviews, tmp_path):
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


def test_a_pickle_has_no_optimizer_and_no_training_data(fitted, reviews):
    X, _ = reviews
    saved = pickle.dumps(fitted)
    assert b"exp_avg" not in saved
    assert not any(text.encode() in saved for text in X if len(text.split()) > 5)
    # Adam's two moments would add twice the weights.
    lstm = fitted["lstm"]
    n_weights = sum(weight.numel() for weight in lstm.net_.module_.parameters())
    n_weights += lstm.ngrams_.weights_.size
    words = sum(len(word) + 20 for word in fitted["vectorize"].vocabulary_)
    assert len(saved) < 4 * n_weights + words + 20_000


def test_a_pickle_does_not_grow_with_the_training_data(reviews):
    X, y = reviews
    words = sorted({word for text in X for word in text.split()})
    # The resampler keeps the indices of the chosen samples, as imbalanced-learn's do.
    steps = {"resample": "passthrough", "vectorize__vocabulary": words}
    steps |= {"vectorize__stemmer": None, "vectorize__max_len": 9}
    pipe = make_review_pipeline(random_state=0, **steps, **SMALL_STEP)
    once = len(pickle.dumps(clone(pipe).fit(X, y)))
    four_times = len(pickle.dumps(clone(pipe).fit(np.tile(X, 4), np.tile(y, 4))))
    assert abs(four_times - once) < 1000


@pytest.mark.filterwarnings("error")
def test_pandas_output_gives_the_same_predictions(reviews):
    X, y = reviews
    pipe = make_review_pipeline(random_state=0, **SMALL_STEP)
    words = sorted({word for text in X for word in text.split()})
    pipe.set_params(vectorize__stemmer=None)
    pipe.set_params(vectorize__vocabulary=[*words, "neverwritten"])
    expected = clone(pipe).fit(X, y).predict_proba(X)
    set_once = clone(pipe).set_output(transform="pandas").fit(X, y)
    assert isinstance(set_once[:-1].transform(X), pd.DataFrame)
    assert np.array_equal(set_once.predict_proba(X), expected)
    with sklearn.config_context(transform_output="pandas"):
        assert np.array_equal(clone(pipe).fit(X, y).predict_proba(X), expected)
    assert set_once[:-1].get_feature_names_out()[0] == "sequencevectorizer0"


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_grid_search_over_all_steps_takes_raw_texts(reviews, n_jobs):
    grid = {
        "lstm__hidden_size": [4, 8],
        "lstm__ngrams": [None, NgramClassifier(n_buckets=64)],
        "clean__lowercase": [True, False],
        "resample": ["passthrough", TextResampler(random_state=0)],
    }
    pipe = make_review_pipeline(random_state=0, **SMALL_STEP)
    search = GridSearchCV(
        pipe, grid, scoring="f1_macro", cv=2, n_jobs=n_jobs, error_score="raise"
    )
    search.fit(*reviews)
    assert len(search.cv_results_["params"]) == 16
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(["good app"]).shape == (1,)


@pytest.mark.slow
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
    for classifier in (LSTMClassifier(**SMALL), NgramClassifier(n_buckets=64)):
        found = OneVsRestClassifier(classifier).fit(X, y)
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


def test_texts_without_tokens_are_predicted(fitted):
    X = ["", "good", "zzz qqq", "www.x.y", "good"]
    assert fitted.predict(X).shape == (5,)
    proba = fitted.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    # A text without tokens counts as one unknown word.
    np.testing.assert_allclose(proba[0], proba[3])
    np.testing.assert_allclose(
        proba[0], fitted.predict_proba(["zzz"])[0], rtol=0, atol=1e-6
    )


def test_the_pipeline_is_one_of_imbalanced_learn():
    pipe = make_review_pipeline()
    assert isinstance(pipe, Pipeline)
    assert list(pipe.named_steps) == ["clean", "resample", "vectorize", "lstm"]


def test_an_unknown_step_parameter_is_refused_by_name():
    with pytest.raises(ValueError, match="hiden_size"):
        make_review_pipeline(lstm__hiden_size=64)
