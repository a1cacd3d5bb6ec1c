"""load: read a fitted pipeline from a model file, trusted or not."""

import torch
from skorch.history import History

from skreviews.neural_network import LSTMClassifier, LSTMModule
from skreviews.neural_network._device import find_device
from skreviews.neural_network._net import make_frame
from skreviews.neural_network._state import unpack_net
from skreviews.persistence._params import (
    PIPELINES,
    decode_labels,
    decode_step,
    decode_values,
    list_classes,
)
from skreviews.persistence._skr_file import SkreviewsFileError, from_json, read_file
from skreviews.persistence._tensors import unpack_tensors
from skreviews.pipeline import find_steps
from skreviews.preprocessing import TextCleaner
from skreviews.preprocessing._token_ids import FIRST_WORD

# Every text becomes a row of this many ids, however short it is.
_MAX_LEN = 2**20


def load(path, device="auto"):
    """Read a fitted pipeline from a file that `save` has written.

    The file holds no code, and only classes of a fixed list. `load` checks sizes before
    it reads, and everything else before it builds a model.

    Parameters
    ----------
    path : str or path-like
        The file.
    device : str, default='auto'
        Device of the LSTM: 'cpu', 'cuda', 'cuda:0', 'mps', or the best one available.
        It does not depend on the device of the training.

    Returns
    -------
    pipeline : Pipeline
        Fitted. It returns the same probabilities as the saved one.

    Raises
    ------
    SkreviewsFileError
        If the file is damaged, of a newer version, or holds anything that `save` does
        not write. The message contains the cause and the remedy.
    ValueError
        If the device is not available.
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
    manifest, params, words, _, tensors = read_contents(path)
    try:
        if list_classes(params) != manifest["classes"]:
            raise ValueError("the manifest lists other classes")
        return _build(params, words, tensors, device)
    except SkreviewsFileError:
        raise
    except Exception as error:  # unexpected JSON can raise anything
        raise SkreviewsFileError(
            f"its parameters are not those of a pipeline ({type(error).__name__}: "
            f"{error}). Save the pipeline again, or do not use the file."
        ) from error


def read_contents(path):
    """Return the contents of a file, of which only the vocabulary is checked.

    Returns
    -------
    manifest : dict
    params : object
        What the JSON of the parameters holds.
    words : tuple of str
        The vocabulary.
    card : str
    tensors : dict of {str: ndarray}
    """
    manifest, texts, tensors = read_file(path)
    params = from_json("parameters", texts["parameters"])
    words = from_json("vocabulary", texts["vocabulary"])
    is_list = isinstance(words, list) and all(isinstance(word, str) for word in words)
    if not is_list or len(set(words)) != len(words):
        raise SkreviewsFileError(
            "its vocabulary is not a list of distinct words. Save the pipeline again."
        )
    return manifest, params, tuple(words), texts["card"], tensors


def _build(params, words, tensors, device):
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
    shapes = _find_shapes(module, len(tensors))
    weights = unpack_tensors(tensors, shapes, params["embeddings"])
    # All sizes are now those of tensors in the file.
    weights = {name.removeprefix("lstm."): weights[name] for name in weights}

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


def _find_shapes(module, n_tensors):
    """Return the shapes of the weights of an `LSTMModule`, without their memory."""
    if module["num_layers"] > n_tensors:  # the loop over the layers must end
        raise ValueError(
            f"num_layers={module['num_layers']}, but the file holds {n_tensors} tensors"
        )
    with torch.device("meta"):
        state = LSTMModule(**module).state_dict()
    return {f"lstm.{name}": tuple(weight.shape) for name, weight in state.items()}
