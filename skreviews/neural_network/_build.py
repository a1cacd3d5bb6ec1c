"""The net that the parameters of the classifier describe."""

import numpy as np
from sklearn.base import clone
from skorch.callbacks import Callback
from skorch.helper import predefined_split

from skreviews.decision import CRITERIA
from skreviews.embeddings._word_vectors import WordVectors
from skreviews.neural_network._batches import BucketedBatches, SortedBatches
from skreviews.neural_network._callbacks import (
    WeightAverage,
    make_early_stopping,
    make_freezer,
    make_progress_bars,
    make_schedule,
)
from skreviews.neural_network._language_model import LanguageModel
from skreviews.neural_network._lstm_module import LSTMModule
from skreviews.neural_network._net import SCHEDULE, STOPPING, WeightedNet
from skreviews.neural_network._optimizer import LazyAdam
from skreviews.neural_network._recipe import (
    choose_adversarial,
    choose_batch_size,
    choose_embedding_dim,
    choose_embedding_dropout,
    choose_freeze,
    choose_max_epochs,
    choose_ngram_weight,
    choose_word_vectors,
)

_MODULE_PARAMS = (
    "embedding_dim",
    "hidden_size",
    "num_layers",
    "bidirectional",
    "cell",
    "pooling",
    "dropout",
    "embedding_dropout",
    "word_dropout",
    "weight_dropout",
    "segment_len",
    "max_tokens",
    "ngram_range",
    "ngram_buckets",
    "ngram_weight",
)
# The learning rate of the wide branch in `partial_fit`, as a multiple of the LSTM's.
_WIDE_RATE = 2.5
# Adam divides by the size of the gradients it has seen, so that words of rows with
# hardly any weight would make steps as large as others. This is 100 times Adam's own
# and costs no accuracy (the wide branch alone on a fifth of IMDb: 0.880 with either).
_WIDE_EPS = 1e-6
# From this many words on a step of Adam takes longer over all of them than over those
# in the batch (200,000 words: 58 ms and 13 ms).
_BIG_VOCABULARY = 50_000
# What the classifier has a parameter for, or cannot do without.
_TAKEN_NET_PARAMS = {
    "adversarial",
    "batch_size",
    "callbacks",
    "classes",
    "device",
    "iterator_train",
    "iterator_valid",
    "lr",
    "max_epochs",
    "precision",
    "predict_nonlinearity",
    "train_split",
    "verbose",
}


def choose_module(classifier, n_tokens, n_classes, size, start):
    """Return the parameters of the module, but for those that the device decides.

    Parameters
    ----------
    classifier : LSTMClassifier
    n_tokens, n_classes : int
    size : tuple of (int, int)
        Rows and words of all training data; zeros in a first `partial_fit`.
    start : None, 'cooccurrence', WordVectors or LanguageModel
        Where the word vectors start; see `find_start`.
    """
    module = {name: getattr(classifier, name) for name in _MODULE_PARAMS}
    if isinstance(start, (WordVectors, LanguageModel)):
        module["embedding_dim"] = start.dim
    else:
        dim = choose_embedding_dim(classifier.embedding_dim, start)
        module["embedding_dim"] = dim
    module["embedding_dropout"] = choose_embedding_dropout(
        classifier.embedding_dropout, start, *size
    )
    module["ngram_weight"] = choose_ngram_weight(classifier.ngram_weight, *size)
    return module | {"n_tokens": n_tokens, "n_classes": n_classes}


