"""explain: attribute the predicted labels of reviews to their words."""

import warnings

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skreviews._labels import encode_known_labels
from skreviews.decision import decide
from skreviews.inspection._aligner import Aligner
from skreviews.inspection._attribution import attribute
from skreviews.inspection._explanation import Explanation
from skreviews.neural_network._runtime import flushed_denormals
from skreviews.pipeline import find_steps
from skreviews.preprocessing import check_texts
from skreviews.preprocessing._token_ids import PADDING, UNKNOWN
from skreviews.preprocessing._token_rows import find_kept

_WORD_COLUMNS = ("word", "start", "stop", "tokens", "lstm", "ngrams")


def explain(pipe, texts, *, target=None):
    """Explain the labels of reviews by their words.

    The explained score is the logit of the target minus the mean of the other logits.
    Adding a number to all logits changes no probability, so a single logit would not
    explain one.

    The attribution of a word has two parts. That of the LSTM is computed by integrated
    gradients [1]_ from zero embeddings to the actual ones; steps are added until the
    attributions sum to the score within 1 % or 0.001. That of the n-gram model is
    exact: the weight of each n-gram, divided among its words.

    Parameters
    ----------
    pipe : Pipeline, or search over one
        Fitted, such as `make_review_pipeline` returns, with a `SequenceVectorizer` and
        an `LSTMClassifier` as its last steps. It is not changed. The `device` of its
        classifier computes, in float32.
    texts : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
        Raw texts.
    target : label or None, default=None
        The label to explain. None takes the predicted label of each text.

    Returns
    -------
    explanation : Explanation

    Raises
    ------
    NotFittedError
        If the pipeline is not fitted.
    TypeError
        If the pipeline does not end with an LSTM.
    ValueError
        If `texts` contains anything but texts, or if `target` is not a class.

    Warns
    -----
    UserWarning
        If the attributions of a text do not sum to its score.

    See Also
    --------
    label_report : Finds reviews whose label contradicts their text.

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
    classes = classifier.classes_
    if target is not None and target not in classes.tolist():
        raise ValueError(
            f"target={target!r} is not among the classes {classes.tolist()}."
        )
    aligner = Aligner(cleaning, vectorizer)
    ids = vectorizer.transform(aligner.clean(texts))
    raw = check_texts(texts, missing="empty").to_pylist()
    was_training = classifier.net_.module_.training
    proba = classifier.predict_proba(ids)  # moves the module to its device
    predicted = decide(proba, classes, classifier.decision)
    targets = predicted.tolist() if target is None else [target] * len(raw)
    codes = encode_known_labels(targets, classes)
    attributions = _attribute_all(classifier, np.asarray(ids), codes)
    classifier.net_.module_.train(was_training)  # predict_proba sets evaluation mode
    words, tokens = [], []
    for position, (text, parts) in enumerate(zip(raw, attributions, strict=True)):
        of_words, of_tokens = _align(parts, text, aligner)
        words += [(position, *row) for row in of_words]
        tokens += [(position, *row) for row in of_tokens]
    summary = pd.DataFrame(
        {
            "target": targets,
            "predicted": predicted.tolist(),
            "probability": proba[np.arange(len(raw)), codes],
            "score": [parts.score for parts in attributions],
            "baseline": [parts.baseline for parts in attributions],
            "error": [parts.error for parts in attributions],
            "n_steps": [parts.n_steps for parts in attributions],
        }
    )
    words = pd.DataFrame(words, columns=["text", *_WORD_COLUMNS])
    words = words.astype({"lstm": float, "ngrams": float})  # if there are no words
    words["attribution"] = words["lstm"] + words["ngrams"]
    tokens = pd.DataFrame(tokens, columns=["text", "word", "attribution"])
    tokens = tokens.astype({"attribution": float})
    return Explanation(raw, summary, words, tokens)


def _attribute_all(classifier, ids, codes):
    """Return the Attribution of each row of ids."""
    attributions = []
    with flushed_denormals():
        for position, (row, code) in enumerate(zip(ids, codes.tolist(), strict=True)):
            row = row[row != PADDING]
            if len(row):
                parts = attribute(classifier, row, code)
            else:  # predicted as one OOV word, but there is no word to attribute to
                parts = attribute(classifier, np.array([UNKNOWN]), code)
                parts = parts._replace(baseline=parts.score, error=0.0)
            attributions.append(parts)
            if not parts.is_complete:
                warnings.warn(
                    f"The attributions of text {position} miss its score of "
                    f"{parts.score:.3f} by {parts.error:.3f} after {parts.n_steps} "
                    "steps of the integral. Use their signs and their order only.",
                    UserWarning,
                    stacklevel=3,
                )
    return attributions


def _align(parts, text, aligner):
    """Return the rows of the words of a raw text, and those of its tokens."""
    (tokens,) = aligner.split([text])
    vectorizer, offsets = aligner.vectorizer, np.array([0, len(tokens)])
    is_kept = find_kept(offsets, vectorizer.max_len_, vectorizer.truncation)
    values = np.full((len(tokens), 2), np.nan)  # of the LSTM and the n-gram model
    if tokens:
        values[is_kept] = np.column_stack([parts.lstm, parts.ngrams])
    vocabulary = vectorizer.vocabulary_
    names = [token if token in vocabulary else "<unk>" for token in tokens]
    words, first = [], 0
    for start, stop, of_word in aligner.find_words(text, tokens):
        own = slice(first, first + len(of_word))
        kept = values[own][is_kept[own]]
        sums = kept.sum(0) if len(kept) else (np.nan, np.nan)
        words.append((text[start:stop], start, stop, " ".join(names[own]), *sums))
        first = own.stop
    sums = values.sum(1)
    return words, [(names[i], sums[i]) for i in np.flatnonzero(is_kept)]
