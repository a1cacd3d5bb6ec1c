"""run_search: hyper-parameter search by cross-validation, described by a file."""

import json
import tomllib
import warnings
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import loguniform, randint, uniform
from sklearn.dummy import DummyClassifier
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    StratifiedGroupKFold,
)
from sklearn.utils import check_consistent_length, check_random_state
from tqdm.auto import tqdm

from skreviews._splits import group_texts
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
_OPTIONAL_STEPS = ("clean", "resample")
_RANGE_KEYS = {"low", "high", "log"}


def run_search(config, X, y, *, device="auto", random_state=None, progress=False):
    """Search for the pipeline parameters with the best cross-validation score.

    Copies of a text are always in the same fold.

    Parameters
    ----------
    config : dict
        The search, as returned by `read_config`. ``grid`` maps names of
        `make_review_pipeline` to lists of values, and all combinations are evaluated.
        ``random`` maps names to lists or to ranges such as
        ``{"low": 1e-4, "high": 1e-2, "log": True}``, and ``n_iter`` (10) combinations
        are drawn. ``pipeline`` sets fixed parameters, ``scoring`` ("accuracy") names a
        scorer of scikit-learn or of `skreviews.metrics`, and ``cv`` (5) is the number
        of folds.
    X : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
        Texts.
    y : array-like of shape (n_samples,)
        Labels.
    device : str, default='auto'
        Device of the LSTM.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, the random search and the pipelines.
    progress : bool, default=False
        Whether to show a progress bar on a terminal.

    Returns
    -------
    search : GridSearchCV or RandomizedSearchCV
        The fitted search. Its `best_estimator_` is fitted to all texts.

    Raises
    ------
    ValueError
        If the config has an unknown key or parameter or an invalid value, if the score
        is not defined for the labels, if `X` and `y` have different lengths, or if all
        fits fail.

    See Also
    --------
    read_config : Read the config from a file.
    tabulate_results : Return the results as a table.

    Examples
    --------
    >>> from skreviews import make_reviews
    >>> from skreviews.search import run_search, tabulate_results
    >>> config = {
    ...     "cv": 2,
    ...     "pipeline": {"lstm__max_epochs": 1, "lstm__ngrams__n_buckets": 64},
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
    splitter = StratifiedGroupKFold(
        config.get("cv", 5), shuffle=True, random_state=seed
    )
    folds = list(splitter.split(texts, labels, groups=group_texts(texts)))
    pipe = make_review_pipeline(
        device=device, random_state=seed, **config.get("pipeline", {})
    )
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
    search.set_params(scoring=scorer)  # without the progress bar
    search.scorer_ = scorer
    if not np.isfinite(search.best_score_):
        raise ValueError("all fits failed. The warnings give the reasons.")
    return search


def read_config(path):
    """Read and validate the config of a search.

    Parameters
    ----------
    path : str or path-like
        A ``.toml`` or ``.json`` file. JSON can contain ``null`` for None.

    Returns
    -------
    config : dict

    Raises
    ------
    ValueError
        If the file is neither TOML nor JSON, or if the config is invalid.
    OSError
        If the file cannot be opened.
    """
    path = Path(path)
    read = {".toml": tomllib.loads, ".json": json.loads}.get(path.suffix)
    if read is None:
        raise ValueError(f"{path} is not a config. Its name must be *.toml or *.json.")
    try:
        config = read(path.read_text(encoding="utf-8"))
        check_config(config)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return config


def tabulate_results(search):
    """Return the results of a search as a table, sorted by rank.

    Parameters
    ----------
    search : GridSearchCV or RandomizedSearchCV
        A fitted search.

    Returns
    -------
    table : DataFrame of shape (n_tried, n_columns)
        ``rank``, ``mean`` and ``std`` of the scores of the folds, ``seconds`` of a fit
        with its scoring, and the parameters.
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
    """Raise if the config has an unknown key or parameter, or an invalid value."""
    if not isinstance(config, dict):
        raise ValueError(f"a config must be a table of keys, not {config!r}.")
    _check_names("key", config, _KEYS)
    if ("grid" in config) == ("random" in config):
        raise ValueError("a config must have either [grid] or [random].")
    for name, default, minimum in (("cv", 5, 2), ("n_iter", 10, 1)):
        value = config.get(name, default)
        if type(value) is not int or value < minimum:
            raise ValueError(
                f"{name} = {value!r} must be an int of at least {minimum}."
            )
    if "n_iter" in config and "grid" in config:
        raise ValueError(
            "n_iter needs [random]: all combinations of [grid] are fitted."
        )
    _find_scorer(config)
    known = [name for name in make_review_pipeline().get_params() if "__" in name]
    known = sorted([*known, *_OPTIONAL_STEPS])
    tables = {name: config.get(name, {}) for name in ("pipeline", "grid", "random")}
    for table, params in tables.items():
        if not isinstance(params, dict) or (table in config and not params):
            raise ValueError(
                f"[{table}] must be a table of parameters, not {params!r}."
            )
        _check_names("parameter", params, known)
    searched = tables["grid"] | tables["random"]
    if both := tables["pipeline"].keys() & searched.keys():
        raise ValueError(f"{min(both)} is set in [pipeline] and searched. Remove one.")
    for name, value in tables["pipeline"].items():
        _check_value(name, value)
    for name, values in searched.items():
        if isinstance(values, dict) and "random" in config:
            values = _check_range(name, values)
        if not isinstance(values, list) or not values:
            raise ValueError(
                f"{name} = {values!r} must be a list of values, such as [1, 2]."
            )
        for value in values:
            _check_value(name, value)