def build_net(classifier, module, size, device, train=None, valid=None):
    """Return the net around a module, which is yet to be initialized.

    Parameters
    ----------
    classifier : LSTMClassifier
    module : dict
        Parameters of the module, see `choose_module`.
    size : tuple of (int, int)
        Rows and words of all training data, held out or not, so that as many epochs of
        all rows are as far in the same schedule; zeros in a first `partial_fit`.
    device : torch.device
    train : TokenDataset or None, default=None
        The rows of `fit`, which has a schedule; None is for `partial_fit`.
    valid : TokenDataset or None, default=None
        Rows to validate with after each epoch.
    """
    n_rows = size[0]
    net_params = classifier.net_params or {}
    if taken := sorted(net_params.keys() & _TAKEN_NET_PARAMS):
        raise ValueError(
            f"net_params sets {', '.join(map(repr, taken))}, which the classifier "
            "sets itself: use its own parameter."
        )
    own_optimizer = not any(name.startswith("optimizer") for name in net_params)
    # Not on a GPU, which would have to tell the CPU how many words a batch holds, nor
    # with an optimizer that may not take sparse gradients.
    is_big = module["n_tokens"] > _BIG_VOCABULARY
    module = module | {
        "sparse": is_big and device.type == "cpu" and own_optimizer,
        # The lazy steps are what regularises the wide branch: on a GPU, too.
        "sparse_ngrams": own_optimizer and device.type != "mps",
    }
    batch_size = choose_batch_size(classifier.batch_size, n_rows)
    n_batches = -(-n_rows // batch_size)
    max_epochs = choose_max_epochs(classifier.max_epochs, n_batches, *size)
    vectors = choose_word_vectors(
        classifier.word_vectors, classifier.pretrained, n_rows
    )
    callbacks = _make_callbacks(
        classifier,
        max_epochs,
        choose_freeze(classifier.freeze_embeddings, vectors, max_epochs, *size),
        n_batches=None if train is None else -(-len(train) // batch_size),
        stops=valid is not None and classifier.early_stopping,
    )
    params = {
        "criterion": CRITERIA[classifier.objective],
        "criterion__reduction": "none",
        "optimizer": LazyAdam,
        "lr": classifier.lr,
        "max_epochs": max_epochs,
        "batch_size": batch_size,
        "iterator_train": BucketedBatches,
        "iterator_valid": SortedBatches,
        "iterator_valid__max_tokens": classifier.max_tokens,
        "train_split": None if valid is None else predefined_split(valid),
        "classes": np.arange(module["n_classes"]),
        "precision": classifier.precision,
        "adversarial": choose_adversarial(classifier.adversarial, vectors, *size),
        "callbacks": callbacks,
        "device": str(device),
        "verbose": classifier.verbose,
    }
    params |= {f"module__{name}": value for name, value in module.items()}
    if own_optimizer:
        params["optimizer__fused"] = True
        wide = {"lr": _WIDE_RATE * classifier.lr, "eps": _WIDE_EPS}
        params["optimizer__param_groups"] = [("wide.*", wide)]
    if classifier.weight_decay:  # not every optimizer knows it
        params["optimizer__weight_decay"] = classifier.weight_decay
    if classifier.label_smoothing:  # nor every criterion
        params["criterion__label_smoothing"] = classifier.label_smoothing
    return WeightedNet(LSTMModule, **params | net_params)


def _make_callbacks(classifier, max_epochs, freeze, n_batches, stops):
    """Return the callbacks in the order in which they are called."""
    callbacks = []
    if n_batches is not None:
        callbacks.append((SCHEDULE, make_schedule(max_epochs, n_batches)))
    if classifier.ema_decay:  # before the stopping, which looks at the average
        callbacks.append(("average", WeightAverage(classifier.ema_decay)))
    if stops:
        stopping = make_early_stopping(classifier.n_iter_no_change, classifier.verbose)
        callbacks.append((STOPPING, stopping))
    if freeze:
        callbacks.append(make_freezer(freeze))
    if classifier.verbose:
        callbacks += make_progress_bars()
    return callbacks + [_renew(callback) for callback in classifier.callbacks or []]


def _renew(callback):
    """Return an unfitted copy of a callback, which may have a name beside it.

    It shares the parameters of the first: a TensorBoard's writer cannot be copied.
    """
    if isinstance(callback, tuple):
        name, callback = callback
        return name, _renew(callback)
    if isinstance(callback, Callback):
        return type(callback)(**callback.get_params(deep=False))
    return clone(callback, safe=False)
