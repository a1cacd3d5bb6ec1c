"""Attributions of the tokens of one text to the score of a class.

References
----------
M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", ICML 2017.
"""

from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch

from skreviews.preprocessing._token_rows import find_kept

# Steps of the integral are halved until their errors sum to at most this share of the
# score difference, or to this absolute value.
_TOLERANCE, _SMALLEST_ERROR = 0.01, 1e-3
_FIRST_STEPS, _MOST_STEPS = 16, 1024
_MAX_TOKENS = 2**14  # tokens that are differentiated at once, which bounds the memory


class Attribution(NamedTuple):
    """The parts of a score: it is the sum of `baseline` and all attributions."""

    lstm: np.ndarray  # of shape (n_tokens,)
    ngrams: np.ndarray  # of shape (n_tokens,)
    score: float
    baseline: float
    error: float  # of the sum
    n_steps: int
    is_complete: bool


def attribute(classifier, ids, code):
    """Attribute a score, the logit of a class minus the mean of the others.

    The logits are the average of the two models' logits. Those of the n-gram model are
    sums of weights, which belong to tokens. Those of the LSTM are attributed by
    integrated gradients along the line from zero embeddings to the actual ones.

    Parameters
    ----------
    classifier : LSTMClassifier
        Fitted. It is not changed.
    ids : ndarray of int of shape (n_tokens,)
        Token ids without padding.
    code : int
        Index of the class.

    Returns
    -------
    attribution : Attribution
    """
    module = classifier.net_.module_
    # Tokens beyond `max_len` have no attribution.
    offsets = np.array([0, len(ids)])
    is_used = find_kept(offsets, classifier.max_len or len(ids))
    lstm = np.zeros(len(ids))
    with _differentiable(module):
        row = torch.tensor(ids[is_used], device=module.head.weight.device).long()
        parts, score, baseline, n_steps = _integrate(module, row, code)
    lstm[is_used] = parts
    error = baseline + lstm.sum() - score
    is_complete = bool(abs(error) <= _allow(score - baseline))
    if classifier.ngrams_ is None:
        ngrams = np.zeros(len(ids))
        return Attribution(lstm, ngrams, score, baseline, error, n_steps, is_complete)
    weight = classifier.recipe_.ngram_weight
    ngrams = weight * _score_outputs(classifier.ngrams_.contributions(ids), code)
    intercept = weight * _score_outputs(classifier.ngrams_.intercept_, code)
    return Attribution(
        (1 - weight) * lstm,
        ngrams,
        (1 - weight) * score + ngrams.sum() + intercept,
        (1 - weight) * baseline + intercept,
        (1 - weight) * error,
        n_steps,
        is_complete,
    )


@contextmanager
def _differentiable(module):
    """Set the module to prediction with gradients, and restore its mode.

    cuDNN has gradients of recurrent layers in training mode only.
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
    """Return the attributions, the score, the score of zero embeddings and the steps.

    The midpoint rule. The exact gain of each step is known, so that steps with too
    large an error are halved.
    """
    vectors = module.embedding(ids).detach()  # (n_tokens, embedding_dim)

    def measure(steps):
        middles = (steps["start"] + steps["stop"]) / 2
        steps["at_middle"], slopes = _differentiate(module, ids, code, vectors, middles)
        steps["parts"] = slopes * (steps["stop"] - steps["start"])[:, None]
        return steps

    edges = np.linspace(0, 1, _FIRST_STEPS + 1)
    with torch.no_grad():
        perturbations = _shrink(vectors, torch.from_numpy(edges).to(vectors))
        scores = _score(module, ids, code, perturbations).double().cpu().numpy()
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
        errors = np.abs(gains - steps["parts"].sum(1))
        is_off = errors > allowed / len(errors)
        if errors.sum() <= allowed or len(errors) + is_off.sum() > _MOST_STEPS:
            return steps["parts"].sum(0), scores[-1], scores[0], len(errors)
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


def _differentiate(module, ids, code, vectors, shares):
    """Return the scores at these shares of the embeddings, and their derivatives.

    Returns
    -------
    scores : ndarray of float of shape (n_shares,)
    slopes : ndarray of float of shape (n_shares, n_tokens)
        Derivative by the share, for each token.
    """
    scores, slopes = [], []
    shares = torch.from_numpy(shares).to(vectors)
    for part in shares.split(max(1, _MAX_TOKENS // len(ids))):
        perturbations = _shrink(vectors, part).requires_grad_()
        part_scores = _score(module, ids, code, perturbations)
        (gradients,) = torch.autograd.grad(part_scores.sum(), perturbations)
        scores.append(part_scores.detach())
        slopes.append((gradients * vectors).sum(2))
    return [torch.cat(parts).double().cpu().numpy() for parts in (scores, slopes)]


def _shrink(vectors, shares):
    """Return the perturbations that leave these shares of the embeddings."""
    return (shares - 1).view(-1, 1, 1) * vectors  # (n_shares, n_tokens, embedding_dim)


def _score(module, ids, code, perturbations):
    return _contrast(module(ids.expand(len(perturbations), -1), perturbations), code)


def _score_outputs(outputs, code):
    """Return the score of a decision function (one output for two classes)."""
    outputs = outputs.astype(np.float64)
    if outputs.shape[-1] == 1:
        outputs = outputs * [-0.5, 0.5]
    return _contrast(outputs, code)


def _contrast(logits, code):
    """Return the logit of the class, on the last axis, minus the mean of the others."""
    n_classes = logits.shape[-1]
    # The mean of all logits gives the same up to this factor, and needs no mask.
    return (logits[..., code] - logits.mean(-1)) * n_classes / (n_classes - 1)
