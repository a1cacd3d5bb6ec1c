"""TextResampler: over- and under-sampling of texts."""

import pickle
import random
from collections import Counter
from enum import Enum

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn import FunctionSampler, over_sampling, under_sampling
from imblearn.base import BaseSampler
from imblearn.combine import SMOTEENN, SMOTETomek
from imblearn.over_sampling import ADASYN, SMOTE, RandomOverSampler
from imblearn.pipeline import Pipeline
from imblearn.under_sampling import (
    ClusterCentroids,
    NearMiss,
    RandomUnderSampler,
    TomekLinks,
)
from numpy.testing import assert_array_equal
from pandas.testing import assert_index_equal, assert_series_equal
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.naive_bayes import MultinomialNB

from skreviews import SequenceVectorizer, TextCleaner, TextResampler

COUNTS = {5: 40, 1: 20, 2: 6, 3: 2}
Y = [label for label, count in COUNTS.items() for _ in range(count)]
Y = np.random.RandomState(0).permutation(Y).tolist()
X = [f"review {row} 👍" for row in range(len(Y))]

CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "U ndarray": lambda values: np.array(values, dtype=str),
    "object ndarray": lambda values: np.array(values, dtype=object),
    "StringDType ndarray": lambda values: np.array(values, np.dtypes.StringDType()),
    "object Series": lambda values: pd.Series(values, dtype=object),
    "str Series": lambda values: pd.Series(values, dtype="str"),
    "category Series": lambda values: pd.Series(values, dtype="category"),
    "Series with odd index": lambda values: pd.Series(
        values, index=[f"row {-row}" for row in range(len(values))], name="content"
    ),
    "Array": lambda values: pa.array(values, pa.string()),
    "large_string": lambda values: pa.array(values, pa.large_string()),
    "string_view": lambda values: pa.array(values, pa.string_view()),
    "dictionary": lambda values: pa.array(values).dictionary_encode(),
    "ChunkedArray": lambda values: pa.chunked_array([values[:9], values[9:]]),
}
LABELS = st.lists(st.sampled_from([1, 2, 3, 5]), min_size=2, max_size=60).filter(
    lambda y: len(set(y)) > 1
)
few = settings(deadline=None, derandomize=True, max_examples=15)


class Star(Enum):
    one = 1
    two = 2
    three = 3
    five = 5


def as_list(values):
    return values.to_pylist() if hasattr(values, "to_pylist") else list(values)


def resample(X, y, *args, **params):
    """Return the fitted resampler and the resampled texts and labels."""
    resampler = TextResampler(*args, **{"random_state": 0} | params)
    return resampler, *resampler.fit_resample(X, y)


def count(*args, y=Y, **params):
    """Return the class sizes after resampling."""
    texts = [f"review {row}" for row in range(len(y))]
    return Counter(as_list(resample(texts, y, *args, **params)[2]))


# Class sizes


def test_hybrid_is_the_default():
    assert TextResampler().sampling_strategy == "hybrid"
    assert count() == count(sampling_strategy="hybrid") == dict.fromkeys(COUNTS, 17)


@given(y=LABELS)
@few
def test_hybrid_sizes_are_the_mean_class_size(y):
    counts = Counter(y)
    size = round(len(y) / len(counts))
    assert count(y=y) == dict.fromkeys(counts, size)


@given(y=LABELS)
@few
def test_sqrt_sizes_are_proportional_to_the_square_roots(y):
    counts = Counter(y)
    roots = {label: np.sqrt(n) for label, n in counts.items()}
    scale = len(y) / sum(roots.values())
    sizes = count(y=y, sampling_strategy="sqrt")
    assert set(sizes) == set(counts)
    for label, size in sizes.items():
        assert abs(size - scale * roots[label]) <= 0.5 or size == 1
    assert abs(sum(sizes.values()) - len(y)) <= len(counts)


