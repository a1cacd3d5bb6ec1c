"""explain: which words of a review speak for its stars, and which against."""

import warnings

import numpy as np
import pandas as pd
import torch
from sklearn.utils.validation import check_is_fitted

from skreviews._atomic import save_page
from skreviews._labels import encode_known_labels
from skreviews.decision import decide
from skreviews.inspection._alignment import Reader
from skreviews.inspection._attribution import attribute
from skreviews.inspection._markup import to_html, to_page, to_terminal
from skreviews.neural_network._runtime import flushed_denormals, limited_threads
from skreviews.pipeline import find_steps
from skreviews.preprocessing import check_texts
from skreviews.preprocessing._token_ids import PADDING, UNKNOWN
from skreviews.preprocessing._token_rows import find_kept

# Texts that are printed; a file has all of them.
_SHOWN = 20
_WORD_COLUMNS = ("word", "start", "stop", "tokens", "lstm", "ngrams")


def explain(pipe, texts, *, target=None):
    """Explain the labels of reviews by their words.

    What is explained is a score: the target's logit less the mean of the others, which
    is the logarithm of its probability less their mean logarithm. A logit alone would
    say nothing, as probabilities stay the same with one number added to all logits.

    A word adds two parts to it. That of the LSTM is found by integrated gradients [1]_
    on the word vectors, from zero to what they are: the sum over the words is what they
    change, within 1 % or 0.001, for which as many steps are taken as it needs. That of
    the wide branch is exact: each n-gram's weight, shared among its words.

    Parameters
    ----------
    pipe : Pipeline, or search over one
        Fitted, such as `make_review_pipeline` returns: a `SequenceVectorizer` and a
        `LSTMClassifier` come last. It is not changed. It computes on the `device` of
        its classifier, in float32.
    texts : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
        Raw texts.
    target : label or None, default=None
        The label to speak for or against; None takes that which `predict` returns, for
        each text its own.

    Returns
    -------
    explanation : Explanation

    Raises
    ------
    NotFittedError
        If the pipeline is not fitted.
    TypeError
        If it has no LSTM at its end.
    ValueError
        If `texts` holds anything but texts, or if there is no such label.

    Warns
    -----
    UserWarning
        If the attributions of a text do not sum to its score.

    See Also
    --------
    label_report : Reviews whose stars contradict their text.

    References
    ----------
    .. [1] M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks",
       ICML 2017.

    Examples
    --------
    >>> from skreviews import explain, make_review_pipeline
    >>> X = ["Love it!", "Crashes a lot :(", "I love this app", "It just crashes"] * 9
    >>> y = [5, 1, 5, 1] * 9
    >>> pipe = make_review_pipeline(random_state=0, lstm__hidden_size=8, lstm__lr=0.05)
    >>> explanation = explain(pipe.fit(X, y), ["LOVE it! Really www.x.y"])
    >>> frame = explanation.to_frame()
    >>> frame["word"].tolist(), frame["tokens"].tolist()
    (['LOVE', 'it!', 'Really', 'www.x.y'], ['love', 'it !', '<unk>', ''])
    >>> frame.loc[frame["attribution"].idxmax(), "word"]
    'LOVE'
    """
    pipe = getattr(pipe, "best_estimator_", pipe)
    *cleaning, vectorizer, classifier = [step for _, step in find_steps(pipe)]
    check_is_fitted(vectorizer)
    check_is_fitted(classifier)
    code = None if target is None else _find_code(target, classifier.classes_)
    reader = Reader(cleaning, vectorizer)
    ids = vectorizer.transform(reader.clean(texts))
    raw = check_texts(texts, missing="empty").to_pylist()
    module = classifier.net_.module_
    was_training = module.training
    proba = classifier.predict_proba(ids)
    predicted = decide(proba, classifier.classes_, classifier.decision)
    if code is None:
        codes = encode_known_labels(predicted, classifier.classes_)
    else:
        codes = np.full(len(raw), code)
    # After predict_proba, which has moved the net to where it computes.
    attributions = _attribute_all(classifier, np.asarray(ids), codes)
    module.train(was_training)  # predict_proba leaves it in evaluation mode
    words, tokens = [], []
    for position, (text, parts) in enumerate(zip(raw, attributions, strict=True)):
        of_words, of_tokens = _spread(parts, text, reader)
        words += [(position, *row) for row in of_words]
        tokens += [(position, *row) for row in of_tokens]
    summary = pd.DataFrame(
        {
            "target": classifier.classes_[codes].tolist(),
            "predicted": predicted.tolist(),
            "probability": proba[np.arange(len(raw)), codes],
            "score": [parts.score for parts in attributions],
            "baseline": [parts.baseline for parts in attributions],
            "error": [parts.error for parts in attributions],
            "n_steps": [parts.n_steps for parts in attributions],
        }
    )
    words = pd.DataFrame(words, columns=["text", *_WORD_COLUMNS])
    words = words.astype({"lstm": float, "ngrams": float})  # of no word at all, too
    words["attribution"] = words["lstm"] + words["ngrams"]
    tokens = pd.DataFrame(tokens, columns=["text", "word", "attribution"])
    tokens = tokens.astype({"attribution": float})
    return Explanation(raw, summary, words, tokens)


def _find_code(target, classes):
    labels = classes.tolist()
    if target not in labels:
        raise ValueError(f"target={target!r} is not among the classes {labels}.")
    return labels.index(target)


