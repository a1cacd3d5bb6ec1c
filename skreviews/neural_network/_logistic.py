"""Weights of the wide branch by logistic regression, all rows at once."""

import warnings

import numpy as np
import scipy.sparse as sp
import torch
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

from skreviews.neural_network._batches import SortedBatches, draw_held_out
from skreviews.preprocessing._texts import to_offsets

# Inverse strengths of the penalty, tried from the strongest on. Noisy labels need a
# strong one: by log loss folds of SST-5 and of app reviews chose 3, of 1,200 reviews
# 10, of IMDb 30 to 100, of TREC and SMS 100 or more.
_STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_USUAL_STRENGTH = 10.0
_HELD_OUT = 0.2
_MAX_ITER = 100


def fit_ngrams(branch, dataset):
    """Set the weights of n-grams to those of a penalised logistic regression.

    Rare n-grams are penalised less, by their inverse document frequency, as if tf-idf
    weighed them. How strong the penalty is, is chosen by the log loss of a fifth of
    the distinct rows. Quasi-Newton steps over all rows [1]_ take seconds where steps
    over batches take minutes, and what they reach depends on no rate.

    Parameters
    ----------
    branch : NgramClassifier
        Its weights are set, those of n-grams that no row holds to zero.
    dataset : TokenDataset
        With labels; it comes to lie on the CPU.

    References
    ----------
    .. [1] R. H. Byrd, P. Lu, J. Nocedal, C. Zhu, "A limited memory algorithm for bound
       constrained optimization", SIAM Journal on Scientific Computing 16(5), 1995.
    """
    X = _to_matrix(branch, dataset)
    frequencies = np.bincount(X.indices, minlength=X.shape[1])
    found = np.flatnonzero(frequencies)
    if not len(found):
        return
    X = X[:, found]
    scales = np.log((1 + len(dataset)) / (1 + frequencies[found])) + 1
    # Rows of norm 1 in the mean, so that the same strengths suit texts of any length.
    scales /= np.sqrt(np.square(X.data * scales[X.indices]).sum() / len(dataset))
    X.data *= scales[X.indices]
    weights, bias = _solve(_choose_strength(X, dataset), X, dataset)
    with torch.no_grad():
        branch.weight.zero_()
        branch.bias.fill_(bias.min() - np.log(len(dataset)))  # of labels without rows
        labels = torch.from_numpy(np.unique(dataset.y))
        weights = torch.from_numpy(weights * scales).to(branch.weight)
        branch.weight[torch.from_numpy(found)[:, None], labels] = weights.T
        branch.bias[labels] = torch.from_numpy(bias).to(branch.bias)


def _to_matrix(branch, dataset):
    """Return what the weights are multiplied by, sparse of (n_rows, n_weights)."""
    groups = SortedBatches(dataset.to("cpu")).groups()
    columns, values, counts = [], [], []
    for inputs, _ in dataset.batches(groups):
        rows, divisors = branch.look_up(inputs["ids"])
        is_real = rows != 0
        columns.append(rows[is_real].int().numpy())
        counts.append(is_real.sum(1).numpy())
        values.append((1 / divisors).expand(rows.shape)[is_real].numpy())
    columns, values, counts = map(np.concatenate, (columns, values, counts))
    shape = (len(dataset), len(branch.weight))
    X = sp.csr_array((values.astype(float), columns, to_offsets(counts)), shape)
    return X[np.argsort(np.concatenate(groups))]


def _choose_strength(X, dataset):
    """Return the strength after which the log loss of held-out rows rises."""
    held_out = draw_held_out(dataset, _HELD_OUT, np.random.RandomState(0))
    if not held_out.any():
        return _USUAL_STRENGTH
    rest, held_out = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    train, valid = dataset.take(rest), dataset.take(held_out)
    X_train, X_valid = X[rest], X[held_out]
    best = np.inf
    for strength in _STRENGTHS:
        weights, bias = _solve(strength, X_train, train)
        logits = X_valid @ weights.T + bias
        loss = log_loss(
            valid.y,
            softmax(logits, axis=1),
            sample_weight=valid.sample_weight,
            labels=np.unique(dataset.y),
        )
        if loss >= best:
            break
        best, chosen = loss, strength
    return chosen


def _solve(strength, X, dataset):
    """Return the weights (n_labels, n_features) and the biases of the labels in y."""
    model = LogisticRegression(C=strength, max_iter=_MAX_ITER)
    # L-BFGS adds vectors up, and waits for memory: two threads of BLAS took 1.5 times
    # (27,600 app reviews) to three times as long (1,200) as one.
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
        # What a hundred steps do not reach is worth no more of them.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, dataset.y, dataset.sample_weight)
    if len(model.classes_) > 2:
        return model.coef_, model.intercept_
    # One row, for the second label against the first.
    halves = np.array([-0.5, 0.5])
    return halves[:, None] * model.coef_, halves * model.intercept_