def test_sqrt_keeps_the_order_of_the_sizes():
    sizes = count(sampling_strategy="sqrt")
    assert COUNTS[5] > sizes[5] > sizes[1] > sizes[2] > sizes[3] > COUNTS[3]


@pytest.mark.parametrize(
    ("peer", "strategy"),
    [
        (RandomOverSampler, "minority"),
        (RandomOverSampler, "not minority"),
        (RandomOverSampler, "not majority"),
        (RandomOverSampler, "all"),
        (RandomOverSampler, "auto"),
        (RandomUnderSampler, "majority"),
        (RandomUnderSampler, "not minority"),
        (RandomUnderSampler, "not majority"),
        (RandomUnderSampler, "all"),
        (RandomUnderSampler, "auto"),
    ],
)
def test_strategies_of_imblearn_give_the_same_sizes(peer, strategy):
    sampler = peer(sampling_strategy=strategy, random_state=0)
    expected = Counter(sampler.fit_resample(np.arange(len(Y))[:, None], Y)[1])
    assert count(peer(sampling_strategy=strategy)) == expected
    shrinks = strategy in ("majority", "not minority")
    if shrinks == (peer is RandomUnderSampler):
        assert count(sampling_strategy=strategy) == expected


@pytest.mark.parametrize("ratio", [0.5, 0.75, 1, 1.0])
def test_a_ratio_needs_two_classes(ratio):
    y = [5] * 40 + [1] * 10
    peer = RandomOverSampler(sampling_strategy=float(ratio))
    expected = Counter(peer.fit_resample(np.arange(50)[:, None], y)[1])
    assert count(y=y, sampling_strategy=ratio) == expected
    assert expected[1] == 40 * ratio
    with pytest.raises(ValueError, match="binary"):
        count(sampling_strategy=ratio)


def test_a_dict_of_sizes():
    sizes = {5: 10, 3: 30, 1: 20}
    assert count(sampling_strategy=sizes) == sizes | {2: 6}
    assert count(sampling_strategy={2: np.int64(9)}) == COUNTS | {2: 9}
    assert count(sampling_strategy={}) == COUNTS
    assert sizes == {5: 10, 3: 30, 1: 20}


def test_a_callable_from_labels_to_sizes():
    seen = []

    def halve(y):
        seen.append(y)
        return {label: -(-n // 2) for label, n in Counter(y).items()}

    assert count(sampling_strategy=halve) == {5: 20, 1: 10, 2: 3, 3: 1}
    assert as_list(seen[0]) == Y


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ({9: 5}, r"has the label 9, which is not in y.*\[1, 2, 3, 5\]"),
        ({5: 0}, "requests 0 samples of 5. Pass an int of at least 1"),
        ({5: -2}, "requests -2 samples of 5"),
        ({5: 1.5}, "requests 1.5 samples of 5"),
        (lambda y: 5, "returned 5, not a dict"),
        ("median", "'sampling_strategy' parameter of TextResampler"),
        (0.0, "'sampling_strategy' parameter of TextResampler"),
        (1.5, "'sampling_strategy' parameter of TextResampler"),
    ],
    ids=["label", "zero", "negative", "half", "callable", "str", "0.0", "1.5"],
)
def test_invalid_strategies_are_rejected(strategy, message):
    with pytest.raises(ValueError, match=message):
        count(sampling_strategy=strategy)


@pytest.mark.parametrize(
    ("params", "name"),
    [({"sampler": "smote"}, "sampler"), ({"random_state": "0"}, "random_state")],
)
def test_invalid_parameters_are_named(params, name):
    with pytest.raises(ValueError, match=f"'{name}' parameter of TextResampler"):
        TextResampler(**params).fit_resample(X, Y)


# Selected samples


