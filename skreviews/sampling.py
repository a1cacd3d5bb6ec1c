"""TextResampler: over- and under-sampling of texts with imbalanced-learn."""

from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np
import pandas as pd
import pyarrow as pa
from imblearn import FunctionSampler
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.utils import _safe_indexing, check_consistent_length, check_random_state
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
)

from skreviews._labels import encode_keys, encode_labels
from skreviews.preprocessing._texts import check_texts

_SAMPLER_BASES = (
    "imblearn.base",
    "imblearn.over_sampling.base",
    "imblearn.under_sampling.base",
)
_SELECTING_SAMPLERS = (RandomOverSampler, RandomUnderSampler, FunctionSampler)
_UNDER_SAMPLING = ("majority", "not minority")
_OVER_SAMPLING = ("minority", "not majority", "all", "auto")


class TextResampler(BaseEstimator):
    """Balance the classes of a training set of texts by selecting samples.

    The resampler is a step of imbalanced-learn's `Pipeline`, which resamples in `fit`
    only. imbalanced-learn's samplers need two-dimensional data, so they resample the
    indices of the texts.

    Parameters
    ----------
    sampler : imbalanced-learn sampler or None, default=None
        Sampler that selects samples by label: `RandomOverSampler`,
        `RandomUnderSampler`, `FunctionSampler` or your own. Samplers that interpolate
        or compute distances (SMOTE, NearMiss, Tomek links, ...) are rejected. None
        follows `sampling_strategy`.
    sampling_strategy : str, float, dict, callable or None, default="hybrid"
        Class sizes after resampling:

        - ``"hybrid"``: the mean class size. Smaller classes are over-sampled, larger
          classes are under-sampled;
        - ``"sqrt"``: proportional to the square root of the original sizes, with the
          same sum;
        - dict of ``{label: n_samples}``, or callable ``y -> dict``: the given sizes;
          other classes are unchanged;
        - ``"minority"``, ``"not majority"``, ``"all"``, ``"auto"`` or, for two
          classes, a ratio: as in `RandomOverSampler`;
        - ``"majority"``, ``"not minority"``: as in `RandomUnderSampler`;
        - None: unchanged.

        It must be ``"hybrid"`` if `sampler` is given, which has its own strategy.
    random_state : int, RandomState instance or None, default=None
        Seed, also of a `sampler` without its own.

    Attributes
    ----------
    sample_indices_ : ndarray of int64 of shape (n_resampled,)
        Indices of the selected samples, sorted. Duplicates are over-sampled.
    classes_ : ndarray of shape (n_classes,)
        Distinct labels of `fit_resample`.

    See Also
    --------
    imblearn.over_sampling.RandomOverSampler : Duplicate samples of small classes.
    imblearn.under_sampling.RandomUnderSampler : Remove samples of large classes.

    Examples
    --------
    >>> from skreviews import TextResampler
    >>> X = ["good", "great", "fine", "nice", "lovely", "bad"]
    >>> y = [5, 5, 5, 5, 5, 1]
    >>> X_resampled, y_resampled = TextResampler(random_state=0).fit_resample(X, y)
    >>> sorted(y_resampled)
    [1, 1, 1, 5, 5, 5]
    """

    _estimator_type = "sampler"

    _parameter_constraints: dict = {
        "sampler": [HasMethods("fit_resample"), None],
        "sampling_strategy": [
            StrOptions({"hybrid", "sqrt", *_UNDER_SAMPLING, *_OVER_SAMPLING}),
            Interval(Real, 0, 1, closed="right"),
            dict,
            callable,
            None,
        ],
        "random_state": ["random_state"],
    }

    def __init__(self, sampler=None, *, sampling_strategy="hybrid", random_state=None):
        self.sampler = sampler
        self.sampling_strategy = sampling_strategy
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Check the parameters and the data.

        Parameters
        ----------
        X : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
            Texts.
        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        self : TextResampler
        """
        self._check(X, y)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_resample(self, X, y):
        """Return the resampled texts and labels.

        Parameters
        ----------
        X : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
            Texts.
        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        X_resampled, y_resampled : same types as `X` and `y`, of shape (n_resampled,)
            A Series keeps its index.

        Raises
        ------
        ValueError
            If `X` contains anything but texts, if the lengths of `X` and `y` differ, if
            a label is missing, if there is only one class, or if the strategy is
            invalid for `y`.
        InvalidParameterError
            If the sampler interpolates or computes distances. It is a ValueError and a
            TypeError.
        """
        classes, codes = self._check(X, y)
        if self.sampler is not None:
            indices = self._select_with_sampler(classes, codes)
        else:
            indices = self._select_with_strategy(classes, codes, y)
        self.classes_ = classes
        self.sample_indices_ = indices
        return _take(X, indices), _take(y, indices)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags

    def _check(self, X, y):
        if self.sampler is not None:
            _check_sampler(self.sampler)
            if self.sampling_strategy != "hybrid":
                raise ValueError(
                    f"sampling_strategy={self.sampling_strategy!r} has no effect on "
                    "sampler=. Set it on the sampler."
                )
        if y is None:
            raise ValueError("TextResampler requires y to be passed, but y is None.")
        check_texts(X)
        check_consistent_length(X, y)
        classes, codes = encode_labels(y)
        if len(classes) < 2:
            raise ValueError(
                f"y has only one class, {classes.tolist()[0]!r}. At least 2 classes "
                "are needed."
            )
        return classes, codes

    def _select_with_sampler(self, classes, codes):
        sampler = clone(self.sampler)
        params = sampler.get_params()
        if params.get("random_state", 0) is None:
            sampler.set_params(random_state=self.random_state)
        y = classes[codes]
        if classes.dtype == object and pd.api.types.infer_dtype(classes) != "string":
            y = codes  # imbalanced-learn only accepts numbers and strings
            strategy = params.get("sampling_strategy")
            if isinstance(strategy, Mapping):
                strategy = encode_keys(strategy, classes, "sampling_strategy")
                sampler.set_params(sampling_strategy=strategy)
        rows = np.arange(len(codes))[:, None]
        resampled = np.asarray(sampler.fit_resample(rows, y)[0]).ravel()
        indices = np.asarray(getattr(sampler, "sample_indices_", resampled))
        if not np.isin(indices, rows).all():
            raise ValueError(
                f"{type(sampler).__name__} returned samples that are not in X. A "
                "sampler of texts must select samples."
            )
        return indices.astype(np.int64)

    def _select_with_strategy(self, classes, codes, y):
        strategy = self.sampling_strategy
        if strategy is None:
            return np.arange(len(codes))
        random_state = check_random_state(self.random_state)
        if strategy in _UNDER_SAMPLING:
            return np.sort(_select(RandomUnderSampler, strategy, codes, random_state))
        if isinstance(strategy, Real) or strategy in _OVER_SAMPLING:
            return np.sort(_select(RandomOverSampler, strategy, codes, random_state))
        counts = np.bincount(codes)
        if strategy == "hybrid":
            sizes = np.full(len(counts), max(1, round(counts.mean())))
        elif strategy == "sqrt":
            roots = np.sqrt(counts)
            sizes = np.round(roots * counts.sum() / roots.sum()).astype(int)
            sizes = np.maximum(1, sizes)
        else:
            sizes = _requested_sizes(strategy, classes, counts, y)
        larger = np.maximum(sizes, counts)
        indices = _select(RandomOverSampler, larger, codes, random_state)
        kept = _select(RandomUnderSampler, sizes, codes[indices], random_state)
        return np.sort(indices[kept])


def _check_sampler(sampler):
    reason = None
    is_imblearn = any(
        base.__module__.startswith("imblearn.")
        and base.__module__ not in _SAMPLER_BASES
        for base in type(sampler).__mro__
    )
    if is_imblearn and not isinstance(sampler, _SELECTING_SAMPLERS):
        reason = "interpolates or computes distances, which texts do not have"
    elif getattr(sampler, "shrinkage", None) is not None:
        reason = "has a shrinkage, which generates new samples"
    if reason:
        raise InvalidParameterError(
            f"{type(sampler).__name__} {reason}. Use RandomOverSampler, "
            "RandomUnderSampler, or class_weight of the classifier."
        )


def _requested_sizes(strategy, classes, counts, y):
    requested = strategy(y) if callable(strategy) else strategy
    if not isinstance(requested, Mapping):
        raise ValueError(
            f"sampling_strategy returned {requested!r}, not a dict. It must return "
            "{label: n_samples}."
        )
    sizes = counts.copy()
    for code, size in encode_keys(requested, classes, "sampling_strategy").items():
        if not isinstance(size, Integral) or size < 1:
            raise ValueError(
                f"sampling_strategy requests {size!r} samples of "
                f"{classes.tolist()[code]!r}. Pass an int of at least 1."
            )
        sizes[code] = size
    return sizes


def _select(sampler_class, sizes, codes, random_state):
    if isinstance(sizes, np.ndarray):
        sizes = dict(enumerate(sizes.tolist()))
    sampler = sampler_class(sampling_strategy=sizes, random_state=random_state)
    sampler.fit_resample(np.arange(len(codes))[:, None], codes)
    return sampler.sample_indices_


def _take(X, indices):
    if isinstance(X, (pa.Array, pa.ChunkedArray)):
        if pa.types.is_string_view(X.type):  # not supported by take
            return X.cast(pa.large_string()).take(pa.array(indices)).cast(X.type)
        return X.take(pa.array(indices))
    if isinstance(X, np.ndarray) and X.dtype.kind == "T":
        # NumPy before 2.4 returns wrong texts for a selection from StringDType.
        return X.astype(object)[indices].astype(X.dtype)
    taken = _safe_indexing(X, indices)
    return tuple(taken) if isinstance(X, tuple) else taken
