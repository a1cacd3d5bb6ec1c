"""make_review_pipeline: the whole way from raw reviews to labels."""

from numbers import Integral

from imblearn.pipeline import Pipeline
from sklearn.utils import check_random_state

from skreviews.linear import NgramClassifier
from skreviews.neural_network import LSTMClassifier
from skreviews.neural_network._runtime import find_device
from skreviews.preprocessing import SequenceVectorizer, TextCleaner
from skreviews.sampling import TextResampler


def make_review_pipeline(
    *, device="auto", random_state=None, verbose=0, memory=None, **step_params
):
    """Build the pipeline ``clean -> resample -> vectorize -> lstm``.

    The cleaner makes each mark of punctuation a word, keeps numbers, of long ones their
    shape, and reduces English words to their stems, unless ``lstm__word_vectors`` are
    given here, for these know words. Other languages need ``clean__language`` or
    ``clean__stemmer=None``.

    Rare labels weigh more, by one over the square root of the class sizes, unless
    ``lstm__decision="median"``: set ``lstm__class_weight=None`` for the best accuracy
    and probabilities that are those of the data. The resampler leaves all rows as they
    are until it gets a `sampling_strategy`.

    Parameters
    ----------
    device : str, default='auto'
        Where the LSTM computes: 'cpu', 'cuda', 'cuda:0', 'mps', or what is there.
    random_state : int, RandomState instance or None, default=None
        Seed of the resampler and of the LSTM.
    verbose : int, default=0
        1 shows a line for each epoch and, on a terminal or in a notebook, a progress
        bar.
    memory : str, joblib.Memory or None, default=None
        Where the fitted steps before the LSTM are cached. Give a `random_state` then:
        a cached resampling would else be the same for every fit.
    **step_params : dict
        Parameters of the steps, such as ``lstm__hidden_size=64``,
        ``resample__sampling_strategy="hybrid"``, or a step itself:
        ``resample="passthrough"``.

    Returns
    -------
    pipeline : imblearn.pipeline.Pipeline
        Not fitted yet. It takes raw texts and labels.

    Raises
    ------
    ValueError
        If a step or a parameter is unknown, or if the device is not there.

    See Also
    --------
    TextCleaner : Step ``clean``.
    TextResampler : Step ``resample``, in fit only.
    SequenceVectorizer : Step ``vectorize``.
    LSTMClassifier : Step ``lstm``.

    Examples
    --------
    >>> from skreviews import make_review_pipeline
    >>> X = ["Love it!", "Crashes a lot :(", "I love this app", "It just crashes"] * 9
    >>> y = [5, 1, 5, 1] * 9
    >>> pipe = make_review_pipeline(random_state=0, lstm__hidden_size=8, lstm__lr=0.05)
    >>> pipe.fit(X, y).predict(["Love love love", "crashes"])
    array([5, 1])
    """
    find_device(device)  # before the texts are cleaned, which may take a while
    if memory is not None and random_state is not None:
        # A live generator changes between fits, and with it the key of the cache.
        random_state = _to_seed(random_state)
    classifier = step_params.get("lstm")
    vectors = getattr(classifier, "word_vectors", None)
    vectors = step_params.get("lstm__word_vectors", vectors)
    is_pretrained = not (vectors is None or isinstance(vectors, str))
    pipeline = Pipeline(
        [
            # Marks and numbers tell of stars ("10/10", "!!!") and of spam, and stems
            # spare rare words: all in all folds of six sets gained 0.001 to 0.019 of
            # accuracy, two of them with longer word vectors, too.
            (
                "clean",
                TextCleaner(
                    digits="shape",
                    punctuation="separate",
                    stemmer=None if is_pretrained else "snowball",
                ),
            ),
            (
                "resample",
                TextResampler(sampling_strategy=None, random_state=random_state),
            ),
            ("vectorize", SequenceVectorizer()),
            (
                "lstm",
                # In folds of three sets of stars these weights cost 0.004 to 0.009 of
                # accuracy, gained 0.008 to 0.041 of macro-F1, and never lost kappa. No
                # resampling had as much for as little.
                LSTMClassifier(
                    ngrams=NgramClassifier(),
                    class_weight="auto",
                    device=device,
                    random_state=random_state,
                    verbose=verbose,
                ),
            ),
        ],
        memory=memory,
    )
    return pipeline.set_params(**step_params)


def find_steps(pipeline):
    """Return the steps that transform texts, and the classifier, by name.

    Parameters
    ----------
    pipeline : Pipeline
        Ends with a `SequenceVectorizer` and a `LSTMClassifier`.

    Returns
    -------
    steps : list of tuple of (str, estimator)
        Without resamplers and what is passed through.

    Raises
    ------
    TypeError
        If it is no such pipeline.
    """
    steps = [
        (name, step)
        for name, step in getattr(pipeline, "steps", [])
        if step not in (None, "passthrough") and not hasattr(step, "fit_resample")
    ]
    last = [step for _, step in steps[-2:]]
    wanted = (SequenceVectorizer, LSTMClassifier)
    if len(last) < 2 or not all(map(isinstance, last, wanted)):
        raise TypeError(
            f"{type(pipeline).__name__} is no pipeline with a SequenceVectorizer and a "
            "LSTMClassifier at its end: pass what make_review_pipeline returns."
        )
    return steps


def _to_seed(random_state):
    if isinstance(random_state, Integral):
        return int(random_state)
    return check_random_state(random_state).randint(2**31 - 1)