@given(y=LABELS, seed=st.integers(0, 2**32 - 1))
@few
@pytest.mark.parametrize("strategy", ["hybrid", "sqrt", "all", "majority"])
def test_samples_are_selected_with_their_labels(strategy, y, seed):
    texts = [f"review {row}" for row in range(len(y))]
    resampler, X_new, y_new = resample(
        texts, y, sampling_strategy=strategy, random_state=seed
    )
    rows = resampler.sample_indices_
    assert rows.dtype == np.int64
    assert X_new == [texts[row] for row in rows]
    assert y_new == [y[row] for row in rows]
    assert resampler.classes_.tolist() == sorted(set(y))
    old, new = Counter(y), Counter(y_new)
    for label, size in new.items():
        chosen = [row for row in rows if y[row] == label]
        if size >= old[label]:  # over-sampling keeps all samples
            assert set(chosen) == {row for row in range(len(y)) if y[row] == label}
        else:  # under-sampling has no duplicates
            assert len(set(chosen)) == size


@pytest.mark.parametrize("strategy", ["hybrid", "sqrt", "all", "majority", {5: 50}])
def test_samples_keep_their_order(strategy):
    rows = resample(X, Y, sampling_strategy=strategy)[0].sample_indices_
    assert rows.tolist() == sorted(rows)


def test_no_strategy_keeps_all_samples():
    resampler, X_new, y_new = resample(X, Y, sampling_strategy=None)
    assert resampler.sample_indices_.tolist() == list(range(len(X)))
    assert X_new == X
    assert list(y_new) == list(Y)


def test_balanced_classes_are_unchanged():
    y = [1, 5] * 10
    resampler, X_new, y_new = resample(X[:20], y)
    assert resampler.sample_indices_.tolist() == list(range(20))
    assert X_new == X[:20]
    assert y_new == y


# Containers and labels


@pytest.mark.parametrize("name", CONTAINERS)
def test_texts_keep_their_type(name):
    make = CONTAINERS[name]
    texts = make(X)
    resampler, X_new, y_new = resample(texts, Y)
    rows = resampler.sample_indices_
    assert type(X_new) is type(texts)
    assert as_list(X_new) == [X[row] for row in rows]
    assert type(y_new) is list
    assert_array_equal(rows, resample(X, Y)[0].sample_indices_)
    if hasattr(texts, "dtype"):
        assert X_new.dtype == texts.dtype
    if hasattr(texts, "type"):
        assert X_new.type == texts.type
    if isinstance(texts, pd.Series):
        assert_series_equal(X_new, texts.iloc[rows])


@pytest.mark.parametrize("name", CONTAINERS)
def test_labels_keep_their_type(name):
    labels = CONTAINERS[name]([f"{label} stars" for label in Y])
    resampler, X_new, y_new = resample(X, labels)
    rows = resampler.sample_indices_
    assert type(X_new) is list
    assert type(y_new) is type(labels)
    assert as_list(y_new) == [f"{Y[row]} stars" for row in rows]
    assert resampler.classes_.tolist() == ["1 stars", "2 stars", "3 stars", "5 stars"]
    if hasattr(labels, "dtype"):
        assert y_new.dtype == labels.dtype
    if isinstance(labels, pd.Series):
        assert_series_equal(y_new, labels.iloc[rows])


@pytest.mark.parametrize(
    "sampler", [None, RandomOverSampler(random_state=0), RandomUnderSampler()]
)
def test_texts_and_labels_keep_their_index(sampler):
    index = pd.Index(range(900, 900 - len(X), -1), name="id")
    texts = pd.Series(X, index=index)
    resampler, X_new, y_new = resample(texts, pd.Series(Y, index=index), sampler)
    assert_index_equal(X_new.index, index[resampler.sample_indices_])
    assert_index_equal(X_new.index, y_new.index)


@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_the_input_is_not_modified(make):
    texts, labels = make(X), make([str(label) for label in Y])
    resample(texts, labels)
    assert as_list(texts) == X
    assert as_list(labels) == [str(label) for label in Y]


def test_the_output_shares_no_memory_with_the_input():
    array = np.array(X, dtype=object)
    X_new = resample(array, Y)[1]
    X_new[:] = "changed"
    assert array.tolist() == X


