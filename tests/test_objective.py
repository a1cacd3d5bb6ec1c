"""What the classifier makes of the order of the labels."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import GridSearchCV

from skreviews import LSTMClassifier
from skreviews.decision import CRITERIA, DECISIONS, decide
from skreviews.metrics import quadratic_weighted_kappa_scorer

SMALL = {"embedding_dim": 8, "hidden_size": 8, "max_epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def probabilities():
    """Rows of probabilities of five labels, some of them zero."""
    rng = np.random.default_rng(0)
    rows = rng.dirichlet([0.5] * 5, 500) * rng.integers(0, 2, (500, 5))
    rows += 1e-3 * (rows.sum(axis=1, keepdims=True) == 0)
    return (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)


# ---- The loss


@pytest.fixture
def criterion():
    return CRITERIA["ordinal"](reduction="none")


def _as_text_book(logits, y):
    """Return the losses, summed label by label and place by place."""
    losses = []
    for row, label in zip(logits, y, strict=True):
        p = np.exp(row) / np.exp(row).sum()
        distance = 0
        if len(row) > 2:
            for place in range(len(row)):
                distance += (p[: place + 1].sum() - (label <= place)) ** 2
        losses.append(distance - np.log(p[label]))
    return losses


@pytest.mark.parametrize("n_classes", [2, 3, 5, 10])
def test_the_ordinal_loss_is_that_of_the_text_book(criterion, n_classes):
    rng = np.random.default_rng(0)
    logits, y = rng.normal(0, 3, (50, n_classes)), rng.integers(0, n_classes, 50)
    found = criterion(torch.from_numpy(logits), torch.from_numpy(y))
    np.testing.assert_allclose(found, _as_text_book(logits, y), rtol=1e-9)


def test_a_far_miss_costs_more_than_a_near_one(criterion):
    logits = torch.tensor([[0.0, 0, 0, 0, 8]]).expand(5, 5)
    losses = criterion(logits, torch.arange(5))
    assert (losses.diff() < 0).all()


def test_the_gradient_of_the_loss_is_right(criterion):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(6, 5, generator=generator, dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 3, 4, 4])
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: criterion(z, y), [logits])
    assert torch.autograd.gradgradcheck(lambda z: criterion(z, y), [logits])


def test_the_loss_stays_finite_however_sure_the_net_is(criterion):
    logits = torch.tensor([[1e4, 0, 0], [0, -1e4, 0], [0, 0, -1e4]])
    logits.requires_grad_()
    for label in range(3):
        losses = criterion(logits, torch.full((3,), label))
        losses.sum().backward()
        assert losses.isfinite().all() and logits.grad.isfinite().all()


# ---- The objective in the classifier


def test_the_ordinal_objective_tells_the_shares_of_the_labels():
    # The same row with all labels: what is best is to predict how often each occurs.
    y = np.repeat([1, 2, 3, 4, 5], [40, 8, 8, 4, 20])
    classifier = LSTMClassifier(
        hidden_size=8,
        lr=0.05,
        max_epochs=60,
        batch_size=80,
        dropout=0,
        validation_fraction=None,
        objective="ordinal",
        random_state=0,
    ).fit(np.full((80, 2), 5), y)
    found = classifier.predict_proba([[5, 5]])[0]
    np.testing.assert_allclose(found, [0.5, 0.1, 0.1, 0.05, 0.25], atol=0.03)


@pytest.mark.parametrize("labels", [[0, 1], [1, 5], ["bad", "good"], [False, True]])
def test_two_classes_have_no_order_to_go_by(ids, labels):
    X, y = ids
    y = np.array(labels)[(y > 3).astype(int)]
    plain = LSTMClassifier(**SMALL).fit(X, y)
    ordered = LSTMClassifier(**SMALL, objective="ordinal", decision="median").fit(X, y)
    np.testing.assert_allclose(
        ordered.predict_proba(X), plain.predict_proba(X), atol=1e-4
    )
    probabilities = plain.predict_proba(X)
    modes, medians = plain.predict(X), plain.set_params(decision="median").predict(X)
    assert np.array_equal(modes, medians)
    assert np.array_equal(modes, plain.classes_[probabilities.argmax(axis=1)])


def test_the_probabilities_of_the_ordinal_objective_sum_to_one(ids):
    X, y = ids
    proba = LSTMClassifier(**SMALL, objective="ordinal").fit(X, y).predict_proba(X)
    assert proba.shape == (len(X), 5) and (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    assert not np.allclose(proba, LSTMClassifier(**SMALL).fit(X, y).predict_proba(X))


def test_the_ordinal_objective_knows_the_order_of_numbers_not_their_distance(ids):
    X, y = ids
    stars = LSTMClassifier(**SMALL, objective="ordinal").fit(X, y)
    far = LSTMClassifier(**SMALL, objective="ordinal").fit(X, 10**y)
    assert np.array_equal(far.predict_proba(X), stars.predict_proba(X))
    assert np.array_equal(far.predict(X), 10 ** stars.predict(X))


@pytest.mark.parametrize("class_weight", [None, "balanced", {5: 2.0, 1: 0.5}])
def test_the_ordinal_objective_weighs_rows(ids, class_weight):
    X, y = ids
    weights = np.random.default_rng(0).integers(0, 4, len(y))
    params = SMALL | {"objective": "ordinal", "class_weight": class_weight}
    weighted = LSTMClassifier(**params).fit(X, y, sample_weight=weights)
    repeated = LSTMClassifier(**params).fit(X.repeat(weights, 0), y.repeat(weights))
    assert np.array_equal(weighted.predict_proba(X), repeated.predict_proba(X))
    shifted = LSTMClassifier(**params).fit(X, y, sample_weight=np.where(y > 3, 0.5, 2))
    assert not np.allclose(weighted.predict_proba(X), shifted.predict_proba(X))


def test_pickles_and_pieces_keep_the_objective(ids):
    X, y = ids
    params = SMALL | {"objective": "ordinal", "decision": "median"}
    classifier = LSTMClassifier(**params).fit(X, y)
    copy = pickle.loads(pickle.dumps(classifier))
    assert np.array_equal(copy.predict(X), classifier.predict(X))
    expected = classifier.partial_fit(X, y).predict_proba(X)
    assert np.array_equal(copy.partial_fit(X, y).predict_proba(X), expected)
    nominal = LSTMClassifier(**SMALL).fit(X, y)
    assert not np.allclose(nominal.partial_fit(X, y).predict_proba(X), expected)


def test_warm_start_may_go_on_with_another_objective(ids):
    X, y = ids
    classifier = LSTMClassifier(**SMALL, warm_start=True).fit(X, y)
    before = classifier.predict_proba(X)
    classifier.set_params(objective="ordinal", lr=1e-9).fit(X, y)
    np.testing.assert_allclose(classifier.predict_proba(X), before, atol=1e-4)


# ---- The decision


def test_the_median_is_the_weighted_median_of_the_labels(probabilities):
    labels = np.array([1, 2, 3, 5, 9])
    found = decide(probabilities, labels, "median")
    expected = [
        np.quantile(labels, 0.5, weights=row, method="inverted_cdf")
        for row in probabilities.astype(np.float64)
    ]
    assert np.array_equal(found, expected)


def test_no_label_has_a_smaller_expected_error_than_the_median(probabilities):
    labels = np.arange(1, 6)
    errors = probabilities.astype(np.float64) @ np.abs(
        np.subtract.outer(labels, labels)
    )
    found = decide(probabilities, labels, "median")
    chosen = errors[np.arange(len(errors)), found - 1]
    np.testing.assert_allclose(chosen, errors.min(axis=1), atol=1e-7)


def test_the_median_is_the_first_label_that_reaches_a_half():
    labels = np.array([1, 2, 3])
    rows = np.array([[0.5, 0, 0.5], [0.49, 0.02, 0.49], [0, 0.5, 0.5], [0, 0, 1]])
    assert decide(rows, labels, "median").tolist() == [1, 2, 2, 3]


def test_with_two_classes_no_rounding_parts_median_and_mode():
    p = np.float32(0.5) + np.arange(-5, 6, dtype=np.float32) * np.float32(2**-24)
    rows = np.array([[a, b] for a in p for b in p], dtype=np.float32)
    labels = np.array(["a", "b"])
    assert np.array_equal(decide(rows, labels, "median"), decide(rows, labels, "mode"))


def test_the_decision_changes_the_labels_alone(ids):
    X, y = ids
    params = SMALL | {"validation_fraction": 0.1}
    classifier = LSTMClassifier(**params).fit(X, y)
    proba, modes = classifier.predict_proba(X), classifier.predict(X)
    assert np.array_equal(modes, classifier.classes_[proba.argmax(axis=1)])
    classifier.set_params(decision="median")
    assert np.array_equal(classifier.predict_proba(X), proba)
    medians = classifier.predict(X)
    assert np.array_equal(medians, decide(proba, classifier.classes_, "median"))
    assert not np.array_equal(medians, modes)
    assert classifier.score(X, y) == np.mean(medians == y)
    fitted = LSTMClassifier(**params, decision="median").fit(X, y)
    assert np.array_equal(fitted.predict_proba(X), proba)
    assert fitted.history_["valid_accuracy"].equals(
        classifier.history_["valid_accuracy"]
    )


def test_a_grid_search_chooses_objective_and_decision(ids):
    grid = {"objective": list(CRITERIA), "decision": list(DECISIONS)}
    search = GridSearchCV(
        LSTMClassifier(**SMALL),
        grid,
        scoring=quadratic_weighted_kappa_scorer,
        cv=2,
        error_score="raise",
    ).fit(*ids)
    assert len(search.cv_results_["params"]) == 4
    assert search.predict(ids[0]).shape == (200,)


# ---- Labels without an order


@pytest.mark.parametrize("param", [{"objective": "ordinal"}, {"decision": "median"}])
@pytest.mark.parametrize(
    "labels",
    [
        np.array(["bad", "good", "so-so"]),
        np.array(["1", "2", "3"]),
        pd.Categorical(
            ["bad", "so-so", "good"], ["bad", "so-so", "good"], ordered=True
        ),
    ],
)
def test_an_order_of_words_is_refused_before_any_work(ids, param, labels):
    X, y = ids
    codes = np.digitize(y, [3, 4])
    ((name, value),) = param.items()
    message = f"{name}='{value}' go.* by the order of the labels.*is no number"
    classifier = LSTMClassifier(**SMALL, **param)
    with pytest.raises(ValueError, match=message):
        classifier.fit(X, labels[codes])
    with pytest.raises(ValueError, match=message):
        classifier.partial_fit(X, labels[codes], classes=labels)
    assert not hasattr(classifier, "net_")
    classifier.fit(X, codes)


def test_a_decision_that_is_set_later_is_checked_in_predict(ids):
    X, y = ids
    words = np.array(["bad", "good", "so-so"])[np.digitize(y, [3, 4])]
    classifier = LSTMClassifier(**SMALL).fit(X, words)
    with pytest.raises(ValueError, match="'bad' is no number"):
        classifier.set_params(decision="median").predict(X)
    with pytest.raises(
        ValueError, match="decision='mean' is unknown.*'median', 'mode'"
    ):
        classifier.set_params(decision="mean").predict(X)
