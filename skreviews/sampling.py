"""TextResampler: imbalanced-learn's samplers for texts."""

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

_BASES = (
    "imblearn.base",
    "imblearn.over_sampling.base",
    "imblearn.under_sampling.base",
)
_BY_LABEL_ALONE = (RandomOverSampler, RandomUnderSampler, FunctionSampler)


class TextResampler(BaseEstimator):
    """Balance the classes of a training set of texts by choosing rows.

    A step for imbalanced-learn's `Pipeline`, which resamples in `fit` only: no
    prediction loses a row. imbalanced-learn's samplers refuse one-dimensional texts,
    so they are given row numbers here.

    Parameters
    ----------
    sampler : imbalanced-learn sampler or None, default=None
        Sampler that chooses rows by their label: `RandomOverSampler`,
        `RandomUnderSampler`, `FunctionSampler`, or your own. Those that measure
        distances or interpolate (SMOTE and its kin, NearMiss, Tomek links) are
        refused: texts are not points. None builds one from `sampling_strategy`.
    sampling_strategy : str, float, dict, callable or None, default="hybrid"
        How many rows each class gets:

        - ``"hybrid"``: every class the mean class size, the small ones up-sampled,
          the large ones down-sampled;
        - ``"sqrt"``: sizes in proportion to the square root of the present ones,
          the sum being kept;
        - dict of ``{label: n_rows}``, or callable ``y -> dict``: these sizes, up or
          down; other classes are left alone;
        - ``"minority"``, ``"not majority"``, ``"all"``, ``"auto"`` or, for two
          classes, a ratio: as in `RandomOverSampler`;
        - ``"majority"``, ``"not minority"``: as in `RandomUnderSampler`;
        - None: what it has.

        With a `sampler` it stays ``"hybrid"``: set the sampler's own instead.
    random_state : int, RandomState instance or None, default=None
        Seed of the choice; also that of `sampler` if it has none of its own.

    Attributes
    ----------
    sample_indices_ : ndarray of int64 of shape (n_resampled,)
        Rows that were chosen, in the order of `X`; a row may stand there several
        times.
    classes_ : ndarray of shape (n_classes,)
        Labels met in `fit_resample`.

    See Also
    --------
    imblearn.over_sampling.RandomOverSampler : Copies rows of the small classes.
    imblearn.under_sampling.RandomUnderSampler : Drops rows of the large classes.

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
            StrOptions(
                {
                    "hybrid",
                    "sqrt",
                    "minority",
                    "majority",
                    "not minority",
                    "not majority",
                    "all",
                    "auto",
                }
            ),
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
        """Check the parameters and the data; there is nothing to learn.

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
        """Choose the rows and return their texts and labels.

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
            If `X` holds anything but texts, if the lengths differ, if a label is
            missing, if there is one class only, or if the strategy does not fit.
        InvalidParameterError
            If the sampler does not choose rows by their label. (It is a ValueError
            and a TypeError, as scikit-learn's.)
        """
        classes, codes = self._check(X, y)
        if self.sampler is not None:
            indices = self._choose_with_sampler(classes, codes)
        else:
            indices = self._choose_with_strategy(classes, codes, y)
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
                    f"sampling_strategy={self.sampling_strategy!r} has no effect on a "
                    "given sampler: set it on the sampler itself."
                )
        if y is None:
            raise ValueError("TextResampler requires y to be passed, but y is None.")
        check_texts(X)
        check_consistent_length(X, y)
        classes, codes = encode_labels(y)
        if len(classes) < 2:
            raise ValueError(
                f"y has 1 class only, {classes.tolist()[0]!r}; at least 2 classes "
                "are needed."
            )
        return classes, codes

    def _choose_with_sampler(self, classes, codes):
        sampler = clone(self.sampler)
        params = sampler.get_params()
        if params.get("random_state", 0) is None:
            sampler.set_params(random_state=self.random_state)
        # imbalanced-learn knows numbers and strings only; other labels go as codes.
        y = classes[codes]
        if classes.dtype == object and pd.api.types.infer_dtype(classes) != "string":
            y = codes
            asked = params.get("sampling_strategy")
            if isinstance(asked, Mapping):
                asked = encode_keys(asked, classes, "sampling_strategy")
                sampler.set_params(sampling_strategy=asked)
        rows = np.arange(len(codes))[:, None]
        resampled = np.asarray(sampler.fit_resample(rows, y)[0]).ravel()
        indices = np.asarray(getattr(sampler, "sample_indices_", resampled))
        if not np.isin(indices, rows).all():
            raise ValueError(
                f"{type(sampler).__name__} returned rows that X does not have: a "
                "sampler of texts may only choose among them."
            )
        return indices.astype(np.int64)

    def _choose_with_strategy(self, classes, codes, y):
        random_state = check_random_state(self.random_state)
        strategy = self.sampling_strategy
        if strategy is None:
            return np.arange(len(codes))
        if strategy in ("majority", "not minority"):
            return np.sort(_choose(RandomUnderSampler, strategy, codes, random_state))
        if isinstance(strategy, (str, Real)) and strategy not in ("hybrid", "sqrt"):
            return np.sort(_choose(RandomOverSampler, strategy, codes, random_state))
        counts = np.bincount(codes)
        if isinstance(strategy, str):
            sizes = _SIZES[strategy](counts)
        else:
            sizes = _sizes_asked_for(strategy, classes, counts, y)
        grown = np.maximum(sizes, counts)
        indices = _choose(RandomOverSampler, grown, codes, random_state)
        # Only classes without copies shrink now.
        kept = _choose(RandomUnderSampler, sizes, codes[indices], random_state)
        return np.sort(indices[kept])