@pytest.mark.parametrize(
    "to_label",
    [
        int,
        float,
        str,
        lambda label: label == 5,
        lambda label: (label, "stars"),
        lambda label: ("a",) * label,
        Star,
        lambda label: frozenset({label}),
        lambda label: label if label < 3 else str(label),
    ],
    ids=["int", "float", "str", "bool", "tuple", "ragged tuple", "enum", "frozenset"]
    + ["mixed"],
)
@pytest.mark.parametrize("sampler", [None, RandomOverSampler()], ids=["own", "given"])
def test_labels_may_be_any_hashable_objects(to_label, sampler):
    labels = [to_label(label) for label in Y]
    resampler, _, y_new = resample(X, labels, sampler)
    assert y_new == [labels[row] for row in resampler.sample_indices_]
    assert [type(label) for label in y_new] == [
        type(labels[row]) for row in resampler.sample_indices_
    ]
    assert len(set(Counter(y_new).values())) == 1
    assert set(y_new) == set(labels)


@pytest.mark.parametrize(
    "to_label",
    [str, lambda label: (label, "stars"), Star, lambda label: label > 3],
    ids=["str", "tuple", "enum", "bool"],
)
def test_the_keys_of_a_dict_are_labels(to_label):
    labels = [to_label(label) for label in Y]
    label = labels[Y.index(5)]
    assert count(y=labels, sampling_strategy={label: 7})[label] == 7
    array = np.empty(len(labels), dtype=object)
    array[:] = labels
    for y in (labels, array, pd.Series(array)):
        sampler = RandomUnderSampler(sampling_strategy={label: 7})
        assert count(sampler, y=y)[label] == 7


# Samplers


@pytest.mark.parametrize(
    "sampler",
    [
        RandomOverSampler(random_state=3),
        RandomUnderSampler(random_state=3),
        RandomUnderSampler(random_state=3, replacement=True),
        RandomOverSampler(sampling_strategy={3: 20}, random_state=3),
        RandomUnderSampler(sampling_strategy=lambda y: {5: 4}, random_state=3),
    ],
    ids=["over", "under", "with replacement", "dict", "callable"],
)
def test_a_sampler_selects_the_same_samples_as_alone(sampler):
    peer = sklearn.clone(sampler)
    peer.fit_resample(np.arange(len(Y))[:, None], np.array(Y))
    before = vars(sampler).copy()
    rows = resample(X, Y, sampler)[0].sample_indices_
    assert_array_equal(rows, peer.sample_indices_)
    assert vars(sampler) == before


def test_random_state_is_passed_to_a_sampler_without_its_own():
    given_seed = resample(X, Y, RandomUnderSampler(), random_state=7)[0]
    own_seed = resample(X, Y, RandomUnderSampler(random_state=7), random_state=1)[0]
    assert_array_equal(given_seed.sample_indices_, own_seed.sample_indices_)


def test_function_sampler():
    def keep_every_second(rows, y):
        return rows[::2], y[::2]

    for sampler in (
        FunctionSampler(func=keep_every_second),
        FunctionSampler(func=keep_every_second, validate=False),
    ):
        resampler, X_new, y_new = resample(X, Y, sampler)
        assert X_new == X[::2]
        assert y_new == Y[::2]
        assert_array_equal(resampler.sample_indices_, np.arange(0, len(X), 2))
    assert resample(X, Y, FunctionSampler())[1] == X


class FirstRows(BaseEstimator):
    """A custom sampler that selects the first samples of each class."""

    def __init__(self, n_rows=1):
        self.n_rows = n_rows

    def fit_resample(self, X, y):
        y = np.asarray(y)
        firsts = [np.flatnonzero(y == label)[: self.n_rows] for label in np.unique(y)]
        rows = np.sort(np.concatenate(firsts))
        return X[rows], y[rows]


class LastRows(BaseSampler):
    """A subclass of imblearn's base class with sample_indices_."""

    _sampling_type = "clean-sampling"
    _parameter_constraints: dict = {}

    def _fit_resample(self, X, y):
        self.sample_indices_ = np.arange(len(y) - 30, len(y))
        return X[-30:], y[-30:]


