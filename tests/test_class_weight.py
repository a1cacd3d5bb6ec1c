"""Sample weights from class weights."""

import numpy as np
import pytest
from sklearn.utils import compute_sample_weight

from skreviews import LSTMClassifier, NgramClassifier
from skreviews._class_weight import weigh_samples

CLASSES = np.array(["a", "b", "c"])
CODES = np.repeat([0, 1, 2], [16, 4, 1])


def test_balanced_weights_are_those_of_scikit_learn():
    found = weigh_samples(CODES, None, "balanced", CLASSES)
    np.testing.assert_allclose(found, compute_sample_weight("balanced", CODES))


def test_sqrt_weights_follow_the_root_of_the_class_sizes():
    found = weigh_samples(CODES, None, "sqrt", CLASSES)
    np.testing.assert_allclose(found / found[0], np.repeat([1, 2, 4], [16, 4, 1]))
    np.testing.assert_allclose(found.mean(), 1)


def test_a_dict_weighs_the_labels_it_names():
    found = weigh_samples(CODES, None, {"b": 3, "c": 0}, CLASSES)
    assert np.array_equal(found, np.repeat([1, 3, 0], [16, 4, 1]))
    numbers = weigh_samples(CODES, None, {1: 2}, np.array([1, 2, 3]))
    assert np.array_equal(numbers, np.repeat([2, 1, 1], [16, 4, 1]))


def test_sample_weights_are_multiplied():
    sample_weight = np.linspace(1, 2, len(CODES))
    assert weigh_samples(CODES, None, None, CLASSES) is None
    assert weigh_samples(CODES, sample_weight, None, CLASSES) is sample_weight
    found = weigh_samples(CODES, sample_weight, {"b": 3}, CLASSES)
    np.testing.assert_allclose(found, sample_weight * np.repeat([1, 3, 1], [16, 4, 1]))


@pytest.mark.parametrize("class_weight", ["balanced", "sqrt", {"a": 2, "b": 1}])
def test_classes_without_samples(class_weight):
    codes = CODES[CODES != 1]
    found = weigh_samples(codes, None, class_weight, CLASSES)
    two_classes = weigh_samples(codes // 2, None, class_weight, CLASSES[[0, 2]])
    np.testing.assert_allclose(found, two_classes)


@pytest.mark.parametrize("make", [LSTMClassifier, NgramClassifier])
@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        *(
            (
                {5: weight},
                f"class_weight of 5 is {weight!r}; pass a number of 0 or more",
            )
            for weight in (-1, np.nan, np.inf, "2", None)
        ),
        ({6: 2}, r"class_weight names the labels \[6\], and y has none of them"),
        (
            dict.fromkeys(range(1, 6), 0),
            "class_weight gives every sample a weight of zero",
        ),
        ("balance", "'class_weight' parameter of"),
    ],
)
def test_invalid_class_weights_are_refused(ids, make, class_weight, message):
    classifier = make(class_weight=class_weight)
    with pytest.raises(ValueError, match=message):
        classifier.fit(*ids)
    with pytest.raises(ValueError, match=message):
        classifier.partial_fit(*ids, classes=[1, 2, 3, 4, 5])
    assert not hasattr(classifier, "classes_")


@pytest.mark.parametrize(
    "classifier",
    [
        LSTMClassifier(hidden_size=4, max_epochs=1, device="cpu", random_state=0),
        NgramClassifier(n_buckets=64),
    ],
    ids=lambda classifier: type(classifier).__name__,
)
def test_a_fold_may_lack_a_label_of_the_dict(ids, classifier):
    X, y = ids
    kept = y != 2
    found = [
        classifier.set_params(class_weight=class_weight)
        .fit(X[kept], y[kept])
        .predict_proba(X)
        for class_weight in ({1: 2, 2: 1}, {1: 2})
    ]
    assert np.array_equal(*found)
