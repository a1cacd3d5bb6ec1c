"""What each token of a review adds to the logits of a class, torch only.

References
----------
M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", ICML 2017.
"""

from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch

# The steps of the integral are doubled until the attributions sum to the difference
# that they explain: within this share of it, or this much where it is close to 0.
_TOLERANCE, _SMALLEST_ERROR = 0.01, 1e-3
_FIRST_STEPS, _MOST_STEPS = 16, 1024
# Tokens that are differentiated at once, so that long reviews do not exhaust memory.
_PLACES = 2**14


class Attribution(NamedTuple):
    """The parts of one review's score: `baseline` and all attributions sum to it."""

    lstm: np.ndarray  # of shape (n_tokens,)
    ngrams: np.ndarray  # of shape (n_tokens,)
    score: float
    baseline: float
    error: float  # what the sum misses of the score
    n_steps: int
    is_complete: bool


def attribute(module, ids, code):
    """Explain a score: a class's logit, less the mean of the others.

    That is the logarithm of its probability, less the mean logarithm of the others'. A
    logit alone says nothing: the same number added to all of them changes no
    probability.

    The logits are the mean of two branches. The wide one is a sum of weights, which
    belong to the tokens. In the deep one the word vectors grow from zero to what they
    are, and the slope of the score along each is summed up on the way (integrated
    gradients).

    Parameters
    ----------
    module : LSTMModule
        It is left as it was.
    ids : Tensor of int of shape (n_tokens,)
        One review without padding, on the module's device.
    code : int
        Place of the class.

    Returns
    -------
    attribution : Attribution
    """
    with _ready_to_differentiate(module):
        # A copy, as they may come from inference mode, whose tensors autograd refuses.
        lstm, score, baseline, n_steps = _integrate(module, ids.clone(), code)
    error = baseline + lstm.sum() - score
    is_complete = abs(error) <= _allow(score - baseline)
    ngrams = np.zeros_like(lstm)
    if module.wide is not None:
        ngrams = _contrast(module.wide.share(ids), code).double().cpu().numpy() / 2
        bias = _contrast(module.wide.bias.detach(), code).item() / 2
        lstm, error = lstm / 2, error / 2
        score = score / 2 + ngrams.sum() + bias
        baseline = baseline / 2 + bias
    return Attribution(lstm, ngrams, score, baseline, error, n_steps, is_complete)


@contextmanager
def _ready_to_differentiate(module):
    """Switch to prediction, with gradients, and back again.

    cuDNN differentiates recurrent layers in training only, so it is left out.
    """
    was_training = module.training
    module.eval()
    try:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.backends.cudnn.flags(enabled=False),
        ):
            yield
    finally:
        module.train(was_training)


def _integrate(module, ids, code):
    """Return the deep branch's attributions, its score with and without words."""
    vectors = module.embedding(ids).detach()  # (n_tokens, embedding_dim)
    with torch.no_grad():
        ends = torch.tensor([0.0, 1.0], device=ids.device)
        ends = _score(module, ids, code, _shrink(vectors, ends))
    baseline, score = ends.double().tolist()
    n_steps = _FIRST_STEPS
    while True:
        slopes = _mean_gradient(module, ids, code, vectors, n_steps)
        lstm = (slopes * vectors.double()).sum(1).cpu().numpy()  # (n_tokens,)
        error = abs(baseline + lstm.sum() - score)
        if error <= _allow(score - baseline) or n_steps == _MOST_STEPS:
            return lstm, score, baseline, n_steps
        n_steps *= 2


def _allow(difference):
    return max(_TOLERANCE * abs(difference), _SMALLEST_ERROR)


def _mean_gradient(module, ids, code, vectors, n_steps):
    """Return the mean over the middles of the steps, of the shape of the vectors."""
    middles = (torch.arange(n_steps, device=ids.device) + 0.5) / n_steps
    total = torch.zeros_like(vectors, dtype=torch.float64)
    for part in middles.split(max(1, _PLACES // len(ids))):
        moves = _shrink(vectors, part).requires_grad_()
        scores = _score(module, ids, code, moves)
        total += torch.autograd.grad(scores.sum(), moves)[0].sum(0)
    return total / n_steps


def _shrink(vectors, shares):
    """Return what to add to the vectors so that these shares of them are left."""
    return (shares - 1).view(-1, 1, 1) * vectors  # (n_shares, n_tokens, embedding_dim)


def _score(module, ids, code, moves):
    return _contrast(module.deep(ids.expand(len(moves), -1), moves), code)


def _contrast(logits, code):
    """Return the logit of the class less the mean of the others, over the last axis."""
    n_classes = logits.shape[-1]
    # The mean of all is the same with every logit shifted, and it takes no masking.
    return (logits[..., code] - logits.mean(-1)) * n_classes / (n_classes - 1)
