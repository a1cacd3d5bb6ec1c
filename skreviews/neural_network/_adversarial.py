"""Adversarial training: the same reviews again, their word vectors moved for the worse.

References
----------
T. Miyato, A. M. Dai, I. Goodfellow, "Adversarial training methods for semi-supervised
text classification", ICLR 2017.
"""

import torch
import torch.nn.functional as F


def learn_twice(learn, embedding, ids, epsilon):
    """Learn from reviews as they are, and moved in the direction that hurts most.

    Parameters
    ----------
    learn : callable
        Takes a perturbation of the word vectors, (batch, length, embedding_dim), and
        adds the gradients of the loss to those that are there.
    embedding : nn.Embedding
    ids : Tensor of int of shape (batch, length)
    epsilon : float
        Size of the move, as a share of the norm of a review's word vectors. In the
        paper it is absolute, and normalised vectors keep the network from outgrowing
        it.

    Returns
    -------
    result : object
        What `learn` returns for the reviews as they are.
    """
    with torch.no_grad():
        vectors = embedding(ids)
    perturbation = torch.zeros_like(vectors, requires_grad=True)
    # The second pass drops what the first one has dropped: the direction is theirs.
    with torch.random.fork_rng([ids.device] if ids.device.type == "cuda" else []):
        result = learn(perturbation)
    learn(epsilon * _worst_direction(perturbation.grad, vectors))
    return result


def _worst_direction(gradient, vectors):
    """Return the gradients of the reviews, each of the norm of its word vectors.

    Where the loss has no slope there is no direction either.
    """
    norms = torch.linalg.vector_norm(vectors.flatten(1), dim=1, keepdim=True)
    return (F.normalize(gradient.flatten(1)) * norms).view_as(vectors)
