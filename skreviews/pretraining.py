"""pretrain: a start for the LSTM from texts without labels."""

from numbers import Integral, Real

from sklearn.base import clone
from sklearn.utils._param_validation import Interval, validate_params

from skreviews.neural_network._device import find_device, seeded
from skreviews.neural_network._language_model import learn_language
from skreviews.neural_network._precision import find_precision
from skreviews.neural_network._runtime import training_settings
from skreviews.pipeline import find_steps, make_review_pipeline
from skreviews.preprocessing._token_ids import words_of


@validate_params(
    {
        "X": "no_validation",
        "pipeline": "no_validation",
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
    },
    prefer_skip_nested_validation=False,
)
def pretrain(X, pipeline=None, *, max_epochs=2, batch_size=32, lr=4e-3):
    """Learn from texts without labels, for a pipeline that then needs fewer labels.

    The word vectors and the first recurrent layer of the LSTM become a language model
    [1]_: the direction that reads ahead predicts the next word, the other one the word
    before. The cleaning, the words and the sizes are those of the pipeline. In the
    pipeline that is returned the vocabulary is fixed, so that words which the labelled
    texts lack are known too.

    Parameters
    ----------
    X : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
        Raw texts. Those that have labels may be among them.
    pipeline : Pipeline or None, default=None
        Such as `make_review_pipeline` returns: a `SequenceVectorizer` and a
        `LSTMClassifier` come last. It is not changed. None is
        ``make_review_pipeline()``. The `random_state`, `device`, `precision`,
        `n_threads` and `verbose` of its classifier hold here too.
    max_epochs : int, default=2
        Number of passes over the texts.
    batch_size : int, default=32
        Number of pieces of 64 tokens in a step.
    lr : float, default=4e-3
        Peak of Adam's learning rate, which rises and falls as in `LSTMClassifier`.

    Returns
    -------
    pipeline : Pipeline
        A clone, not fitted yet, with two parameters set: the `vocabulary` of the
        `SequenceVectorizer`, and `pretrained` of the `LSTMClassifier`.

    Raises
    ------
    ValueError
        If `X` holds anything but texts or no two words in a row, if the classifier of
        the pipeline has `word_vectors`, or if the device is not there.
    TypeError
        If the pipeline does not end as it must.

    See Also
    --------
    LSTMClassifier : Starts from it, with ``pretrained=``.
    WordVectors : Pretrained word vectors that others have made.

    References
    ----------
    .. [1] A. M. Dai, Q. V. Le, "Semi-supervised sequence learning", NIPS 2015.

    Examples
    --------
    >>> from skreviews import make_review_pipeline, make_reviews, pretrain
    >>> X, y = make_reviews(300, random_state=0)
    >>> pipe = make_review_pipeline(random_state=0, lstm__hidden_size=8)
    >>> pipe = pretrain(X, pipe)  # all texts
    >>> pipe.fit(X[:50], y[:50]).predict(["love it"])  # few labels
    array([5])
    """
    if pipeline is None:
        pipeline = make_review_pipeline()
    *cleaning, (vectorize, vectorizer), (lstm, classifier) = find_steps(pipeline)
    if classifier.word_vectors not in (None, "auto"):
        raise ValueError(
            f"The step {lstm!r} has word_vectors, but here the word vectors are to be "
            "learned: set word_vectors=None."
        )
    classifier._validate_params()
    device = find_device(classifier.device)
    precision = find_precision(classifier.precision, device)
    for _, step in cleaning:
        X = clone(step).fit_transform(X)
    ids = clone(vectorizer).fit_transform(X)
    with (
        training_settings(device, classifier.n_threads),
        seeded(classifier.random_state, device),
    ):
        model = learn_language(
            ids,
            words_of(ids),
            classifier,
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=lr,
            device=device,
            precision=precision,
        )
    start = {f"{vectorize}__vocabulary": model.words, f"{lstm}__pretrained": model}
    return clone(pipeline).set_params(**start)
