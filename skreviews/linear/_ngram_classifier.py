"""NgramClassifier: logistic regression of words and hashed n-grams."""

import warnings
from itertools import pairwise
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from skreviews._class_weight import weigh_samples
from skreviews._labels import encode_known_labels
from skreviews._splits import hold_out
from skreviews.decision import to_probabilities
from skreviews.preprocessing._texts import to_offsets
from skreviews.preprocessing._token_classifier import TokenClassifier
from skreviews.preprocessing._token_ids import UNKNOWN, words_of
from skreviews.preprocessing._token_rows import (
    TokenRows,
    arrange_rows,
    check_all_classes,
    check_training_data,
    count_tokens,
)

# Values of C="auto", from the strongest penalty on, and the one of data that allow no
# held-out samples.
_STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_USUAL_STRENGTH = 10.0
_HELD_OUT = 0.2
# More iterations of L-BFGS change the log loss in the fourth digit.
_MAX_ITER = 100
# Step size and batch size of `partial_fit`.
_RATE, _BATCH_SIZE = 0.05, 64
# A hash of n-grams: an odd factor, and 2 ** 60 over the golden ratio (Knuth).
_FACTOR = 1_000_003
_SPREAD = 0x9E3779B97F4A7C1
# Tokens whose n-grams are sorted at once, which bounds the memory.
_BLOCK_TOKENS = 2**20


