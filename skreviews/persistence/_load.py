"""load: read a fitted pipeline from a model file, trusted or not."""

from contextlib import contextmanager
from numbers import Real

import torch
from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from skreviews.linear import NgramClassifier
from skreviews.neural_network import LSTMClassifier, LSTMModule
from skreviews.neural_network._net_builder import make_history, unpack_net
from skreviews.neural_network._runtime import find_device
from skreviews.persistence._params import (
    PIPELINES,
    decode,
    decode_labels,
    decode_recipe,
    decode_step,
    list_classes,
)
from skreviews.persistence._skr_file import SkreviewsFileError, read_file
from skreviews.persistence._tensors import unpack_tensors
from skreviews.pipeline import find_steps
from skreviews.preprocessing import TextCleaner
from skreviews.preprocessing._token_ids import FIRST_WORD

# Every text becomes a row of this many ids, however short it is.
_MAX_LEN = 2**20
_MODULE_CONSTRAINTS = LSTMClassifier._parameter_constraints | {
    "embedding_dropout": [Interval(Real, 0, 1, closed="left")],
    "word_dropout": [Interval(Real, 0, 1, closed="left")],
    "sparse": ["boolean"],
}


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
    contents, tensors = read_file(path)
    with refusing():
        if list_classes(contents["parameters"]) != contents["classes"]:
            raise ValueError("the classes listed are others")
        return _build(contents, tensors, device)


@contextmanager
def refusing():
    """Raise `SkreviewsFileError` for any error: unexpected JSON can raise anything."""
    try:
        yield
    except SkreviewsFileError:
        raise
    except Exception as error:
        raise SkreviewsFileError(
            f"its contents are not those of a pipeline ({type(error).__name__}: "
            f"{error}). Save the pipeline again, or do not use the file."
        ) from error


def decode_vocabulary(vocabulary):
    """Return the words by id, and the surface form of each."""
    words, forms = vocabulary["words"], vocabulary["surface_forms"]
    forms = words if forms is None else forms
    for strings in (words, forms):
        if type(strings) is not list or not all(type(word) is str for word in strings):
            raise ValueError("the vocabulary is not a list of words")
    if len(set(words)) != len(words) or len(forms) != len(words):
        raise ValueError("the vocabulary is not a list of distinct words")
    return tuple(words), tuple(forms)


def _build(contents, tensors, device):
    params = contents["parameters"]
    words, surface_forms = decode_vocabulary(contents["vocabulary"])
    steps = [(name, decode_step(spec, words)) for name, spec in params["steps"]]
    pipeline = PIPELINES[params["pipeline"]](steps, verbose=params["verbose"])
    *cleaning, (_, vectorizer), (_, classifier) = find_steps(pipeline)
    names = [name for name, _ in steps]
    is_ours = all(type(step) is TextCleaner for _, step in cleaning)
    if not is_ours or steps[-1][1] is not classifier or len(set(names)) != len(names):
        raise ValueError(f"the steps {names} are not those that save writes")

    max_len, classes = params["max_len"], decode_labels(params["labels"])
    if type(max_len) is not int or not 1 <= max_len <= _MAX_LEN:
        raise ValueError(f"max_len={max_len!r} is not from 1 to {_MAX_LEN}")
    known_words = surface_forms if params["knows_words"] else None
    module = decode(params["module"])
    _check_module(module, known_words, len(classes), len(tensors))
    ngrams = _make_ngrams(params["ngrams"], classes)
    shapes = _find_shapes(module, ngrams)
    weights = unpack_tensors(tensors, shapes, params["embeddings"])
    # From here on, all sizes are those of tensors in the file.

    vectorizer.vocabulary_ = {word: i for i, word in enumerate(words, start=FIRST_WORD)}
    vectorizer.max_len_ = vectorizer._n_features_out = max_len
    vectorizer._words = surface_forms
    if ngrams is not None:
        ngrams.weights_ = weights.pop("ngrams.weights")
        ngrams.intercept_ = weights.pop("ngrams.intercept")
        ngrams.n_features_in_, ngrams._words = max_len, known_words
    classifier.device = device
    classifier.classes_ = classes
    classifier.n_features_in_, classifier._words = max_len, known_words
    classifier.n_tokens_ = module["n_tokens"]
    classifier.ngrams_ = ngrams
    classifier.recipe_ = decode_recipe(params["recipe"])
    net = {
        "module": module,
        "history": decode(params["history"]),
        "weights": {name.removeprefix("lstm."): weights[name] for name in weights},
    }
    classifier.net_ = unpack_net(net, classifier)
    classifier.history_ = make_history(classifier.net_)
    return pipeline


def _check_module(module, words, n_classes, n_tensors):
    """Check the parameters of the module; `set_params` does not change them."""
    sizes = {"n_tokens": module["n_tokens"], "n_classes": n_classes}
    if words is not None:
        sizes["n_tokens"] = len(words) + FIRST_WORD
    for name, size in sizes.items():
        if type(module[name]) is not int or module[name] != size:
            raise ValueError(f"{name}={module[name]!r}, but the file holds {size}")
    others = {name: module[name] for name in module if name not in sizes}
    validate_parameter_constraints(_MODULE_CONSTRAINTS, others, "LSTMModule")
    if module["num_layers"] > n_tensors:  # the loop over the layers must end
        raise ValueError(
            f"num_layers={module['num_layers']}, but the file holds {n_tensors} tensors"
        )


def _make_ngrams(spec, classes):
    """Return the n-gram model without its weights, or None."""
    if spec is None:
        return None
    ngrams = decode_step(spec["estimator"], None)
    if type(ngrams) is not NgramClassifier:
        raise ValueError(f"the n-gram model is of class {type(ngrams).__name__}")
    ngrams._check_ngram_range()
    if type(spec["n_tokens"]) is not int:
        raise ValueError(f"the n-gram model has n_tokens={spec['n_tokens']!r}")
    ngrams.n_tokens_, ngrams._squares = spec["n_tokens"], None
    ngrams.classes_ = decode_labels(spec["labels"])
    if set(ngrams.classes_.tolist()) != set(classes.tolist()):
        raise ValueError("the n-gram model has other labels")
    if spec["C"] is not None:  # partial_fit does not choose it
        ngrams.C_ = float(spec["C"])
    return ngrams


def _find_shapes(module, ngrams):
    """Return the shapes of all weights; tensors on the meta device take no memory."""
    with torch.device("meta"):
        state = LSTMModule(**module).state_dict()
    shapes = {f"lstm.{name}": tuple(weight.shape) for name, weight in state.items()}
    if ngrams is not None:
        n_outputs = 1 if module["n_classes"] == 2 else module["n_classes"]
        n_weights = ngrams._count_weights(ngrams.n_tokens_)
        shapes["ngrams.weights"] = (n_weights, n_outputs)
        shapes["ngrams.intercept"] = (n_outputs,)
    return shapes