def test_custom_samplers():
    resampler, X_new, y_new = resample(X, Y, FirstRows(n_rows=2))
    assert Counter(y_new) == dict.fromkeys(COUNTS, 2)
    assert X_new == [X[row] for row in resampler.sample_indices_]
    assert resample(X, Y, LastRows())[1] == X[-30:]


class OwnSMOTE(SMOTE):
    pass


class OwnOverSampler(RandomOverSampler):
    pass


class BetweenRows(BaseEstimator):
    def fit_resample(self, X, y):
        return X + 0.5, y


DISTANCE_SAMPLERS = [
    SMOTE(),
    ADASYN(),
    NearMiss(),
    TomekLinks(),
    ClusterCentroids(),
    SMOTEENN(),
    SMOTETomek(),
    over_sampling.BorderlineSMOTE(),
    over_sampling.KMeansSMOTE(),
    over_sampling.SVMSMOTE(),
    over_sampling.SMOTEN(),
    over_sampling.SMOTENC([0]),
    under_sampling.AllKNN(),
    under_sampling.CondensedNearestNeighbour(),
    under_sampling.EditedNearestNeighbours(),
    under_sampling.InstanceHardnessThreshold(),
    under_sampling.NeighbourhoodCleaningRule(),
    under_sampling.OneSidedSelection(),
    under_sampling.RepeatedEditedNearestNeighbours(),
]


@pytest.mark.parametrize(
    "sampler", DISTANCE_SAMPLERS, ids=lambda sampler: type(sampler).__name__
)
def test_samplers_that_interpolate_or_compute_distances_are_rejected(sampler):
    resampler = TextResampler(sampler)
    message = f"{type(sampler).__name__} .*texts do not have.*Use RandomOverSampler"
    for reject in (resampler.fit, resampler.fit_resample):
        for error in (ValueError, TypeError):
            with pytest.raises(error, match=message):
                reject(X, Y)


def test_all_samplers_of_imblearn_are_tested():
    everything = {*over_sampling.__all__, *under_sampling.__all__}
    refused = {type(sampler).__name__ for sampler in DISTANCE_SAMPLERS}
    assert everything - refused == {"RandomOverSampler", "RandomUnderSampler"}


def test_subclasses_of_smote_are_rejected():
    with pytest.raises(ValueError, match="OwnSMOTE .*texts do not have"):
        resample(X, Y, OwnSMOTE(k_neighbors=1))
    with pytest.raises(ValueError, match="texts do not have"):
        resample(X, Y, Pipeline([("smote", SMOTE(k_neighbors=1))]))
    assert len(set(count(OwnOverSampler()).values())) == 1


def test_generated_samples_are_rejected():
    with pytest.raises(ValueError, match="BetweenRows"):
        resample(X, Y, BetweenRows())


def test_shrinkage_is_rejected():
    with pytest.raises(ValueError, match="shrinkage, which generates new samples"):
        resample(X, Y, RandomOverSampler(shrinkage=0.5))


def test_a_sampler_class_is_rejected():
    with pytest.raises((TypeError, ValueError), match="instance"):
        resample(X, Y, RandomOverSampler)


def test_sampling_strategy_and_sampler_exclude_each_other():
    with pytest.raises(ValueError, match="'sqrt' has no effect.*Set it on the sampler"):
        resample(X, Y, RandomOverSampler(), sampling_strategy="sqrt")


# Randomness

SAMPLERS = [None, RandomOverSampler(), RandomUnderSampler()]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
@pytest.mark.parametrize("seed", [0, 42, np.int64(3)])
def test_equal_seeds_select_the_same_samples(sampler, seed):
    resampler, X_new, y_new = resample(X, Y, sampler, random_state=seed)
    again = resampler.fit_resample(X, Y)
    other = resample(X, Y, sampler, random_state=seed)[1:]
    assert again == other == (X_new, y_new)
    assert resample(X, Y, sampler, random_state=99)[1] != X_new


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_a_generator_advances_between_fits(sampler):
    resampler, first, _ = resample(X, Y, sampler, random_state=np.random.RandomState(0))
    assert resampler.fit_resample(X, Y)[0] != first
    again = resample(X, Y, sampler, random_state=np.random.RandomState(0))[1]
    assert again == first


