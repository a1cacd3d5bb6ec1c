"""Initial word vectors: random, learned from the training texts, or given."""

import numpy as np
import torch

from skreviews.embeddings import WordVectors
from skreviews.embeddings._ppmi import learn_word_vectors
from skreviews.neural_network._recipe import COOCCURRENCE


def check_word_vectors(word_vectors, freeze_embeddings, words, n_samples):
    """Return the given word vectors, or None if they are random or learned.

    Parameters
    ----------
    word_vectors : 'auto', 'cooccurrence', None, WordVectors, dict or KeyedVectors
    freeze_embeddings : 'auto', bool or int
    words : tuple of str or None
        The vocabulary that the ids carry.
    n_samples : int
        0 in a first `partial_fit`.

    Returns
    -------
    word_vectors : WordVectors or None

    Raises
    ------
    ValueError
        If given vectors meet ids without words, if random vectors are to be frozen, or
        if `partial_fit` is to learn co-occurrences.
    """
    is_random = word_vectors is None
    if isinstance(word_vectors, str):
        if word_vectors not in ("auto", COOCCURRENCE):
            raise ValueError(
                f"word_vectors={word_vectors!r} is unknown; pass 'auto', "
                "'cooccurrence', None, WordVectors or a dict. "
                "WordVectors.load(path) reads a file."
            )
        if word_vectors == COOCCURRENCE and not n_samples:
            raise ValueError(
                "word_vectors='cooccurrence' needs all texts at once: use fit, or set "
                "it to None or to pretrained vectors for partial_fit."
            )
        is_random = word_vectors == "auto" and not n_samples
    if is_random and freeze_embeddings not in ("auto", 0):
        raise ValueError(
            f"freeze_embeddings={freeze_embeddings} needs word_vectors: random ones "
            "have to train."
        )
    if is_random or isinstance(word_vectors, str):
        return None
    if words is None:
        raise ValueError(
            "word_vectors needs ids that carry their words, but X holds bare numbers: "
            "pass the output of SequenceVectorizer."
        )
    if isinstance(word_vectors, WordVectors):
        return word_vectors
    return WordVectors.from_mapping(word_vectors)


def initialize_net(net, recipe, given, rows, words, random_state):
    """Initialize the net and its word vectors.

    Parameters
    ----------
    net : TokenNet
    recipe : Recipe
    given : WordVectors or None
    rows : TokenRows
        Training texts.
    words : tuple of str or None
        The vocabulary that the ids carry.
    random_state : numpy.random.Generator
    """
    net.initialize()
    if given is not None:
        table = given.align(words, random_state)
    elif recipe.word_vectors == COOCCURRENCE:
        table = learn_word_vectors(
            rows,
            net.module_.embedding.num_embeddings,
            recipe.embedding_dim,
            recipe.learned_dim,
            random_state,
        )
    else:
        return
    with torch.no_grad():
        net.module_.embedding.weight.copy_(torch.from_numpy(np.asarray(table)))


def copy_weights(old, new):
    """Initialize a net with the weights of an earlier fit."""
    new.initialize()
    try:
        new.module_.load_state_dict(old.module_.state_dict())
    except RuntimeError as error:
        raise ValueError(
            "warm_start=True needs the architecture of the earlier fit; these "
            f"parameters have changed: {error}"
        ) from None
