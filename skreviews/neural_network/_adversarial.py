"""Adversarial training of the word embeddings.

References
----------
T. Miyato, A. M. Dai, I. Goodfellow, "Adversarial training methods for semi-supervised
text classification", ICLR 2017.
"""

import torch
import torch.nn.functional as F


def learn_twice(learn, embedding, ids, epsilon):
    """Accumulate the gradients of a batch, and again with perturbed embeddings.

    Parameters
    ----------
    learn : callable
        Takes a perturbation of the embeddings, (batch, length, embedding_dim), and
        accumulates the gradients of the loss.
    embedding : nn.Embedding
    ids : Tensor of int of shape (batch, length)
    epsilon : float
        Norm of the perturbation, as a share of the norm of a text's embeddings. In the
        paper it is absolute, and the embeddings are normalised so that the network
        cannot outgrow it.

    Returns
    -------
    result : object
        What `learn` returns without a perturbation.
    """
    with torch.no_grad():
        vectors = embedding(ids)
    perturbation = torch.zeros_like(vectors, requires_grad=True)
    # The second pass repeats the dropout of the first, which gave the direction.
    with torch.random.fork_rng([ids.device] if ids.device.type == "cuda" else []):
        result = learn(perturbation)
    learn(epsilon * _worst_direction(perturbation.grad, vectors))
    return result


def _worst_direction(gradient, vectors):
    """Return the gradient of each text, scaled to the norm of its embeddings."""
    norms = torch.linalg.vector_norm(vectors.flatten(1), dim=1, keepdim=True)
    return (F.normalize(gradient.flatten(1)) * norms).view_as(vectors)
