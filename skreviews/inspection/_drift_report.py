"""drift_report: compare new reviews with a reference."""

from numbers import Integral
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params
from sklearn.utils.validation import check_is_fitted

from skreviews._labels import are_numbers, encode_known_labels
from skreviews.inspection._pages import strip_controls
from skreviews.pipeline import find_steps
from skreviews.preprocessing import check_texts

# The prior of the word shares is worth this number of reviews on each side.
_PRIOR_REVIEWS = 10
_INTERVAL = [0.025, 0.975]
_NORMAL_QUANTILE = 1.96


@validate_params(
    {
        "n_bootstrap": [Interval(Integral, 2, None, closed="left")],
        "n_words": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def drift_report(
    pipe, X_reference, X_new, *, n_bootstrap=1000, n_words=20, random_state=None
):
    """Compare new reviews with a reference: words, lengths and predictions.

    Parameters
    ----------
    pipe : Pipeline, or search over one
        Fitted, such as `make_review_pipeline` returns, with a `SequenceVectorizer` and
        an `LSTMClassifier` as its last steps.
    X_reference : list, tuple, ndarray, Series or pyarrow array of str
        Raw texts that are not in the training data, such as the test data. Training
        texts have too few OOV words for a comparison.
    X_new : list, tuple, ndarray, Series or pyarrow array of str
        Later raw texts.
    n_bootstrap : int, default=1000
        Number of bootstrap samples of both sides.
    n_words : int, default=20
        Number of words to list.
    random_state : int, RandomState instance or None, default=None
        Seed of the bootstrap.

    Returns
    -------
    report : DriftReport

    Raises
    ------
    NotFittedError
        If the pipeline is not fitted.
    TypeError
        If the pipeline does not end with an LSTM.
    ValueError
        If one side is empty or contains anything but texts.

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
        _measure_side(X, cleaning, vectorizer, classifier) for X in (X_reference, X_new)
    )
    random_state = check_random_state(random_state)
    labels = classifier.classes_.tolist()
    measures = _compare(old.rows, new.rows, labels, n_bootstrap, random_state)
    words = _compare_words(old, new)
    words.insert(1, "is_known", words["word"].isin(vectorizer.vocabulary_))
    return DriftReport(measures, words.head(n_words), len(old.rows), len(new.rows))


class DriftReport:
    """Differences between new reviews and a reference; created by `drift_report`.

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
        The words after cleaning that are significantly more frequent, by the lower
        bound of their log-odds ratio: ``word``, ``is_known`` (in the vocabulary), the
        shares of the reviews that contain it, ``reference`` and ``new``, and the
        ``log_odds`` ratio of these shares with its 95 % interval from ``low`` to
        ``high``.

    See Also
    --------
    drift_report : Creates the report.

    Examples
    --------
    >>> from skreviews import drift_report, make_review_pipeline, make_reviews
    >>> X, y = make_reviews(300, random_state=0)
    >>> pipe = make_review_pipeline(random_state=0, lstm__hidden_size=8).fit(X, y)
    >>> report = drift_report(pipe, X, ["Nice"], n_bootstrap=100, random_state=0)
    >>> float(report.measures.loc["words per review", "new"])
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
            One row for each measure: ``reference``, ``new``, their ``difference``, and
            its 95 % bootstrap interval from ``low`` to ``high``. The last row is the
            total variation distance of the predicted labels. It is never negative, so
            ``by_chance`` is its 95 % quantile without drift.
        """
        return self.measures.copy()

    def __str__(self):
        blocks = [
            f"{self.n_new:,} new reviews, {self.n_reference:,} in the reference",
            self.measures.to_string(float_format="{:.3f}".format, na_rep=""),
        ]
        if len(self.words):
            words = self.words.assign(word=self.words["word"].map(strip_controls))
            blocks += [
                "More frequent words (shares of the reviews)",
                words.to_string(index=False, float_format="{:.3f}".format),
            ]
        return "\n\n".join(blocks)

    def __repr__(self):
        return f"<DriftReport of {self.n_new} reviews against {self.n_reference}>"


class _Side(NamedTuple):
    rows: np.ndarray  # (n_reviews, 2 + n_classes): OOV words, words, predicted label
    n_containing: pd.Series  # number of reviews that contain each word, by word


def _measure_side(X, cleaning, vectorizer, classifier):
    for step in cleaning:
        X = step.transform(X)
    texts = check_texts(X)
    codes, offsets, words = vectorizer._split(texts)
    words = np.array(words.to_pylist(), dtype=object)
    of_review = np.repeat(np.arange(len(texts)), np.diff(offsets))
    # A word counts once per review, because reviews are the independent samples.
    pairs = pd.DataFrame({"review": of_review, "word": codes}).drop_duplicates()
    n_containing = np.bincount(pairs["word"], minlength=len(words))
    is_oov = ~pd.Index(words).isin(vectorizer.vocabulary_)
    n_oov = np.bincount(of_review, is_oov[codes], minlength=len(texts))
    predicted = classifier.predict(vectorizer.transform(texts))
    is_predicted = np.eye(len(classifier.classes_))[
        encode_known_labels(predicted, classifier.classes_)
    ]
    rows = np.column_stack([n_oov, np.diff(offsets), is_predicted])
    return _Side(rows, pd.Series(n_containing, index=words))


def _compare(old, new, labels, n_bootstrap, random_state):
    """Return the table of measures of both sides."""
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
    table.loc[name, "difference"] = _measure_variation(*means)
    table.loc[name, ["low", "high"]] = np.quantile(
        _measure_variation(*drawn), _INTERVAL
    )
    chance = _draw_without_drift(old, new, n_bootstrap, random_state)
    table.loc[name, "by_chance"] = np.quantile(chance, 0.95)
    return table


def _draw_means(rows, n_bootstrap, random_state):
    """Return the means of bootstrap samples."""
    n = len(rows)
    return np.array(
        [
            np.bincount(random_state.randint(n, size=n), minlength=n) @ rows / n
            for _ in range(n_bootstrap)
        ]
    )


def _measure(means, labels):
    """Return the measures by name, from means of rows of shape (..., n_columns)."""
    n_oov, n_words, shares = means[..., 0], means[..., 1], means[..., 2:]
    measures = {
        "OOV words, share": n_oov / np.maximum(n_words, 1e-12),
        "words per review": n_words,
    }
    if are_numbers(labels):
        measures["predicted labels, mean"] = shares @ np.array(labels, dtype=float)
    for code, label in enumerate(labels):
        measures[f"predicted {label}, share"] = shares[..., code]
    return measures


def _measure_variation(old, new):
    """Return the total variation distance of the predicted labels."""
    return np.abs(new[..., 2:] - old[..., 2:]).sum(-1) / 2


def _draw_without_drift(old, new, n_bootstrap, random_state):
    """Return total variation distances of two sides with the same distribution."""
    shares = np.concatenate([old, new])[:, 2:].mean(0)
    drawn = [
        random_state.multinomial(len(rows), shares, size=n_bootstrap) / len(rows)
        for rows in (old, new)
    ]
    return np.abs(drawn[1] - drawn[0]).sum(1) / 2


def _compare_words(old, new):
    """Return the words that are significantly more frequent, by their lower bound.

    The log-odds ratio of Monroe et al. with an informative prior: each side gets
    additional reviews with the words of both, so that rare words are not significant.
    """
    counts = pd.DataFrame({"reference": old.n_containing, "new": new.n_containing})
    counts = counts.fillna(0)
    sizes = np.array([len(old.rows), len(new.rows)])  # in the order of the columns
    prior = _PRIOR_REVIEWS * counts.sum(axis=1) / sizes.sum()
    with_word = counts.add(prior, axis=0)
    without_word = (sizes - counts).add(_PRIOR_REVIEWS - prior, axis=0)
    log_odds = np.log(with_word / without_word)
    table = counts / sizes
    table["log_odds"] = log_odds["new"] - log_odds["reference"]
    error = np.sqrt((1 / with_word + 1 / without_word).sum(axis=1))
    table["low"] = table["log_odds"] - _NORMAL_QUANTILE * error
    table["high"] = table["log_odds"] + _NORMAL_QUANTILE * error
    table = table[table["low"] > 0].sort_values("low", ascending=False, kind="stable")
    return table.rename_axis("word").reset_index()