def _check_sampler(sampler):
    reason = None
    of_imblearn = any(
        base.__module__.startswith("imblearn.") and base.__module__ not in _BASES
        for base in type(sampler).__mro__
    )
    if of_imblearn and not isinstance(sampler, _BY_LABEL_ALONE):
        reason = (
            "measures distances or interpolates between rows, and texts are not "
            "points: a mixture of two rows of token ids is no review"
        )
    elif getattr(sampler, "shrinkage", None) is not None:
        reason = "has a shrinkage, which invents rows between the given ones"
    if reason:
        raise InvalidParameterError(
            f"{type(sampler).__name__} {reason}. Use RandomOverSampler, "
            "RandomUnderSampler, or class_weight of the classifier."
        )


def _mean_sizes(counts):
    return np.full(len(counts), max(1, round(counts.mean())))


def _sqrt_sizes(counts):
    roots = np.sqrt(counts)
    return np.maximum(1, np.round(roots * counts.sum() / roots.sum()).astype(int))


_SIZES = {"hybrid": _mean_sizes, "sqrt": _sqrt_sizes}


def _sizes_asked_for(strategy, classes, counts, y):
    asked = strategy(y) if callable(strategy) else strategy
    if not isinstance(asked, Mapping):
        raise ValueError(f"sampling_strategy returned {asked!r}, not a dict.")
    sizes = counts.copy()
    for code, size in encode_keys(asked, classes, "sampling_strategy").items():
        if not isinstance(size, Integral) or size < 1:
            raise ValueError(
                f"sampling_strategy asks for {size!r} rows of "
                f"{classes.tolist()[code]!r}; pass a whole number of 1 or more."
            )
        sizes[code] = size
    return sizes


def _choose(sampler_class, sizes, codes, random_state):
    if isinstance(sizes, np.ndarray):
        sizes = dict(enumerate(sizes.tolist()))
    sampler = sampler_class(sampling_strategy=sizes, random_state=random_state)
    sampler.fit_resample(np.arange(len(codes))[:, None], codes)
    return sampler.sample_indices_


def _take(X, indices):
    if isinstance(X, (pa.Array, pa.ChunkedArray)):
        if pa.types.is_string_view(X.type):  # Arrow cannot choose among these yet
            return X.cast(pa.large_string()).take(pa.array(indices)).cast(X.type)
        return X.take(pa.array(indices))
    if isinstance(X, np.ndarray) and X.dtype.kind == "T":
        # NumPy before 2.4 garbles the texts of a StringDType array it selects from.
        return X.astype(object)[indices].astype(X.dtype)
    taken = _safe_indexing(X, indices)
    return tuple(taken) if isinstance(X, tuple) else taken
