"""What is kept of a net when the classifier is pickled or saved."""

import torch
from skorch.history import History

from skreviews.neural_network._build import build_net
from skreviews.neural_network._device import seeded


def pack_net(net):
    """Return what makes a fitted net anew, as a dict of plain values and arrays.

    No optimizer and no training data; and a model trained on a GPU opens where there
    is none.
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


def unpack_net(state, classifier, size):
    """Return the net of such a dict, on the CPU, with the classifier's parameters.

    Parameters
    ----------
    state : dict
        What `pack_net` has returned.
    classifier : LSTMClassifier
    size : tuple of (int, int)
        Rows and words of all training data.
    """
    device = torch.device("cpu")
    net = build_net(classifier, state["module"], size, device)
    with seeded(0, device):
        net.initialize()
    weights = {name: torch.tensor(w) for name, w in state["weights"].items()}
    net.module_.load_state_dict(weights)
    net.history = History(state["history"])
    return net
