"""evaluate: score a fitted classifier on test reviews."""

import warnings
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skreviews._labels import encode_known_labels, is_ordered, merge_labels, show_label
from skreviews.decision import decide
from skreviews.inspection._calibration_display import CalibrationDisplay, bin_confidence
from skreviews.inspection._rating_confusion_display import RatingConfusionDisplay
from skreviews.inspection._rating_distribution_display import RatingDistributionDisplay
from skreviews.inspection._review_report import MODEL, ReviewReport
from skreviews.inspection._score_table import ScoreTable
from skreviews.inspection._training_display import TrainingDisplay
from skreviews.neural_network import LSTMClassifier
from skreviews.preprocessing import check_texts
from skreviews.preprocessing._token_ids import PADDING, UNKNOWN

_N_ERRORS = 20  # most confident errors in the report
# Upper edges of the groups by the share of OOV words.
_OOV_EDGES = {"none": 0.0, "up to 5%": 0.05, "5% to 20%": 0.2, "over 20%": np.inf}


@validate_params(
    {
        "baselines": ["boolean"],
        "n_bootstrap": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def evaluate(
    estimator,
    X,
    y,
    *,
    X_train=None,
    y_train=None,
    baselines=True,
    n_bootstrap=1000,
    random_state=None,
):
    """Score a fitted classifier of texts on test data.

    Every score has a 95 % bootstrap interval [1]_. It shows how much the score varies
    with the test data, not with another training. With training data, the report also
    counts test texts that are in it, and scores two baselines: the majority label, and
    TF-IDF with logistic regression.

    Parameters
    ----------
    estimator : classifier, Pipeline that ends with one, or search over them
        Fitted classifier of texts, of this package or of scikit-learn.
    X : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
        Texts of the test data.
    y : array-like of shape (n_samples,)
        Their labels. Three or more numbers are ordered labels, such as stars, and have
        further scores.
    X_train : list, tuple, ndarray, Series, pyarrow array of str or None, default=None
        Training texts. None skips the baselines and the count of seen texts.
    y_train : array-like of shape (n_train_samples,) or None, default=None
        Training labels. None skips the baselines.
    baselines : bool, default=True
        Whether to fit and score the baselines.
    n_bootstrap : int, default=1000
        Number of bootstrap samples.
    random_state : int, RandomState instance or None, default=None
        Seed of the bootstrap.

    Returns
    -------
    report : ReviewReport

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If `X` is empty or contains anything but texts, if a label is missing, if
        lengths differ, if the estimator is not a classifier, or if `y_train` is given
        without `X_train`.

    Warns
    -----
    UserWarning
        If `y` contains labels that the estimator does not know. They count as errors.

    See Also
    --------
    ReviewReport : The returned object.
    RatingConfusionDisplay : Draws the confusion matrix of any predictions.
    CalibrationDisplay : Draws the calibration of any predictions.

    Notes
    -----
    Log loss and calibration error need `predict_proba`. The log loss excludes samples
    whose label the estimator does not know. The expected calibration error [2]_ has 15
    bins and no interval, because resampling increases it. Texts are compared without
    case and white space. The TF-IDF baseline uses words, bigrams and scikit-learn's
    default ``C``.

    References
    ----------
    .. [1] B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman &
       Hall, 1993.
    .. [2] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural
       networks", ICML 2017.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.naive_bayes import MultinomialNB
    >>> from sklearn.pipeline import make_pipeline
    >>> from skreviews import evaluate, make_reviews
    >>> X, y = make_reviews(600, random_state=0)
    >>> pipe = make_pipeline(CountVectorizer(), MultinomialNB()).fit(X[:400], y[:400])
    >>> report = evaluate(pipe, X[400:], y[400:], random_state=0)
    >>> report.to_frame().query("score == 'accuracy'").head(1).round(2)
       section       group  n_samples     score  value   low  high
    0  overall  this model        200  accuracy   0.71  0.64  0.78
    """
    texts = _check_test_data(estimator, X, y)
    train_texts = _check_training_data(X_train, y_train)
    more = [] if y_train is None else [y_train]
    labels = merge_labels(estimator.classes_, y, *more)
    true = encode_known_labels(y, labels)

    notes = _note_labels(estimator, true, labels)
    model = _predict(estimator, texts, labels)
    if model.proba is None:
        notes.append("No log loss and no calibration: there is no predict_proba.")
    predictions = {MODEL: model}
    if baselines and y_train is None:
        notes.append("No baselines: pass X_train and y_train.")
    elif baselines:
        train_codes = encode_known_labels(y_train, labels, "y_train")
        for name, baseline in _fit_baselines(train_texts, train_codes, notes):
            predictions[name] = _predict(baseline, texts, np.arange(len(labels)))
    n_repeated, is_seen = _find_copies(texts, train_texts, notes)

    values = labels.astype(np.float64) if is_ordered(labels) else None
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
    table = ScoreTable(true, len(labels), values, n_bootstrap, rng)
    _score_predictions(table, predictions)
    _score_decisions(table, model, labels)
    table.add_labels("label", labels, model.codes)
    for section, groups in (
        ("length", _group_by_length(texts)),
        ("OOV words", _group_by_oov(estimator, texts)),
        ("seen in training", _group_by_seen(is_seen)),
    ):
        for group, rows in groups:
            table.add(section, group, model.codes, rows)

    final = _get_steps(estimator)[-1]
    is_lstm = isinstance(final, LSTMClassifier)
    return ReviewReport(
        scores=table.frame(),
        confusion=RatingConfusionDisplay._from_codes(true, model.codes, labels),
        distribution=RatingDistributionDisplay._from_codes(true, model.codes, labels),
        calibration=_make_calibration(true, model),
        training=TrainingDisplay(final.history_) if is_lstm else None,
        recipe=final.recipe_.to_frame() if is_lstm else None,
        errors=_find_errors(texts, true, model, labels),
        notes=notes,
        n_samples=len(texts),
        n_bootstrap=n_bootstrap,
        n_repeated=n_repeated,
        n_seen=None if is_seen is None else int(is_seen.sum()),
    )


@dataclass
class _Predictions:
    codes: np.ndarray  # (n_samples,)
    proba: np.ndarray | None  # (n_samples, n_labels)
    is_known: np.ndarray  # (n_labels,): is the label a class of the estimator?


def _check_test_data(estimator, X, y):
    """Return the texts as an ndarray of str after all checks."""
    check_is_fitted(estimator)
    if not hasattr(estimator, "classes_"):
        raise ValueError(
            f"{type(estimator).__name__} has no classes_: pass a classifier."
        )
    if hasattr(X, "__len__") and len(X) == 0:
        raise ValueError(
            "X is empty: pass test data, such as X_test of train_test_split."
        )
    texts = check_texts(X)
    check_consistent_length(texts, y)
    return texts.to_numpy(zero_copy_only=False)


def _check_training_data(X_train, y_train):
    if X_train is None:
        if y_train is not None:
            raise ValueError("y_train is given, but X_train is not: pass both.")
        return None
    texts = check_texts(X_train)
    if y_train is not None:
        check_consistent_length(texts, y_train)
    return texts.to_pylist()


def _note_labels(estimator, true, labels):
    """Note labels that are unknown to the estimator or absent from the test data."""
    notes = []
    known = encode_known_labels(estimator.classes_, labels)
    is_new = ~np.isin(true, known)
    if is_new.any():
        names = _list_labels(labels[np.unique(true[is_new])])
        note = (
            f"{is_new.sum():,} reviews have labels that are not in the training data "
            f"and count as errors: {names}."
        )
        warnings.warn(note, UserWarning, stacklevel=4)
        notes.append(note)
    absent = np.setdiff1d(known, true)
    if len(absent):
        notes.append(
            f"No test review has these labels: {_list_labels(labels[absent])}."
        )
    return notes


def _list_labels(labels):
    return ", ".join(map(show_label, labels))


def _predict(estimator, texts, labels):
    known = encode_known_labels(estimator.classes_, labels)
    is_known = np.isin(np.arange(len(labels)), known)
    proba = None
    if hasattr(estimator, "predict_proba"):
        proba = np.zeros((len(texts), len(labels)))
        proba[:, known] = estimator.predict_proba(texts)
    final = _get_steps(estimator)[-1]
    if isinstance(final, LSTMClassifier):  # avoids a second forward pass
        y_pred = decide(proba[:, known], estimator.classes_, final.decision)
    else:
        y_pred = estimator.predict(texts)
    codes = encode_known_labels(y_pred, labels, "predictions")
    return _Predictions(codes, proba, is_known)


def _get_steps(estimator):
    estimator = getattr(estimator, "best_estimator_", estimator)
    steps = getattr(estimator, "steps", [("", estimator)])
    return [step for _, step in steps]


def _fit_baselines(texts, codes, notes):
    """Return the names and the fitted baselines, whose classes are codes."""
    fitted = [("majority label", DummyClassifier(strategy="prior").fit(texts, codes))]
    if len(np.unique(codes)) < 2:
        notes.append("No TF-IDF baseline: y_train has one label only.")
        return fitted
    for min_df in (2, 1):  # in a few short texts no word may occur twice
        tfidf = TfidfVectorizer(ngram_range=(1, 2), min_df=min_df, sublinear_tf=True)
        try:
            features = tfidf.fit_transform(texts)
        except ValueError:
            continue
        logistic = LogisticRegression(max_iter=1000).fit(features, codes)
        return [*fitted, ("TF-IDF", make_pipeline(tfidf, logistic))]
    notes.append("No TF-IDF baseline: X_train contains no word.")
    return fitted


def _find_copies(texts, train_texts, notes):
    """Count the copies within the test texts, and find those of training texts."""
    plain = [_simplify(text) for text in texts]
    n_repeated = len(plain) - len(set(plain))
    if n_repeated:
        notes.append(f"{n_repeated:,} reviews repeat another test review.")
    if train_texts is None:
        return n_repeated, None
    seen = {_simplify(text) for text in train_texts}
    is_seen = np.array([text in seen for text in plain])
    if is_seen.any():
        notes.append(
            f"{is_seen.sum():,} reviews ({is_seen.mean():.1%}) are in the training "
            "data too: the scores are too optimistic."
        )
    return n_repeated, is_seen


def _simplify(text):
    return " ".join(text.casefold().split())


def _score_predictions(table, predictions):
    """Score all predictors, and the differences to the baselines."""
    for name, prediction in predictions.items():
        table.add("overall", name, prediction.codes)
        if prediction.proba is None:
            continue
        losses = _log_losses(table.true, prediction)
        if len(losses):
            table.add_mean("overall", name, "log_loss", losses)
        error = _make_calibration(table.true, prediction).expected_calibration_error
        table.add_value("overall", name, "expected_calibration_error", error)
    model, *others = predictions
    for name in others:
        codes = predictions[name].codes
        table.add_difference("difference", name, predictions[model].codes, codes)


def _log_losses(true, prediction):
    """Return the log loss of each sample with a known label."""
    is_known = prediction.is_known[true]
    proba = prediction.proba[is_known, true[is_known]]
    # sklearn.metrics.log_loss clips at the precision of the probabilities as well.
    return -np.log(np.clip(proba, np.finfo(np.float32).eps, 1))


def _score_decisions(table, model, labels):
    """Score the mode and the median of the probabilities of ordered labels."""
    if model.proba is None or not is_ordered(labels) or model.is_known.sum() < 3:
        return
    known = np.flatnonzero(model.is_known)
    for decision in ("mode", "median"):
        table.add("decision", decision, decide(model.proba[:, known], known, decision))


def _group_by_length(texts):
    """Return the quarters of the texts by length: names and masks."""
    n_words = np.array([len(text.split()) for text in texts])
    edges = np.unique(np.quantile(n_words, [0.25, 0.5, 0.75], method="higher"))
    codes = np.searchsorted(edges, n_words)
    groups = []
    for code in np.unique(codes):
        rows = codes == code
        low, high = n_words[rows].min(), n_words[rows].max()
        name = f"{low:,} words" if low == high else f"{low:,} to {high:,} words"
        groups.append((name, rows))
    return groups


def _group_by_oov(estimator, texts):
    """Return groups of the texts by the share of OOV words: names and masks."""
    for step in _get_steps(estimator):
        if hasattr(step, "oov_rate"):
            ids = np.asarray(step.transform(texts))
            break
        if hasattr(step, "transform"):  # neither a sampler nor "passthrough"
            texts = step.transform(texts)
    else:
        return []
    n_words = (ids != PADDING).sum(axis=1)
    n_oov = (ids == UNKNOWN).sum(axis=1)
    # A text without words is predicted as one OOV word.
    shares = np.where(n_words > 0, n_oov / np.maximum(n_words, 1), 1)
    codes = np.searchsorted(list(_OOV_EDGES.values()), shares)
    names = list(_OOV_EDGES)
    return [(names[code], codes == code) for code in np.unique(codes)]


def _group_by_seen(is_seen):
    if is_seen is None or is_seen.all() or not is_seen.any():
        return []
    return [("seen", is_seen), ("not seen", ~is_seen)]


def _make_calibration(true, prediction):
    if prediction.proba is None:
        return None
    is_right = prediction.proba.argmax(axis=1) == true
    bins = bin_confidence(prediction.proba.max(axis=1), is_right)
    return CalibrationDisplay(bins, int(prediction.is_known.sum()))


def _find_errors(texts, true, prediction, labels):
    """Return the most confident errors as a DataFrame."""
    if prediction.proba is None:
        return None
    rows = np.flatnonzero(prediction.codes != true)
    confidence = prediction.proba[rows, prediction.codes[rows]]
    order = np.argsort(-confidence, kind="stable")[:_N_ERRORS]
    rows = rows[order]
    return pd.DataFrame(
        {
            "row": rows,
            "text": texts[rows],
            "true": labels[true[rows]],
            "predicted": labels[prediction.codes[rows]],
            "confidence": confidence[order],
        }
    )