def _attribute_all(classifier, ids, codes):
    """Return the Attribution of each row of ids."""
    module = classifier.net_.module_
    device = module.head.weight.device
    attributions = []
    with limited_threads(classifier.n_threads), flushed_denormals():
        for position, (row, code) in enumerate(zip(ids, codes.tolist(), strict=True)):
            row = row[row != PADDING]
            is_empty = len(row) == 0
            if is_empty:  # the classifier reads it as one unknown word
                row = np.array([UNKNOWN])
            parts = attribute(module, torch.tensor(row, device=device).long(), code)
            if is_empty:  # but it has no word to attribute anything to
                parts = parts._replace(baseline=parts.score, error=0.0)
            attributions.append(parts)
            if not parts.is_complete:
                warnings.warn(
                    f"The attributions of text {position} miss its score of "
                    f"{parts.score:.3f} by {parts.error:.3f}, with {parts.n_steps} "
                    "steps of the integral: they tell the signs and the order of its "
                    "words, not their sizes.",
                    UserWarning,
                    stacklevel=3,
                )
    return attributions


def _spread(parts, text, reader):
    """Return the rows of the words of a raw text, and those of its tokens."""
    (tokens,) = reader.split([text])
    vectorizer = reader.vectorizer
    offsets = np.array([0, len(tokens)])
    kept = find_kept(offsets, vectorizer.max_len_, vectorizer.truncation)
    shares = np.full((len(tokens), 2), np.nan)  # of the LSTM and the n-grams
    if tokens:
        shares[kept] = np.column_stack([parts.lstm, parts.ngrams])
    vocabulary = reader.vectorizer.vocabulary_
    names = [token if token in vocabulary else "<unk>" for token in tokens]
    words, first = [], 0
    for start, stop, made in reader.find_words(text, tokens):
        places = slice(first, first + len(made))
        own = shares[places][kept[places]]
        sums = own.sum(0) if len(own) else (np.nan, np.nan)
        words.append((text[start:stop], start, stop, " ".join(names[places]), *sums))
        first = places.stop
    sums = shares.sum(1)
    return words, [(names[place], sums[place]) for place in np.flatnonzero(kept)]


class Explanation:
    """What the words of reviews add to the score of a label; made by `explain`.

    It prints with colours on a terminal, unless the variable ``NO_COLOR`` is set, and
    shows itself in a notebook: 20 reviews at most.

    Parameters
    ----------
    texts : list of str
        The raw reviews.
    summary : DataFrame
        See the attribute.
    words : DataFrame
        See `to_frame`.
    tokens : DataFrame
        One row for each token that the classifier has read: ``text``, ``word`` (the
        token, ``<unk>`` if it is unknown) and ``attribution``.

    Attributes
    ----------
    texts : list of str
        The raw reviews.
    summary : DataFrame
        One row for each review: ``target``, ``predicted``, ``probability`` of the
        target, ``score``, ``baseline`` (the score without its words), ``error`` (what
        baseline and words together miss the score by) and ``n_steps`` of the integral.

    See Also
    --------
    explain : Makes it.

    Examples
    --------
    >>> from skreviews import explain, make_review_pipeline, make_reviews
    >>> pipe = make_review_pipeline(random_state=0, lstm__hidden_size=8)
    >>> explanation = explain(pipe.fit(*make_reviews(300, random_state=0)), ["Love it"])
    >>> explanation.summary["predicted"].tolist()
    [5]
    """

    def __init__(self, texts, summary, words, tokens):
        self.texts = texts
        self.summary = summary
        self._words = words
        self._tokens = tokens

    def to_frame(self):
        """Return what each word adds.

        Returns
        -------
        frame : DataFrame
            One row for each word: ``text`` (the review's number), ``word`` as it stands
            there from ``start`` to ``stop``, the ``tokens`` that were made of it,
            ``lstm``, ``ngrams`` and their sum ``attribution``. These are NaN where the
            cleaner or the truncation has dropped the word.
        """
        return self._words.copy()

    def word_table(self, *, min_count=1):
        """Return the words that drive each label, over all reviews.

        Parameters
        ----------
        min_count : int, default=1
            Leave out words that stand there less often.

        Returns
        -------
        table : DataFrame
            One row for each target and word, as cleaned: ``target``, ``word``,
            ``count`` and ``mean``, the mean attribution; for each target the words that
            speak most for it first.
        """
        targets = self.summary["target"][self._tokens["text"]]
        table = (
            self._tokens.assign(target=targets.to_numpy())
            .groupby(["target", "word"])["attribution"]
            .agg(["count", "mean"])
            .reset_index()
        )
        table = table[table["count"] >= min_count]
        return (
            table.assign(place=table.groupby("target").ngroup())
            .sort_values(["place", "mean"], ascending=[True, False], kind="stable")
            .drop(columns="place")
            .reset_index(drop=True)
        )

    def save_html(self, path):
        """Write one page with all reviews, which needs nothing else.

        Parameters
        ----------
        path : str or Path
            Where the page goes. It is written whole or not at all.

        Raises
        ------
        ValueError
            If its folder is not there.
        """
        save_page(path, to_page(self.texts, self.summary, self._words))

    def __str__(self):
        return to_terminal(*self._first())

    def __repr__(self):
        return f"<Explanation of {len(self.texts)} texts>"

    def _repr_html_(self):
        return to_html(*self._first())

    def _first(self):
        return self.texts[:_SHOWN], self.summary[:_SHOWN], self._words
