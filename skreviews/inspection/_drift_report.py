"""drift_report: how new reviews differ from those that a model was judged on."""

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params
from sklearn.utils.validation import check_is_fitted

from skreviews._labels import encode_known_labels
from skreviews.inspection._markup import strip_controls
from skreviews.pipeline import find_steps
from skreviews.preprocessing import check_texts

# Reviews that the prior of the words' shares adds to each side.
_PRIOR_REVIEWS = 10
_INTERVAL = [0.025, 0.975]
_NORMAL_QUANTILE = 1.96


@validate_params(
    {
        "pipe": "no_validation",
        "X_reference": "no_validation",
        "X_new": "no_validation",
        "n_bootstrap": [Interval(Integral, 2, None, closed="left")],
        "n_words": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def drift_report(
    pipe, X_reference, X_new, *, n_bootstrap=1000, n_words=20, random_state=None
):
    """Compare new reviews with those of a reference, as a fitted pipeline reads them.

    Parameters
    ----------
    pipe : Pipeline, or search over one
        Fitted, such as `make_review_pipeline` returns: a `SequenceVectorizer` and a
        `LSTMClassifier` come last.
    X_reference : list, tuple, ndarray, Series or pyarrow array of str
        Raw texts that the model has not been trained on, such as the test part: of
        those that it has, it knows all words.
    X_new : list, tuple, ndarray, Series or pyarrow array of str
        Raw texts that came later.
    n_bootstrap : int, default=1000
        Number of times that the reviews of both sides are drawn anew, for the
        intervals.
    n_words : int, default=20
        Number of words to list.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Returns
    -------
    report : DriftReport

    Raises
    ------
    NotFittedError
        If the pipeline is not fitted.
    TypeError
        If it has no LSTM at its end.
    ValueError
        If one side holds anything but texts, or no text.

    References
    ----------
    .. [1] B. L. Monroe, M. P. Colaresi, K. M. Quinn, "Fightin' words: lexical feature
       selection and evaluation for identifying the content of political conflict",
       Political Analysis 16(4), 2008.

    Examples
    --------
    >>> from skreviews import drift_report, make_review_pipeline, make_reviews
    >>> X, y = make_reviews(300, random_state=0)
    >>> pipe = make_review_pipeline(random_state=0, lstm__hidden_size=8)
    >>> pipe = pipe.fit(X[:200], y[:200])
    >>> new = [f"{text} since the chatbot came" for text in X[200:]]
    >>> report = drift_report(pipe, X[200:], new, random_state=0)
    >>> report.words["word"].tolist()[:2]
    ['came', 'chatbot']
    """
    pipe = getattr(pipe, "best_estimator_", pipe)
    *cleaning, vectorizer, classifier = [step for _, step in find_steps(pipe)]
    check_is_fitted(classifier)
    old, new = (
        _read(X, cleaning, vectorizer, classifier) for X in (X_reference, X_new)
    )
    random_state = check_random_state(random_state)
    labels = classifier.classes_.tolist()
    measures = _compare(old.rows, new.rows, labels, n_bootstrap, random_state)
    words = _compare_words(old, new)
    words.insert(1, "is_known", words["word"].isin(vectorizer.vocabulary_))
    return DriftReport(measures, words.head(n_words), len(old.rows), len(new.rows))


class DriftReport:
    """How new reviews differ from a reference; made by `drift_report`.

    Parameters
    ----------
    measures : DataFrame
        See `to_frame`.
    words : DataFrame
        See the attribute.
    n_reference : int
        Number of reviews in the reference.
    n_new : int
        Number of new reviews.

    Attributes
    ----------
    measures : DataFrame
        See `to_frame`.
    words : DataFrame
        The words, as cleaned, that have become more frequent, the surest first:
        ``word``, whether the model knows it (``is_known``), the shares of the reviews
        that hold it, ``reference`` and ``new``, and the ``log_odds`` ratio between
        these, with the interval from ``low`` to ``high`` that holds it in 95 of 100
        cases.

    See Also
    --------
    drift_report : Makes it.

    Examples
    --------
    >>> from skreviews import drift_report, make_review_pipeline, make_reviews
    >>> X, y = make_reviews(300, random_state=0)
    >>> pipe = make_review_pipeline(random_state=0, lstm__hidden_size=8).fit(X, y)
    >>> report = drift_report(pipe, X, ["Nice"], n_bootstrap=100, random_state=0)
    >>> float(report.measures.loc["words in a review", "new"])
    1.0
    """

    def __init__(self, measures, words, n_reference, n_new):
        self.measures = measures
        self.words = words
        self.n_reference = n_reference
        self.n_new = n_new

    def to_frame(self):
        """Return the measures.

        Returns
        -------
        frame : DataFrame
            One row for each, by name: ``reference``, ``new``, their ``difference``, and
            the interval from ``low`` to ``high`` that holds it in 95 of 100 cases. The
            last one, the total variation between the predicted labels, is the share of
            the reviews whose label would have to change; it cannot be below 0, and
            ``by_chance`` is what it stays below in 95 of 100 cases without any drift.
        """
        return self.measures.copy()

    def __str__(self):
        blocks = [
            f"{self.n_new:,} new reviews against {self.n_reference:,}",
            self.measures.to_string(float_format="{:.3f}".format, na_rep=""),
        ]
        if len(self.words):
            words = self.words.assign(word=self.words["word"].map(strip_controls))
            blocks += [
                "More frequent words, in shares of the reviews",
                words.to_string(index=False, float_format="{:.3f}".format),
            ]
        return "\n\n".join(blocks)

    def __repr__(self):
        return f"<DriftReport of {self.n_new} reviews against {self.n_reference}>"


class _Side(NamedTuple):
    """The reviews of one side, as the pipeline reads them."""

    rows: np.ndarray  # (n_reviews, 2 + n_classes): unknown words, words, predictions
    n_holding: pd.Series  # number of reviews that hold each word, by word


def _read(X, cleaning, vectorizer, classifier):
    for step in cleaning:
        X = step.transform(X)
    texts = check_texts(X)
    codes, offsets, words = vectorizer._split(texts)
    words = np.array(words.to_pylist(), dtype=object)
    of_review = np.repeat(np.arange(len(texts)), np.diff(offsets))
    # Twice in a review is no more than once: so reviews are what is drawn by chance.
    pairs = pd.DataFrame({"review": of_review, "word": codes}).drop_duplicates()
    n_holding = np.bincount(pairs["word"], minlength=len(words))
    is_unknown = ~pd.Index(words).isin(vectorizer.vocabulary_)
    n_unknown = np.bincount(of_review, is_unknown[codes], minlength=len(texts))
    predicted = classifier.predict(vectorizer.transform(texts))
    is_predicted = np.eye(len(classifier.classes_))[
        encode_known_labels(predicted, classifier.classes_)
    ]
    rows = np.column_stack([n_unknown, np.diff(offsets), is_predicted])
    return _Side(rows, pd.Series(n_holding, index=words))


def _compare(old, new, labels, n_bootstrap, random_state):
    """Return the table of measures of the rows of both sides."""
    means = old.mean(0), new.mean(0)
    drawn = [_draw_means(rows, n_bootstrap, random_state) for rows in (old, new)]
    table = pd.DataFrame(
        {
            "reference": pd.Series(_measure(means[0], labels), dtype=float),
            "new": pd.Series(_measure(means[1], labels), dtype=float),
        }
    )
    table["difference"] = table["new"] - table["reference"]
    drawn_old, drawn_new = (pd.DataFrame(_measure(side, labels)) for side in drawn)
    intervals = (drawn_new - drawn_old).quantile(_INTERVAL)
    table["low"], table["high"] = intervals.to_numpy()
    name = "predicted labels, total variation"
    table.loc[name, "difference"] = _vary(*means)
    table.loc[name, ["low", "high"]] = np.quantile(_vary(*drawn), _INTERVAL)
    chance = _draw_without_drift(old, new, n_bootstrap, random_state)
    table.loc[name, "by_chance"] = np.quantile(chance, 0.95)
    return table


def _draw_means(rows, n_bootstrap, random_state):
    """Return the means of as many reviews, drawn anew each time."""
    n = len(rows)
    return np.array(
        [
            np.bincount(random_state.randint(n, size=n), minlength=n) @ rows / n
            for _ in range(n_bootstrap)
        ]
    )


def _measure(means, labels):
    """Return the measures by name, of one or more means of rows (..., n_columns)."""
    n_unknown, n_words, shares = means[..., 0], means[..., 1], means[..., 2:]
    measures = {
        "unknown words, share": n_unknown / np.maximum(n_words, 1e-12),
        "words in a review": n_words,
    }
    if all(isinstance(label, Real) for label in labels):
        measures["predicted labels, mean"] = shares @ np.array(labels, dtype=float)
    for place, label in enumerate(labels):
        measures[f"predicted {label}, share"] = shares[..., place]
    return measures


def _vary(old, new):
    """Return the total variation between the shares of the predicted labels."""
    return np.abs(new[..., 2:] - old[..., 2:]).sum(-1) / 2


def _draw_without_drift(old, new, n_bootstrap, random_state):
    """Return total variations between sides whose labels are drawn alike."""
    shares = np.concatenate([old, new])[:, 2:].mean(0)
    drawn = [
        random_state.multinomial(len(rows), shares, size=n_bootstrap) / len(rows)
        for rows in (old, new)
    ]
    return np.abs(drawn[1] - drawn[0]).sum(1) / 2


def _compare_words(old, new):
    """Return the words that are surely more frequent, the surest first.

    The log-odds ratio of Monroe et al.: as if each side held a few reviews more, with
    the words of both, which lets rare words prove little.
    """
    held = pd.DataFrame({"reference": old.n_holding, "new": new.n_holding}).fillna(0)
    sizes = np.array([len(old.rows), len(new.rows)])  # in the order of the columns
    prior = _PRIOR_REVIEWS * held.sum(axis=1) / sizes.sum()
    holding = held.add(prior, axis=0)
    lacking = (sizes - held).add(_PRIOR_REVIEWS - prior, axis=0)
    log_odds = np.log(holding / lacking)
    table = held / sizes
    table["log_odds"] = log_odds["new"] - log_odds["reference"]
    error = np.sqrt((1 / holding + 1 / lacking).sum(axis=1))
    table["low"] = table["log_odds"] - _NORMAL_QUANTILE * error
    table["high"] = table["log_odds"] + _NORMAL_QUANTILE * error
    table = table[table["low"] > 0].sort_values("low", ascending=False, kind="stable")
    return table.rename_axis("word").reset_index()
