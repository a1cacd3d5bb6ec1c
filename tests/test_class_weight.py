"""weigh_samples: sample weights from class weights."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from skreviews._class_weight import weigh_samples

CLASSES = np.array(["bad", "good", "so-so"])
CODES = np.repeat([0, 1, 2], [10, 4, 1])


def test_without_class_weights_the_sample_weights_stay():
    assert weigh_samples(CODES, None, None, CLASSES) is None
    weights = np.arange(15.0)
    assert np.array_equal(weigh_samples(CODES, weights, None, CLASSES), weights)


def test_balanced_weights_are_those_of_sklearn():
    found = weigh_samples(CODES, None, "balanced", CLASSES)
    np.testing.assert_allclose(found, compute_sample_weight("balanced", CODES))


def test_sqrt_weights_are_inverse_to_the_square_roots_of_the_sizes():
    found = weigh_samples(CODES, None, "sqrt", CLASSES)
    by_class = found[[0, 10, 14]]
    np.testing.assert_allclose(by_class / by_class[0], np.sqrt([1, 10 / 4, 10]))
    assert found.mean() == pytest.approx(1)


def test_a_dict_weighs_the_classes_that_it_names():
    found = weigh_samples(CODES, None, {"good": 3, "so-so": 0.5}, CLASSES)
    assert np.array_equal(found, np.repeat([1, 3, 0.5], [10, 4, 1]))


@pytest.mark.parametrize("class_weight", ["balanced", "sqrt", {"bad": 2.0}])
def test_class_weights_multiply_sample_weights(class_weight):
    sample_weight = np.random.default_rng(0).uniform(0.5, 2, 15)
    by_class = weigh_samples(CODES, None, class_weight, CLASSES)
    found = weigh_samples(CODES, sample_weight, class_weight, CLASSES)
    np.testing.assert_allclose(found, by_class * sample_weight)


def test_the_given_weights_are_not_changed():
    sample_weight, class_weight = np.ones(15), {"bad": 2.0}
    weigh_samples(CODES, sample_weight, class_weight, CLASSES)
    assert (sample_weight == 1).all() and class_weight == {"bad": 2.0}


@pytest.mark.parametrize("class_weight", ["balanced", "sqrt", {"good": 2.0, "bad": 3}])
def test_classes_without_samples_are_ignored(class_weight):
    codes = CODES[CODES != 1]
    found = weigh_samples(codes, None, class_weight, CLASSES)
    assert np.isfinite(found).all() and (found > 0).all()
    if class_weight == "balanced":
        np.testing.assert_allclose(found, compute_sample_weight("balanced", codes))


def test_labels_that_a_fold_lacks_may_be_named():
    found = weigh_samples(CODES, None, {"bad": 2, "awful": 9}, CLASSES)
    assert np.array_equal(found, np.repeat([2, 1, 1], [10, 4, 1]))


@pytest.mark.parametrize(
    ("classes", "class_weight"),
    [
        (np.array([1, 5]), {np.int64(5): 2}),
        (np.array([1.0, 5.0]), {5: 2}),
        (np.array([False, True]), {True: 2}),
    ],
)
def test_labels_of_any_type_can_be_named(classes, class_weight):
    found = weigh_samples(np.array([0, 1, 1]), None, class_weight, classes)
    assert found.tolist() == [1, 2, 2]


def test_tuples_can_be_named():
    classes = np.empty(2, dtype=object)
    classes[:] = [("a", 1), ("b", 2)]
    found = weigh_samples(np.array([0, 1]), None, {("b", 2): 4}, classes)
    assert found.tolist() == [1, 4]


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), "2", None])
def test_invalid_weights_are_named(weight):
    message = "class_weight of 'good' is .*; pass a number of 0 or more"
    with pytest.raises(ValueError, match=message):
        weigh_samples(CODES, None, {"good": weight}, CLASSES)


def test_unknown_labels_alone_are_refused():
    message = r"class_weight names the labels \['Good'\], and y has none of them"
    with pytest.raises(ValueError, match=message):
        weigh_samples(CODES, None, {"Good": 2}, CLASSES)


def test_some_sample_needs_a_weight():
    with pytest.raises(ValueError, match="gives every sample a weight of zero"):
        weigh_samples(CODES, None, dict.fromkeys(CLASSES.tolist(), 0), CLASSES)
    found = weigh_samples(CODES, None, {"bad": 0}, CLASSES)
    assert found.any() and not found[:10].any()