class NgramClassifier(TokenClassifier):
    """Classify rows of token ids by their words and n-grams.

    A multinomial logistic regression. Each word has weights of its own, longer n-grams
    share the weights of a hash bucket [1]_. An n-gram counts once however often a text
    repeats it [2]_. The features of a text are divided by a quarter of the square root
    of its length, so that long texts are not more confident than short ones.

    Parameters
    ----------
    ngram_range : tuple of (int, int), default=(1, 2)
        Lengths of the shortest and the longest n-grams.
    n_buckets : int, default=2 ** 18
        Number of hash buckets for n-grams of two tokens and more.
    C : 'auto' or float, default='auto'
        Inverse strength of the L2 penalty. Rare n-grams are penalised less, in
        proportion to their inverse document frequency. 'auto' tries 1, 3, 10, 30, 100
        and 300, and takes the value after which the log loss of held-out samples, a
        fifth of the distinct ones, rises.
    class_weight : 'balanced', 'sqrt', dict of {label: weight} or None, default=None
        Weights of the classes. 'balanced' is inversely proportional to the class
        sizes, 'sqrt' to their square roots.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels.
    C_ : float
        The strength in use. `partial_fit` does not set it.
    coef_ : ndarray of float32 of shape (n_outputs, n_weights)
        Weights of the n-grams. Two classes have one output, for ``classes_[1]``. The
        first `n_tokens_` columns belong to the token ids, the others to the buckets.
    intercept_ : ndarray of float32 of shape (n_outputs,)
        Biases.
    n_tokens_ : int
        Number of token ids. Larger ids count as unknown.
    n_features_in_ : int
        Length of the rows.

    See Also
    --------
    LSTMClassifier : Averages its decision function with that of an NgramClassifier.
    SequenceVectorizer : Makes the token ids.

    References
    ----------
    .. [1] A. Joulin, E. Grave, P. Bojanowski, T. Mikolov, "Bag of tricks for efficient
       text classification", EACL 2017.
    .. [2] S. Wang, C. D. Manning, "Baselines and bigrams: simple, good sentiment and
       topic classification", ACL 2012.

    Examples
    --------
    >>> from skreviews import NgramClassifier
    >>> X = [[2, 3, 0], [4, 5, 3], [2, 5, 0], [4, 2, 0]] * 10
    >>> y = ["short", "long", "short", "long"] * 10
    >>> classifier = NgramClassifier(n_buckets=64).fit(X, y)
    >>> classifier.predict([[2, 3, 5], [4, 4, 4]])
    array(['short', 'long'], dtype='<U5')
    """

    _parameter_constraints: dict = {
        "ngram_range": [tuple, list],
        "n_buckets": [Interval(Integral, 1, None, closed="left")],
        "C": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "class_weight": [StrOptions({"balanced", "sqrt"}), dict, None],
    }

    def __init__(
        self, *, ngram_range=(1, 2), n_buckets=2**18, C="auto", class_weight=None
    ):
        self.ngram_range = ngram_range
        self.n_buckets = n_buckets
        self.C = C
        self.class_weight = class_weight

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the model by L-BFGS on all samples.

        Parameters
        ----------
        X : array-like of int of shape (n_samples, max_len)
            Token ids: 0 is padding, 1 is unknown.
        y : array-like of shape (n_samples,)
            Labels: numbers, strings, or any hashable objects.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the samples. Whole numbers repeat them.

        Returns
        -------
        self : NgramClassifier

        Raises
        ------
        ValueError
            If ids are negative or not whole, if a label is missing, if there is only
            one class, or if `ngram_range` is not a range.
        """
        self._check_ngram_range()
        ids, classes, codes, weights = check_training_data(self, X, y, sample_weight)
        n_tokens = count_tokens(ids, words_of(X))
        rows = TokenRows.from_padded(ids, n_tokens)
        rows, codes, weights = arrange_rows(rows, codes, weights)
        weights = weigh_samples(codes, weights, self.class_weight, classes)
        if weights is not None:
            weights = weights / weights.mean()  # the scale would change the penalty
        n_outputs = 1 if len(classes) == 2 else len(classes)
        coef = np.zeros((self._count_weights(n_tokens), n_outputs), np.float32)
        intercept = np.zeros(n_outputs, np.float32)

        features = self._count_features(rows, n_tokens)
        frequencies = np.bincount(features.indices, minlength=len(coef))
        found = np.flatnonzero(frequencies)
        strength = _USUAL_STRENGTH if self.C == "auto" else float(self.C)
        if len(found):
            scales = np.log((1 + len(rows)) / (1 + frequencies[found])) + 1
            features, scales = _scale(features, found, scales)
            if self.C == "auto":
                strength = _choose_strength(features, rows, codes, weights)
            solved, biases = _solve(strength, features, codes, weights)
            present = np.unique(codes) if n_outputs > 1 else [0]
            if len(solved) < len(present):  # two of more classes have samples
                solved = np.concatenate([-solved, solved]) / 2
                biases = np.concatenate([-biases, biases]) / 2
            coef[found[:, None], present] = (solved * scales).T
            intercept[:] = biases.min() - np.log(len(rows))  # classes without samples
            intercept[present] = biases
        self._keep(X, words_of(X), classes, n_tokens, coef, intercept)
        self.C_ = strength
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Update the model by one epoch of AdaGrad [3]_ in mini-batches.

        Parameters
        ----------
        X : array-like of int of shape (n_samples, max_len)
            Token ids.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,) or None, default=None
            All labels that will ever occur; required in the first call.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the samples, as in `fit`.

        Returns
        -------
        self : NgramClassifier

        References
        ----------
        .. [3] J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods for online
           learning and stochastic optimization", JMLR 12, 2011.
        """
        self._check_ngram_range()
        ids, _, _, weights = check_training_data(self, X, y, sample_weight, 1)
        self._check_class_weight(self.class_weight)
        words = words_of(X)
        if hasattr(self, "weights_"):
            words = self._check_continued(X, classes)
            classes, n_tokens = self.classes_, self.n_tokens_
            coef, intercept = self.weights_.copy(), self.intercept_.copy()
        else:
            classes = check_all_classes(classes)
            n_tokens = count_tokens(ids, words)
            n_outputs = 1 if len(classes) == 2 else len(classes)
            coef = np.zeros((self._count_weights(n_tokens), n_outputs), np.float32)
            intercept = np.zeros(n_outputs, np.float32)
        codes = encode_known_labels(y, classes)
        rows = TokenRows.from_padded(ids, n_tokens)
        rows, codes, weights = arrange_rows(rows, codes, weights)
        weights = weigh_samples(codes, weights, self.class_weight, classes)
        squares = getattr(self, "_squares", None)
        if squares is None:
            squares = np.zeros_like(coef), np.zeros_like(intercept)
        features = self._count_features(rows, n_tokens)
        _descend(coef, intercept, squares, features, codes, weights)
        self._keep(X, words, classes, n_tokens, coef, intercept)
        self._squares = squares
        return self

    def predict(self, X):
        """Return the most probable label of each row.

        Parameters
        ----------
        X : array-like of int of shape (n_samples, max_len)
            Token ids. Those that `fit` has not seen count as unknown.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return self.classes_[(scores > 0).astype(int)]
        return self.classes_[scores.argmax(axis=1)]

    def decision_function(self, X):
        """Return the logits of each row.

        Parameters
        ----------
        X : array-like of int of shape (n_samples, max_len)
            Token ids.

        Returns
        -------
        scores : ndarray of float32 of shape (n_samples,) or (n_samples, n_classes)
            With two classes the logit of ``classes_[1]``, positive where it is more
            probable; otherwise one logit for each class.
        """
        ids = self._check_new_ids(X)
        rows = TokenRows.from_padded(ids, self.n_tokens_)
        features = self._count_features(rows, self.n_tokens_)
        scores = features @ self.weights_ + self.intercept_
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def contributions(self, ids):
        """Return what each token of one text adds to the decision function.

        The weight of an n-gram is divided equally among its occurrences in the text,
        and within an occurrence among its tokens.

        Parameters
        ----------
        ids : ndarray of int of shape (length,)
            Token ids without padding.

        Returns
        -------
        contributions : ndarray of float32 of shape (length, n_outputs)
            They sum to ``decision_function - intercept_``.
        """
        check_is_fitted(self)
        ids = np.where(ids < self.n_tokens_, ids, UNKNOWN)
        added = np.zeros((len(ids), self.weights_.shape[1]), np.float32)
        columns = dict(self._hash_ngrams(ids, self.n_tokens_))
        if not columns:
            return added
        ngrams = np.concatenate(list(columns.values()))
        _, inverse, counts = np.unique(ngrams, return_inverse=True, return_counts=True)
        parts = self.weights_[ngrams] / counts[inverse][:, None]
        parts *= _normalise(len(ids))
        for n, of_length in columns.items():
            part, parts = parts[: len(of_length)], parts[len(of_length) :]
            for position in range(n):
                added[position : position + len(part)] += part / n
        return added

    @property
    def coef_(self):
        """Weights of the n-grams, ndarray of shape (n_outputs, n_weights)."""
        return self.weights_.T

    def __sklearn_is_fitted__(self):
        return hasattr(self, "weights_")

    def _check_ngram_range(self):
        lengths = [n for n in self.ngram_range if isinstance(n, Integral)]
        is_pair = len(lengths) == len(self.ngram_range) == 2
        if not is_pair or not 1 <= lengths[0] <= lengths[1]:
            raise ValueError(
                f"ngram_range={self.ngram_range!r} is not a range of lengths; pass two "
                "whole numbers such as (1, 2), the first at least 1 and at most the "
                "second."
            )

    def _count_weights(self, n_tokens):
        return n_tokens + (self.n_buckets if self.ngram_range[1] > 1 else 0)

    def _keep(self, X, words, classes, n_tokens, coef, intercept):
        validate_data(self, X, skip_check_array=True)
        self.classes_ = classes
        self.n_tokens_ = n_tokens
        self.intercept_ = intercept
        self.weights_ = coef
        self._words = words
        self._squares = None

    def _count_features(self, rows, n_tokens):
        """Return the scaled n-grams of each row, csr_array of (n_rows, n_weights)."""
        n_weights = self._count_weights(n_tokens)
        indices, counts = [], []
        cuts = np.arange(0, rows.offsets[-1], _BLOCK_TOKENS)
        starts = np.unique(np.searchsorted(rows.offsets[:-1], cuts)).tolist()
        for start, stop in pairwise([*starts, len(rows)]):
            ids = rows.ids[rows.offsets[start] : rows.offsets[stop]]
            owners = np.repeat(np.arange(stop - start), rows.lengths[start:stop])
            keys = [np.zeros(0, np.int64)]
            for n, columns in self._hash_ngrams(ids, n_tokens):
                firsts, lasts = owners[: len(columns)], owners[n - 1 :]
                inside = firsts == lasts
                keys.append((firsts * n_weights + columns)[inside])
            keys = np.sort(np.concatenate(keys))
            keys = keys[np.diff(keys, prepend=-1) != 0]  # each n-gram once in a row
            indices.append((keys % n_weights).astype(np.int32))
            counts.append(np.bincount(keys // n_weights, minlength=stop - start))
        counts = np.concatenate(counts)
        values = np.repeat(_normalise(rows.lengths), counts)
        shape = len(rows), n_weights
        return sp.csr_array(
            (values, np.concatenate(indices), to_offsets(counts)), shape
        )

    def _hash_ngrams(self, ids, n_tokens):
        """Yield each length, and the column of the n-gram that starts at each token."""
        shortest, longest = self.ngram_range
        ids = ids.astype(np.int64)
        keys = ids
        for n in range(1, min(longest, len(ids)) + 1):
            if n > 1:
                keys = keys[:-1] * _FACTOR + ids[n - 1 :]
            if n == 1 and shortest == 1:
                yield n, ids
            elif n >= max(2, shortest):
                # The high bits of the product depend on all bits of the key.
                yield n, n_tokens + ((keys * _SPREAD) >> 32) % self.n_buckets


def _normalise(lengths):
    """Return the value of each n-gram in texts of these lengths."""
    return (4 / np.sqrt(lengths)).astype(np.float32)


def _scale(features, found, scales):
    """Select and scale columns, so that the mean squared norm of the rows is 1.

    The same values of C then suit texts of any length.
    """
    position = np.zeros(features.shape[1], np.int32)
    position[found] = np.arange(len(found))
    indices = position[features.indices]
    values = features.data * scales[indices]
    norm = np.sqrt(np.square(values).sum() / features.shape[0])
    shape = features.shape[0], len(found)
    return sp.csr_array((values / norm, indices, features.indptr), shape), scales / norm


def _choose_strength(features, rows, codes, weights):
    """Return the value of C after which the log loss of held-out samples rises."""
    # A fixed seed: the choice is a property of the data.
    held_out = hold_out(rows.fingerprints(), codes, _HELD_OUT, np.random.RandomState(0))
    weights = np.ones(len(codes)) if weights is None else weights
    if not weights[held_out].any():
        return _USUAL_STRENGTH
    kept = ~held_out
    best = np.inf
    for strength in _STRENGTHS:
        coef, intercept = _solve(strength, features[kept], codes[kept], weights[kept])
        scores = features[held_out] @ coef.T + intercept
        loss = log_loss(
            codes[held_out],
            to_probabilities(scores[:, 0] if len(coef) == 1 else scores),
            sample_weight=weights[held_out],
            labels=np.unique(codes),
        )
        if loss >= best:
            break
        best, chosen = loss, strength
    return chosen


def _solve(strength, features, codes, weights):
    """Return coefficients and biases: one row for each class, one row for two."""
    model = LogisticRegression(C=strength, max_iter=_MAX_ITER)
    # L-BFGS adds vectors and waits for memory: two BLAS threads take up to three times
    # as long as one (see benchmarks/notes).
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, codes, weights)
    return model.coef_, model.intercept_


def _descend(coef, intercept, squares, features, codes, weights):
    """Take one epoch of AdaGrad steps, in place."""
    targets = np.zeros((len(codes), max(2, coef.shape[1])), np.float32)
    targets[np.arange(len(codes)), codes] = 1
    for start in range(0, len(codes), _BATCH_SIZE):
        batch = slice(start, start + _BATCH_SIZE)
        X = features[batch]
        scores = X @ coef + intercept
        scores = scores[:, 0] if coef.shape[1] == 1 else scores
        errors = to_probabilities(scores) - targets[batch]  # (batch, n_classes)
        if coef.shape[1] == 1:
            errors = errors[:, 1:]
        if weights is not None:
            errors *= weights[batch, None]
        errors /= len(errors)
        found = np.unique(X.indices)
        gradient = X[:, found].T @ errors  # (n_found, n_outputs)
        _step(coef, squares[0], found, gradient)
        _step(intercept, squares[1], slice(None), errors.sum(axis=0))


def _step(weights, squares, found, gradient):
    squares[found] += gradient**2
    weights[found] -= _RATE * gradient / (np.sqrt(squares[found]) + 1e-10)
