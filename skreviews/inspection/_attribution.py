"""What each token of a review adds to the logits of a class, torch only.

References
----------
M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", ICML 2017.
"""

from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch

# The steps of the integral are halved until each gains what it must, in sum within this
# share of the difference that they explain, or this much where it is close to 0.
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

    The logits are a mean of two branches. The wide one is a sum of weights, which
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
    # What the layers do not read of a long review adds nothing.
    places = module.shorten(torch.arange(1, len(ids) + 1, device=ids.device)[None])[0]
    places -= 1
    lstm = np.zeros(len(ids))
    with _ready_to_differentiate(module):
        # A copy, as they may come from inference mode, whose tensors autograd refuses.
        parts, score, baseline, n_steps = _integrate(module, ids[places].clone(), code)
    lstm[places.cpu().numpy()] = parts
    error = baseline + lstm.sum() - score
    is_complete = bool(abs(error) <= _allow(score - baseline))
    ngrams = np.zeros_like(lstm)
    if module.wide is not None:
        share = module.ngram_weight
        ngrams = _contrast(module.wide.share(ids), code).double().cpu().numpy() * share
        bias = _contrast(module.wide.bias.detach(), code).item() * share
        lstm, error = (1 - share) * lstm, (1 - share) * error
        score = (1 - share) * score + ngrams.sum() + bias
        baseline = (1 - share) * baseline + bias
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
    """Return the deep branch's attributions, its score with and without words.

    The way from zero vectors to the whole ones is cut into steps, and each has the
    slopes of its middle. What a step gains is known, so those that miss it are halved.
    """
    vectors = module.embedding(ids).detach()  # (n_tokens, embedding_dim)

    def measure(steps):
        middles = steps["stop"] + steps["start"]
        steps["at_middle"], slopes = _follow(module, ids, code, vectors, middles / 2)
        steps["parts"] = slopes * (steps["stop"] - steps["start"])[:, None]
        return steps

    edges = np.linspace(0, 1, _FIRST_STEPS + 1)
    with torch.no_grad():
        moves = _shrink(vectors, torch.from_numpy(edges).to(vectors))
        scores = _score(module, ids, code, moves).double().cpu().numpy()
    steps = measure(
        {
            "start": edges[:-1],
            "stop": edges[1:],
            "at_start": scores[:-1],
            "at_stop": scores[1:],
        }
    )
    allowed = _allow(scores[-1] - scores[0])
    while True:
        gains = steps["at_stop"] - steps["at_start"]
        misses = np.abs(gains - steps["parts"].sum(1))
        is_off = misses > allowed / len(misses)
        n_steps = len(misses) + is_off.sum()
        if misses.sum() <= allowed or n_steps > _MOST_STEPS:
            return steps["parts"].sum(0), scores[-1], scores[0], len(misses)
        halves = measure(_halve({name: x[is_off] for name, x in steps.items()}))
        steps = {
            name: np.concatenate([x[~is_off], halves[name]])
            for name, x in steps.items()
        }


def _halve(steps):
    middle = (steps["start"] + steps["stop"]) / 2
    return {
        "start": np.concatenate([steps["start"], middle]),
        "stop": np.concatenate([middle, steps["stop"]]),
        "at_start": np.concatenate([steps["at_start"], steps["at_middle"]]),
        "at_stop": np.concatenate([steps["at_middle"], steps["at_stop"]]),
    }


def _allow(difference):
    return max(_TOLERANCE * abs(difference), _SMALLEST_ERROR)


def _follow(module, ids, code, vectors, shares):
    """Return the scores with these shares of the vectors, and the slopes of each token.

    Returns
    -------
    scores : ndarray of float of shape (n_shares,)
    slopes : ndarray of float of shape (n_shares, n_tokens)
        What a token adds for each further share of all vectors.
    """
    scores, slopes = [], []
    shares = torch.from_numpy(shares).to(vectors)
    for part in shares.split(max(1, _PLACES // len(ids))):
        moves = _shrink(vectors, part).requires_grad_()
        part_scores = _score(module, ids, code, moves)
        (gradients,) = torch.autograd.grad(part_scores.sum(), moves)
        scores.append(part_scores.detach())
        slopes.append((gradients * vectors).sum(2))
    return [torch.cat(parts).double().cpu().numpy() for parts in (scores, slopes)]


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