@pytest.mark.parametrize("strategy", ["hybrid", "sqrt", "all", "majority", {5: 9}])
@pytest.mark.parametrize("seed", [0, np.random.RandomState(0)], ids=["int", "own"])
def test_global_random_states_are_unchanged(strategy, seed):
    np.random.seed(1)
    numpy_state, python_state = np.random.get_state(), random.getstate()
    resample(X, Y, sampling_strategy=strategy, random_state=seed)
    resample(X, Y, RandomOverSampler(), random_state=seed)
    assert_array_equal(np.random.get_state()[1], numpy_state[1])
    assert np.random.get_state()[2:] == numpy_state[2:]
    assert random.getstate() == python_state


@given(seed=st.integers(0, 2**32 - 1))
@few
def test_the_selection_does_not_depend_on_the_container(seed):
    expected = resample(X, Y, random_state=seed)[0].sample_indices_
    for make in (tuple, np.array, pd.Series, pa.array):
        resampler = resample(make(X), make(Y), random_state=seed)[0]
        assert_array_equal(resampler.sample_indices_, expected)


# Invalid input


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        ("one text", [1], "single str.*Pass a list"),
        (b"one text", [1], "single bytes"),
        (["a", None, "c"], [1, 2, 1], r"X\[1\] is None.*Drop the row"),
        (["a", "b", np.nan], [1, 2, 1], r"X\[2\] is nan.*Drop the row"),
        (["a", 5, "c"], [1, 2, 1], r"X\[1\] is 5 \(int\).*not a str"),
        (np.array([["a"], ["b"]]), [1, 2], r"shape \(2, 1\)"),
        (pd.DataFrame({"content": ["a", "b"]}), [1, 2], r"X\['content'\]"),
        ([], [], "X is empty"),
        (["a", "b", "c"], [1, 2], r"\[3, 2\]"),
        (["a", "b"], [1, 2, 3], r"\[2, 3\]"),
        (["a", "b"], [5, 5], "only one class, 5"),
        (["a", "b"], ["x", "x"], "only one class, 'x'"),
        (["a", "b", "c"], [1, 2, np.nan], r"y\[2\] is nan.*Drop the samples"),
        (["a", "b", "c"], ["x", None, "y"], r"y\[1\] is None.*Drop the samples"),
        (["a", "b", "c"], [1.5, 2.5, 3.25], "continuous"),
        (["a", "b"], None, "y"),
    ],
    ids=["str", "bytes", "None", "nan", "int", "2-D", "DataFrame", "empty", "short y"]
    + ["long y", "one class", "one string", "nan label", "no label", "floats", "no y"],
)
def test_invalid_data_is_rejected_and_changes_nothing(texts, labels, message):
    resampler = resample(X, Y)[0]
    state = pickle.dumps(resampler)
    for reject in (resampler.fit, resampler.fit_resample):
        with pytest.raises(ValueError, match=message):
            reject(texts, labels)
    assert pickle.dumps(resampler) == state


def test_an_invalid_strategy_changes_nothing():
    resampler = resample(X, Y)[0]
    resampler.set_params(sampling_strategy={9: 9})
    state = pickle.dumps(resampler)
    with pytest.raises(ValueError):
        resampler.fit_resample(X, Y)
    assert pickle.dumps(resampler) == state


def test_fit_only_checks_the_data():
    resampler = TextResampler()
    assert resampler.fit(X, Y) is resampler
    assert not hasattr(resampler, "sample_indices_")


# In a pipeline


