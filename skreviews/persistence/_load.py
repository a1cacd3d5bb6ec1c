"""load: read a pipeline from a file that nobody needs to trust."""

from skorch.history import History

from skreviews.neural_network import LSTMClassifier
from skreviews.neural_network._device import find_device
from skreviews.neural_network._net import make_frame
from skreviews.neural_network._state import unpack_net
from skreviews.persistence._archive import (
    PARAMS,
    VOCABULARY,
    WEIGHTS,
    SkreviewsFileError,
    from_json,
    read_parts,
)
from skreviews.persistence._params import (
    PIPELINES,
    decode_labels,
    decode_step,
    decode_values,
    list_classes,
)
from skreviews.persistence._weights import unpack_weights
from skreviews.pipeline import find_steps
from skreviews.preprocessing import TextCleaner
from skreviews.preprocessing._token_ids import FIRST_WORD

# A text becomes a row of so many ids, however short it is.
_MAX_LEN = 2**20


def load(path, device="auto"):
    """Read a fitted pipeline from a file that `save` has written.

    No code of the file is run: it has none, and names no class but those of a fixed
    list. All of it is checked before a network is built, sizes before anything is read.

    Parameters
    ----------
    path : str or path-like
        The file.
    device : str, default='auto'
        Where the LSTM computes: 'cpu', 'cuda', 'cuda:0', 'mps', or what is there. It is
        no matter where the model was trained.

    Returns
    -------
    pipeline : Pipeline
        Fitted; it gives the same probabilities as the one that was saved.

    Raises
    ------
    SkreviewsFileError
        If the file is damaged, of a newer version, or holds anything that `save` does
        not write. The message says what, and what to do.
    ValueError
        If the device is not there.
    OSError
        If the file cannot be opened.

    See Also
    --------
    save : Writes the file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skreviews import load, make_review_pipeline, make_reviews, save
    >>> X, y = make_reviews(50, random_state=0)
    >>> pipe = make_review_pipeline(lstm__hidden_size=4, lstm__max_epochs=1).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     _ = save(pipe, Path(folder, "model.skr"))
    ...     pipe = load(Path(folder, "model.skr"), device="cpu")
    >>> pipe["lstm"].device
    'cpu'
    """
    find_device(device)  # before the file is read
    try:
        return read_pipeline(path, device)
    except SkreviewsFileError as error:
        raise SkreviewsFileError(f"{path} cannot be loaded: {error}") from error


def read_pipeline(path, device):
    """Return the pipeline of a file; errors do not name the file."""
    manifest, parts = read_parts(path)
    params = from_json(PARAMS, parts[PARAMS])
    words = check_words(from_json(VOCABULARY, parts[VOCABULARY]))
    try:
        if list_classes(params) != manifest["classes"]:
            raise ValueError("the manifest lists other classes")
        return _build(params, words, parts[WEIGHTS], device)
    except SkreviewsFileError:
        raise
    except Exception as error:  # what is not as it should be can raise anything
        raise SkreviewsFileError(
            f"its parameters make no pipeline ({type(error).__name__}: {error}). Save "
            "the pipeline anew, or do not use the file."
        ) from error


def check_words(words):
    """Return the vocabulary as a tuple, or raise if it is none."""
    is_list = isinstance(words, list) and all(isinstance(word, str) for word in words)
    if not is_list or len(set(words)) != len(words):
        raise SkreviewsFileError(
            f"{VOCABULARY} is no list of distinct words. Save the pipeline anew."
        )
    return tuple(words)


def _build(params, words, weights, device):
    steps = [(name, decode_step(spec, words)) for name, spec in params["steps"]]
    pipeline = PIPELINES[params["pipeline"]](steps, verbose=params["verbose"])
    *cleaning, (_, vectorizer), (_, classifier) = find_steps(pipeline)
    names = [name for name, _ in steps]
    is_ours = all(type(step) is TextCleaner for _, step in cleaning)
    if not is_ours or steps[-1][1] is not classifier or len(set(names)) != len(names):
        raise ValueError(f"the steps {names} are not those that save writes")

    max_len, classes = params["max_len"], decode_labels(params["labels"])
    module = decode_values(params["module"])
    _check_module(module, len(words) if params["knows_words"] else None, len(classes))
    if type(max_len) is not int or not 1 <= max_len <= _MAX_LEN:
        raise ValueError(f"max_len={max_len!r} is not from 1 to {_MAX_LEN}")
    # From here on all sizes are those of numbers which the file holds.
    weights = unpack_weights(weights, module, params["embeddings"])

    vectorizer.vocabulary_ = {word: i for i, word in enumerate(words, start=FIRST_WORD)}
    vectorizer.max_len_ = vectorizer._n_features_out = max_len
    vectorizer._words = words

    classifier.device = device
    history = History(map(decode_values, params["history"]))
    net = {"module": module, "history": history, "weights": weights}
    size = tuple(params["size"])
    fitted = {
        "_words": words if params["knows_words"] else None,
        "_size": size,
        "classes_": classes,
        "n_tokens_": module["n_tokens"],
        "n_features_in_": max_len,
        "history_": make_frame(history),
        "net_": unpack_net(net, classifier, size),
    }
    vars(classifier).update(fitted)
    return pipeline


def _check_module(module, n_words, n_classes):
    """Check the parameters of the network, which may be older than the classifier's."""
    sizes = {"n_tokens": module["n_tokens"], "n_classes": n_classes}
    if n_words is not None:
        sizes["n_tokens"] = n_words + FIRST_WORD
    for name, size in sizes.items():
        if type(module[name]) is not int or module[name] != size:
            raise ValueError(f"{name}={module[name]!r}, but the file holds {size}")
    LSTMClassifier(
        **{
            name: value
            for name, value in module.items()
            if name not in {*sizes, "sparse", "sparse_ngrams"}
        }
    )._validate_params()
