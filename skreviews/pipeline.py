"""make_review_pipeline: the pipeline from raw texts to labels."""

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

    The cleaner turns punctuation into tokens and keeps numbers. The resampler keeps all
    samples until it gets a `sampling_strategy`. The vectorizer stems English words;
    other languages need ``vectorize__language`` or ``vectorize__stemmer=None``. The
    LSTM is averaged with an `NgramClassifier`, and weighs rare classes by the inverse
    square root of their size. For probabilities that match the class frequencies, and
    the highest accuracy, set ``lstm__class_weight=None``.

    Parameters
    ----------
    device : str, default='auto'
        Device of the LSTM: 'cpu', 'cuda', 'cuda:0', 'mps', or the best available.
    random_state : int, RandomState instance or None, default=None
        Seed of the resampler and of the LSTM.
    verbose : int, default=0
        1 prints a line for each epoch and, on a terminal or in a notebook, shows a
        progress bar.
    memory : str, joblib.Memory or None, default=None
        Cache of the fitted steps before the LSTM. Pass a `random_state` with it:
        otherwise a cached resampling is the same for every fit.
    **step_params : dict
        Parameters of the steps, such as ``lstm__hidden_size=64``,
        ``lstm__ngrams__ngram_range=(1, 3)`` or
        ``resample__sampling_strategy="hybrid"``, or a step itself:
        ``resample="passthrough"``.

    Returns
    -------
    pipeline : imblearn.pipeline.Pipeline
        Unfitted. It takes raw texts and labels.

    Raises
    ------
    ValueError
        If a step or a parameter is unknown, or if the device is not available.

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
    find_device(device)  # raises before any text is cleaned
    if memory is not None and random_state is not None:
        # A generator changes with each fit, and the key of the cache with it.
        random_state = _to_seed(random_state)
    cleaner = TextCleaner(digits="shape", punctuation="separate")
    resampler = TextResampler(sampling_strategy=None, random_state=random_state)
    vectorizer = SequenceVectorizer(stemmer="snowball")
    classifier = LSTMClassifier(
        ngrams=NgramClassifier(),
        class_weight="auto",
        device=device,
        random_state=random_state,
        verbose=verbose,
    )
    pipeline = Pipeline(
        [
            ("clean", cleaner),
            ("resample", resampler),
            ("vectorize", vectorizer),
            ("lstm", classifier),
        ],
        memory=memory,
    )
    return pipeline.set_params(**step_params)


def find_steps(pipeline):
    """Return the steps that transform texts, and the classifier, by name.

    Parameters
    ----------
    pipeline : Pipeline
        Its last steps are a `SequenceVectorizer` and an `LSTMClassifier`.

    Returns
    -------
    steps : list of tuple of (str, estimator)
        Without resamplers and ``"passthrough"``.

    Raises
    ------
    TypeError
        If the pipeline has other last steps.
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
            f"{type(pipeline).__name__} does not end with a SequenceVectorizer and an "
            "LSTMClassifier: pass a pipeline such as make_review_pipeline returns."
        )
    return steps


def _to_seed(random_state):
    if isinstance(random_state, Integral):
        return int(random_state)
    return check_random_state(random_state).randint(2**31 - 1)
