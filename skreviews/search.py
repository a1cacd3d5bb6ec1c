"""run_search: try parameters of the pipeline by cross-validation, as a file says."""

import json
import tomllib
import warnings
from difflib import get_close_matches
from numbers import Integral
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import loguniform, randint, uniform
from sklearn.dummy import DummyClassifier
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, StratifiedKFold
from sklearn.utils import check_consistent_length, check_random_state
from tqdm.auto import tqdm

from skreviews.metrics import (
    neg_macro_mean_absolute_error_scorer,
    quadratic_weighted_kappa_scorer,
    within_one_accuracy_scorer,
)
from skreviews.pipeline import make_review_pipeline
from skreviews.preprocessing import check_texts

_SCORERS = {
    "neg_macro_mean_absolute_error": neg_macro_mean_absolute_error_scorer,
    "quadratic_weighted_kappa": quadratic_weighted_kappa_scorer,
    "within_one_accuracy": within_one_accuracy_scorer,
}
_KEYS = ("scoring", "cv", "n_iter", "pipeline", "grid", "random")
# The steps that a pipeline can do without.
_STEPS = ("clean", "resample")
_RANGE = {"low", "high", "log"}


def run_search(config, X, y, *, device="auto", random_state=None, progress=False):
    """Search for the parameters that do best in cross-validation.

    Copies of a text are in one fold together: a text that was learned is no test.

    Parameters
    ----------
    config : dict
        What `read_config` returns. ``grid`` holds lists of values by the names that
        `make_review_pipeline` takes, and all combinations are tried; or ``random``
        holds lists, or ranges such as ``{"low": 1e-4, "high": 1e-2, "log": True}``,
        from which ``n_iter`` (10) combinations are drawn. ``pipeline`` sets parameters
        for all of them; ``scoring`` ("accuracy") names a score of scikit-learn or of
        `skreviews.metrics`, ``cv`` (5) the number of folds.
    X : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
        Texts.
    y : array-like of shape (n_samples,)
        Labels.
    device : str, default='auto'
        Where the LSTM computes.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, the draws and the pipelines.
    progress : bool, default=False
        Whether to show a progress bar, on a terminal.

    Returns
    -------
    search : GridSearchCV or RandomizedSearchCV
        Fitted; its `best_estimator_` is fitted to all texts.

    Raises
    ------
    ValueError
        If the config has a key or a parameter that is unknown, or a value out of its
        range, if the score is not defined for these labels, if `X` and `y` have other
        lengths, or if no fit has a score.

    See Also
    --------
    read_config : Reads the config from a file.
    tabulate_results : What was tried, and how it did.

    Examples
    --------
    >>> from skreviews import make_reviews
    >>> from skreviews.search import run_search, tabulate_results
    >>> config = {
    ...     "cv": 2,
    ...     "pipeline": {"lstm__max_epochs": 1, "lstm__ngram_buckets": 64},
    ...     "grid": {"lstm__hidden_size": [2, 4]},
    ... }
    >>> search = run_search(config, *make_reviews(100, random_state=0), random_state=0)
    >>> tabulate_results(search).columns.tolist()
    ['rank', 'mean', 'std', 'seconds', 'lstm__hidden_size']
    """
    check_config(config)
    texts = pd.Series(check_texts(X).to_pylist(), dtype=object)
    labels = np.asarray(y)
    check_consistent_length(texts, labels)
    scorer = _find_scorer(config)
    _check_scorer(scorer, labels)
    seed = check_random_state(random_state).randint(2**31 - 1)
    folds = _fold(texts, labels, config.get("cv", 5), seed)
    pipe = _make_pipeline(config, device, seed)
    if "grid" in config:
        n_tried = int(np.prod([len(values) for values in config["grid"].values()]))
    else:
        n_tried = config.get("n_iter", 10)
    with tqdm(
        total=n_tried * len(folds), unit="fit", disable=None if progress else True
    ) as bar:

        def score(*args):
            try:
                return scorer(*args)
            finally:
                bar.update()

        shared = {"estimator": pipe, "scoring": score, "cv": folds}
        if "grid" in config:
            search = GridSearchCV(param_grid=config["grid"], **shared)
        else:
            search = RandomizedSearchCV(
                param_distributions={
                    name: _to_distribution(values)
                    for name, values in config["random"].items()
                },
                n_iter=n_tried,
                random_state=seed,
                **shared,
            )
        search.fit(texts, labels)
    search.set_params(scoring=scorer)  # the one that counts is of use no more
    search.scorer_ = scorer
    if not np.isfinite(search.best_score_):
        raise ValueError("no fit has a score: the warnings say why.")
    return search


def read_config(path):
    """Read and check the config of a search.

    Parameters
    ----------
    path : str or path-like
        A ``.toml`` or a ``.json``, which can also hold ``null`` for None.

    Returns
    -------
    config : dict

    Raises
    ------
    ValueError
        If it is no such file, or as in `run_search`.
    OSError
        If it cannot be opened.
    """
    path = Path(path)
    read = {".toml": tomllib.loads, ".json": json.loads}.get(path.suffix)
    if read is None:
        raise ValueError(f"{path} is no config: call it *.toml or *.json.")
    try:
        config = read(path.read_text(encoding="utf-8"))
        check_config(config)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return config


