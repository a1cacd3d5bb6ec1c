"""save: write a fitted pipeline to one file."""

from operator import eq, ne
from pathlib import Path

import numpy as np
from sklearn.utils._param_validation import StrOptions, validate_params
from sklearn.utils.validation import check_is_fitted

from skreviews._atomic import check_folder, write_whole
from skreviews.neural_network._net_builder import pack_net
from skreviews.persistence._load import read_pipeline
from skreviews.persistence._model_card import (
    describe_training,
    find_versions,
    model_card,
)
from skreviews.persistence._params import (
    encode,
    encode_labels,
    encode_step,
    list_classes,
    name_class,
)
from skreviews.persistence._skr_file import SkreviewsFileError, write_file
from skreviews.persistence._tensors import pack_tensors
from skreviews.pipeline import find_steps


@validate_params(
    {"embeddings": [StrOptions({"float32", "float16", "int8"})]},
    prefer_skip_nested_validation=True,
)
def save(pipe, path, *, embeddings="float32", report=None, X=None, y=None):
    """Write a fitted pipeline to one file that holds no code.

    The file is a safetensors file [1]_: the weights are its tensors, and its metadata
    hold parameters, recipe, words, labels, history and versions as JSON, and the model
    card. It is read again before it gets its name, so a file that exists can be loaded.

    Parameters
    ----------
    pipe : Pipeline
        Fitted, such as `make_review_pipeline` returns: its last two steps are a
        `SequenceVectorizer` and an `LSTMClassifier`, after `TextCleaner` and
        resamplers.
    path : str or path-like
        The file, ``.skr``. It is written atomically.
    embeddings : {'float32', 'float16', 'int8'}, default='float32'
        Precision of the word vectors and of the weights of the n-grams, which are
        nearly all of a model. 'float32' keeps the exact probabilities. 'float16' takes
        half the space and 'int8' a quarter, and both change probabilities a little.
    report : ReviewReport or None, default=None
        Result of `evaluate`, for the card; see `model_card`.
    X : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,) or \
            None, default=None
        Texts on which to compare the file with `pipe`.
    y : array-like of shape (n_samples,) or None, default=None
        Their labels.

    Returns
    -------
    cost : dict
        ``bytes``, the size of the file. With `X` also ``largest_change`` of a
        probability and ``other_label``, the share of texts whose label changes; with
        `y` also ``accuracy_before`` and ``accuracy_after``.

    Raises
    ------
    SkreviewsFileError
        If the pipeline holds what a model file cannot: functions, callbacks, classes or
        labels of your own, or weights that are not finite. The message names it.
    TypeError
        If the last two steps are others.
    NotFittedError
        If the pipeline is not fitted.
    ValueError
        If the name does not end in ``.skr``, or if its folder does not exist.

    See Also
    --------
    load : Reads the file.
    model_card : Writes the card.

    Notes
    -----
    What only serves `fit` is not stored, and the card says so: given `word_vectors` and
    generators as `random_state`. Nor are the state of the optimizers, `memory` and
    `transform_input` of the pipeline, the choice of `set_output`, and the sample
    indices of a resampler.

    The date in the file is that of saving: a pipeline does not keep the date of `fit`.

    References
    ----------
    .. [1] https://github.com/huggingface/safetensors

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skreviews import load, make_review_pipeline, make_reviews, save
    >>> X, y = make_reviews(50, random_state=0)
    >>> pipe = make_review_pipeline(lstm__hidden_size=4, lstm__max_epochs=1).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     cost = save(pipe, Path(folder, "model.skr"), X=X)
    ...     loaded = load(Path(folder, "model.skr"))
    >>> bool((loaded.predict_proba(X) == pipe.predict_proba(X)).all())
    True
    >>> cost["largest_change"]
    0.0
    """
    path = Path(path)
    if path.suffix != ".skr":
        raise ValueError(f"{path} does not end in .skr: call a model file *.skr.")
    check_folder(path)
    pipeline_class = name_class(pipe)
    *_, (_, vectorizer), (_, classifier) = find_steps(pipe)
    check_is_fitted(pipe)
    if classifier._words not in (None, vectorizer._words):
        raise SkreviewsFileError(
            "the classifier was not fitted on the ids of this SequenceVectorizer: fit "
            "the pipeline as a whole."
        )
    net, ngrams = pack_net(classifier.net_), classifier.ngrams_
    params = {
        "pipeline": pipeline_class,
        "verbose": bool(pipe.verbose),
        "steps": [[name, encode_step(name, step)] for name, step in pipe.steps],
        # A resampler after the vectorizer strips the words from the ids.
        "knows_words": classifier._words is not None,
        "max_len": vectorizer.max_len_,
        "labels": encode_labels(classifier.classes_),
        "recipe": encode(classifier.recipe_.to_dict(), "recipe_"),
        "module": encode(net["module"], "the network"),
        "history": encode(net["history"], "history_"),
        "ngrams": None if ngrams is None else _encode_ngrams(ngrams),
        "embeddings": embeddings,
    }
    contents = {
        "classes": list_classes(params),
        "versions": find_versions(),
        "training": describe_training(classifier),
        "parameters": params,
        "vocabulary": _encode_vocabulary(vectorizer),
        "card": model_card(pipe, report),
    }
    weights = {f"lstm.{name}": weight for name, weight in net["weights"].items()}
    if ngrams is not None:
        weights["ngrams.weights"] = ngrams.weights_
        weights["ngrams.intercept"] = ngrams.intercept_
    tensors = pack_tensors(weights, embeddings)
    cost = {}

    def write(name):
        write_file(name, contents, tensors)
        cost["bytes"] = Path(name).stat().st_size
        loaded = read_pipeline(name, classifier.device)
        if X is not None:
            cost.update(_compare(pipe, loaded, X, y))

    write_whole(path, write)
    return cost


def _encode_vocabulary(vectorizer):
    """Return the words by id, and the surface form of each unless all are equal."""
    words = sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.get)
    forms = list(vectorizer._words)
    return {"words": words, "surface_forms": None if forms == words else forms}


def _encode_ngrams(ngrams):
    C = getattr(ngrams, "C_", None)
    return {
        "estimator": encode_step("ngrams_", ngrams),
        "labels": encode_labels(ngrams.classes_),
        "n_tokens": ngrams.n_tokens_,
        "C": encode(C, "ngrams_.C_"),
    }


def _compare(pipe, loaded, X, y):
    """Return how far the predictions for some texts differ."""
    change = np.abs(pipe.predict_proba(X) - loaded.predict_proba(X))
    before, after = pipe.predict(X), loaded.predict(X)
    found = {
        "largest_change": float(change.max()),
        "other_label": _share(ne, before, after),
    }
    if y is not None:
        found["accuracy_before"] = _share(eq, before, y)
        found["accuracy_after"] = _share(eq, after, y)
    return found


def _share(compare, labels, others):
    """Return the share of pairs of labels, of any type, for which `compare` holds."""
    pairs = zip(labels, others, strict=True)
    return float(np.mean([compare(label, other) for label, other in pairs]))