def _check_names(kind, names, known):
    for name in names:
        if name not in known:
            similar = get_close_matches(str(name), known, n=3)
            similar = similar or [item for item in known if item.endswith(f"__{name}")]
            hint = f" Did you mean {' or '.join(similar)}?" if similar else ""
            raise ValueError(f"the {kind} {name!r} is unknown.{hint}")


def _check_range(name, values):
    """Return the ends of a range, or raise if it is invalid."""
    low, high, log = (values.get(key, False) for key in ("low", "high", "log"))
    is_valid = values.keys() <= _RANGE_KEYS and type(log) is bool
    is_valid &= all(type(end) in (int, float) for end in (low, high))
    if not is_valid or not low < high or (log and low <= 0):
        raise ValueError(
            f"{name} = {values!r} is not a range. Set low and high to numbers with low "
            "< high. log = true needs low > 0."
        )
    return [low, high]


def _check_value(name, value):
    """Raise if the pipeline does not accept the value of a parameter."""
    if name in _OPTIONAL_STEPS:
        if value != "passthrough":
            raise ValueError(
                f'{name} = {value!r} is not a step. "passthrough" removes the step.'
            )
        return
    step, *path, _ = name.split("__")
    try:
        owner = make_review_pipeline().set_params(**{name: value})[step]
        for attribute in path:
            owner = getattr(owner, attribute)
        owner._validate_params()
    except ValueError as error:
        raise ValueError(f"{name} = {value!r}: {error}") from None


def _find_scorer(config):
    name = config.get("scoring", "accuracy")
    _check_names("score", [name], sorted({*get_scorer_names(), *_SCORERS}))
    return _SCORERS[name] if name in _SCORERS else get_scorer(name)


def _check_scorer(scorer, y):
    """Raise before the first fit if the score is not defined for the labels."""
    X = np.zeros((len(y), 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about classes that are never predicted
        scorer(DummyClassifier().fit(X, y), X, y)


def _to_distribution(values):
    """Return lists unchanged, and ranges as distributions of scipy."""
    if isinstance(values, list):
        return values
    low, high = values["low"], values["high"]
    if values.get("log"):
        return loguniform(low, high)
    if isinstance(low, int) and isinstance(high, int):
        return randint(low, high + 1)
    return uniform(low, high - low)