def tabulate_results(search):
    """Return what a search has tried, the best first.

    Parameters
    ----------
    search : GridSearchCV or RandomizedSearchCV
        Fitted.

    Returns
    -------
    table : DataFrame of shape (n_tried, n_columns)
        ``rank``, ``mean`` and ``std`` of the score over the folds, ``seconds`` of one
        fit with its scoring, and the parameters.
    """
    found = search.cv_results_
    table = pd.DataFrame(
        {
            "rank": found["rank_test_score"],
            "mean": found["mean_test_score"],
            "std": found["std_test_score"],
            "seconds": found["mean_fit_time"] + found["mean_score_time"],
        }
    )
    table = table.join(pd.DataFrame(found["params"], dtype=object))
    return table.sort_values("rank", kind="stable", ignore_index=True)


def check_config(config):
    """Raise if a key, a parameter or a value of the config cannot be used."""
    if not isinstance(config, dict):
        raise ValueError(f"a config is a table of keys, not {config!r}.")
    _check_names("key", config, _KEYS)
    if ("grid" in config) == ("random" in config):
        raise ValueError("a config has either [grid] or [random], with parameters.")
    for name, default, least in (("cv", 5, 2), ("n_iter", 10, 1)):
        value = config.get(name, default)
        if type(value) is not int or value < least:
            raise ValueError(f"{name} = {value!r} is no whole number from {least} on.")
    if "n_iter" in config and "grid" in config:
        raise ValueError("n_iter is for [random]; a [grid] is tried as a whole.")
    _find_scorer(config)
    # Of the pipeline's own parameters none changes what is learned.
    known = [name for name in make_review_pipeline().get_params() if "__" in name]
    known = sorted([*known, *_STEPS])
    tables = {name: config.get(name, {}) for name in ("pipeline", "grid", "random")}
    for table, params in tables.items():
        if not isinstance(params, dict) or (table in config and not params):
            raise ValueError(f"[{table}] is no table of parameters: {params!r}.")
        _check_names("parameter", params, known)
    if twice := tables["pipeline"].keys() & (tables["grid"] | tables["random"]).keys():
        raise ValueError(f"{min(twice)} is set in [pipeline] and searched, too.")
    for name, value in tables["pipeline"].items():
        _check_value(name, value)
    for name, values in (tables["grid"] | tables["random"]).items():
        if isinstance(values, dict) and "random" in config:
            values = _check_range(name, values)
        if not isinstance(values, list) or not values:
            raise ValueError(
                f"{name} = {values!r} is no list of values to try, such as [1, 2]."
            )
        for value in values:
            _check_value(name, value)


def _check_names(kind, names, known):
    for name in names:
        if name not in known:
            close = get_close_matches(str(name), known, n=3)
            close = close or [item for item in known if item.endswith(f"__{name}")]
            hint = f" Did you mean {' or '.join(close)}?" if close else ""
            raise ValueError(f"the {kind} {name!r} is unknown.{hint}")


def _check_range(name, values):
    """Return both ends of a range."""
    low, high, log = (values.get(key, False) for key in ("low", "high", "log"))
    is_range = values.keys() <= _RANGE and type(log) is bool
    is_range &= all(type(end) in (int, float) for end in (low, high))
    if not is_range or not low < high or (log and low <= 0):
        raise ValueError(
            f"{name} = {values!r} is no range: give low and high, two numbers in this "
            "order, and log = true for numbers above 0 of very different size."
        )
    return [low, high]


def _check_value(name, value):
    """Raise if a step does not take the value."""
    if name in _STEPS:
        if value != "passthrough":
            raise ValueError(
                f'{name} = {value!r} is no step; "passthrough" leaves it out.'
            )
        return
    step = make_review_pipeline(**{name: value})[name.partition("__")[0]]
    try:
        step._validate_params()
    except ValueError as error:
        raise ValueError(f"{name} = {value!r}: {error}") from None


def _find_scorer(config):
    name = config.get("scoring", "accuracy")
    _check_names("score", [name], sorted({*get_scorer_names(), *_SCORERS}))
    return _SCORERS[name] if name in _SCORERS else get_scorer(name)


def _check_scorer(scorer, y):
    """Raise if the score is not defined for such labels, before anything is fitted."""
    X = np.zeros((len(y), 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what a dummy never predicts
        scorer(DummyClassifier().fit(X, y), X, y)


def _fold(texts, y, n_folds, seed):
    """Return rows to train and to test on: folds of distinct texts, stratified."""
    codes, _ = pd.factorize(texts)
    _, first = np.unique(codes, return_index=True)
    splits = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    fold_of_text = np.empty(len(first), dtype=int)
    for fold, (_, test) in enumerate(splits.split(first, y[first])):
        fold_of_text[test] = fold
    fold_of_row = fold_of_text[codes]
    return [
        (np.flatnonzero(fold_of_row != fold), np.flatnonzero(fold_of_row == fold))
        for fold in range(n_folds)
    ]


def _make_pipeline(config, device, seed):
    return make_review_pipeline(
        device=device, random_state=seed, **config.get("pipeline", {})
    )


def _to_distribution(values):
    """Return a list as it is, and a range as a distribution of scipy."""
    if isinstance(values, list):
        return values
    low, high = values["low"], values["high"]
    if values.get("log"):
        return loguniform(low, high)
    if isinstance(low, Integral) and isinstance(high, Integral):
        return randint(low, high + 1)
    return uniform(low, high - low)