def make_pipeline(resampler, classifier=None):
    return Pipeline(
        [
            ("clean", TextCleaner()),
            ("resample", resampler),
            ("vectorize", SequenceVectorizer(max_len=4)),
            ("classify", classifier or DummyClassifier(strategy="prior")),
        ]
    )


def test_resampling_applies_to_fit_only():
    for resampler in (
        TextResampler(random_state=0),
        TextResampler(RandomUnderSampler(), random_state=0),
        TextResampler(RandomOverSampler(), random_state=0),
    ):
        pipe = make_pipeline(resampler).fit(X, Y)
        assert pipe[-1].class_prior_ == pytest.approx([0.25] * 4)
        for n_rows in (1, 7, len(X)):
            assert len(pipe.predict(X[:n_rows])) == n_rows
            assert pipe.predict_proba(X[:n_rows]).shape == (n_rows, 4)
        assert len(cross_val_predict(pipe, X, Y, cv=2)) == len(X)


def test_predictions_keep_the_order_of_the_texts():
    texts = [f"word{'abcdef'[label]}" for label in Y]
    pipe = make_pipeline(TextResampler(random_state=0))
    pipe.set_params(vectorize=CountVectorizer(), classify=MultinomialNB())
    assert pipe.fit(texts, Y).predict(texts).tolist() == Y


def test_passthrough_keeps_the_sizes():
    pipe = make_pipeline("passthrough").fit(X, Y)
    assert pipe[-1].class_prior_ == pytest.approx(
        [COUNTS[label] / len(Y) for label in sorted(COUNTS)]
    )


def test_grid_search_over_samplers_and_their_parameters():
    pipe = make_pipeline(TextResampler(RandomOverSampler(), random_state=0))
    y = [5 if label == 5 else 1 for label in Y]
    grid = [
        {
            "resample__sampler__sampling_strategy": ["minority", 0.8],
            "clean__stemmer": [None, "porter"],
        },
        {"resample": ["passthrough", TextResampler(random_state=0)]},
    ]
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 6
    for params in search.cv_results_["params"]:
        priors = sklearn.clone(pipe).set_params(**params).fit(X, y)[-1].class_prior_
        if params.get("resample") == "passthrough":
            assert priors[1] == pytest.approx(40 / 68)
        elif params.get("resample__sampler__sampling_strategy") == 0.8:
            assert priors[1] == pytest.approx(40 / 72)
        else:
            assert priors[1] == pytest.approx(0.5)
    assert len(search.predict(X)) == len(X)


def test_nested_parameters_of_the_sampler():
    resampler = TextResampler(RandomOverSampler())
    resampler.set_params(sampler__sampling_strategy={3: 9})
    assert count(resampler.sampler) == COUNTS | {3: 9}
    assert "sampler__shrinkage" in resampler.get_params()


def test_the_resampler_as_last_step():
    pipe = Pipeline([("clean", TextCleaner()), ("resample", TextResampler())])
    pipe.set_params(resample__random_state=0)
    X_new, y_new = pipe.fit_resample(X, Y)
    assert Counter(y_new) == dict.fromkeys(COUNTS, 17)
    assert set(X_new) <= set(TextCleaner().transform(X))


@pytest.mark.parametrize("transform_output", ["default", "pandas"])
def test_set_output_of_the_pipeline(transform_output):
    pipe = make_pipeline(TextResampler(random_state=0))
    pipe.set_output(transform=transform_output)
    with sklearn.config_context(transform_output=transform_output):
        assert len(pipe.fit(X, Y).predict(X)) == len(X)
    assert pipe[-1].class_prior_ == pytest.approx([0.25] * 4)


def test_series_in_a_pipeline():
    frame = pd.DataFrame({"content": X, "score": Y}).sample(frac=1, random_state=0)
    pipe = make_pipeline(TextResampler(random_state=0))
    assert len(pipe.fit(frame["content"], frame["score"]).predict(frame["content"]))
    assert pipe[-1].class_prior_ == pytest.approx([0.25] * 4)
