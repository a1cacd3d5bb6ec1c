"""Build the net of an LSTMClassifier, and convert it to arrays and back."""

from numbers import Real

import numpy as np
import pandas as pd
import torch
from sklearn.utils._param_validation import (
    Interval,
    validate_parameter_constraints,
)
from skorch.helper import predefined_split
from skorch.history import History

from skreviews.neural_network._batches import BucketedBatches, SortedBatches
from skreviews.neural_network._callbacks import (
    EmbeddingFreezer,
    make_early_stopping,
    make_progress_bars,
    make_schedule,
    renew,
)
from skreviews.neural_network._lstm_module import LSTMModule
from skreviews.neural_network._optimizer import LazyAdam
from skreviews.neural_network._runtime import seeded
from skreviews.neural_network._token_net import SCHEDULE, STOPPING, TokenNet

_HISTORY = [
    "epoch",
    "train_loss",
    "train_accuracy",
    "valid_loss",
    "valid_accuracy",
    "padding_share",
    "dur",
]
_MODULE_PARAMS = (
    "hidden_size",
    "num_layers",
    "bidirectional",
    "cell",
    "pooling",
    "dropout",
)
# Arguments of the net that the classifier has parameters for, or sets itself.
_TAKEN_NET_PARAMS = {
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
# Arguments that neither skorch nor torch checks before training.
_NET_PARAM_CONSTRAINTS = {
    "adversarial": [Interval(Real, 0, None, closed="left")],
    "criterion__label_smoothing": [Interval(Real, 0, 1, closed="left")],
    "module__embedding_dropout": [Interval(Real, 0, 1, closed="left")],
    "module__word_dropout": [Interval(Real, 0, 1, closed="left")],
}


def make_module_params(classifier, recipe, n_tokens, n_classes, device):
    """Return the parameters of the module, a dict."""
    module = {name: getattr(classifier, name) for name in _MODULE_PARAMS}
    return module | {
        "n_tokens": n_tokens,
        "n_classes": n_classes,
        "embedding_dim": recipe.embedding_dim,
        "embedding_dropout": recipe.embedding_dropout,
        "word_dropout": recipe.word_dropout,
        # A GPU would have to tell the CPU how many words a batch holds.
        "sparse": recipe.sparse and device.type == "cpu",
    }


def check_net_params(net_params):
    """Raise if `net_params` sets what the classifier sets, or is out of range."""
    net_params = net_params or {}
    if taken := sorted(net_params.keys() & _TAKEN_NET_PARAMS):
        raise ValueError(
            f"net_params sets {', '.join(map(repr, taken))}, which the classifier "
            "sets itself: use its own parameter."
        )
    validate_parameter_constraints(_NET_PARAM_CONSTRAINTS, net_params, "net_params")


def build_net(classifier, recipe, module, device, n_train=None, valid=None):
    """Return the net around a module, not initialized yet.

    Parameters
    ----------
    classifier : LSTMClassifier
    recipe : Recipe
    module : dict
        Parameters of the module; see `make_module_params`.
    device : torch.device
    n_train : int or None, default=None
        Number of training samples. None builds a net for `partial_fit`, which has no
        schedule.
    valid : TokenDataset or None, default=None
        Held-out samples, scored after each epoch.

    Returns
    -------
    net : TokenNet
    """
    net_params = classifier.net_params or {}
    callbacks = []
    if n_train is not None:
        n_batches = -(-n_train // recipe.batch_size)
        callbacks.append((SCHEDULE, make_schedule(recipe.max_epochs, n_batches)))
    if valid is not None and classifier.early_stopping:
        stopping = make_early_stopping(classifier.n_iter_no_change, classifier.verbose)
        callbacks.append((STOPPING, stopping))
    if recipe.frozen_epochs:
        is_always = isinstance(classifier.freeze_embeddings, bool | np.bool_)
        callbacks.append(
            EmbeddingFreezer(np.inf if is_always else recipe.frozen_epochs)
        )
    if classifier.verbose:
        callbacks += make_progress_bars()
    params = {
        "criterion": torch.nn.CrossEntropyLoss,
        "criterion__reduction": "none",
        "optimizer": LazyAdam,
        "lr": classifier.lr,
        "max_epochs": recipe.max_epochs,
        "batch_size": recipe.batch_size,
        "iterator_train": BucketedBatches,
        "iterator_valid": SortedBatches,
        "train_split": None if valid is None else predefined_split(valid),
        "classes": np.arange(module["n_classes"]),
        "precision": classifier.precision,
        "adversarial": recipe.adversarial,
        "callbacks": callbacks + [renew(c) for c in classifier.callbacks or []],
        "device": str(device),
        "verbose": classifier.verbose,
    }
    params |= {f"module__{name}": value for name, value in module.items()}
    if "optimizer" not in net_params:
        params["optimizer__fused"] = True
    if classifier.weight_decay:  # not every optimizer has it
        params["optimizer__weight_decay"] = classifier.weight_decay
    return TokenNet(LSTMModule, **params | net_params)


def pack_net(net):
    """Return a fitted net as a dict of plain values and CPU arrays.

    It holds no optimizer and no data, so a net trained on a GPU loads without one.
    """
    return {
        "module": net.get_params_for("module"),
        "history": [
            {name: row[name] for name in row if name != "batches"}
            for row in net.history
        ],
        "weights": {
            name: weight.detach().cpu().numpy()
            for name, weight in net.module_.state_dict().items()
        },
    }


def unpack_net(state, classifier):
    """Return the net that `pack_net` has converted, on the CPU.

    Parameters
    ----------
    state : dict
        The return value of `pack_net`.
    classifier : LSTMClassifier
        Its parameters and its `recipe_` are those of the net.

    Returns
    -------
    net : TokenNet
    """
    device = torch.device("cpu")
    net = build_net(classifier, classifier.recipe_, state["module"], device)
    with seeded(0, device):
        net.initialize()
    weights = {name: torch.tensor(w) for name, w in state["weights"].items()}
    net.module_.load_state_dict(weights)
    net.history = History(state["history"])
    return net


def make_history(net):
    """Return the history as a DataFrame with one row for each epoch."""
    kept = [name for name in _HISTORY if name in net.history[-1]]
    return pd.DataFrame({name: net.history[:, name] for name in kept})
