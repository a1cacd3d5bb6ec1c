"""Word vectors from the training texts: words have those of the company they keep."""

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

from skreviews.preprocessing._token_ids import PADDING, UNKNOWN

# As Levy, Goldberg and Dagan advise: a neighbour counts for one over its distance, and
# frequent neighbours for less than their share.
_LONGEST_DISTANCE = 5
_SMOOTHING = 0.75
# Only the most frequent words count as neighbours, which keeps the matrix small.
_MOST_NEIGHBOURS = 5000
# A sample of so many words is enough, and bounds time and memory. IMDb has 5 million.
_ENOUGH_WORDS = 20_000_000
# Words that are counted at once: each takes 120 bytes.
_BLOCK = 1_000_000
# Larger than those that `LSTMModule` draws, for they cannot grow while they are frozen:
# in four such epochs the LSTM of IMDb reached 0.857 with 0.1 and 0.879 with 1. Where
# they are free, larger ones are learned by heart more slowly: on a fold of SST-5 the
# log loss of the LSTM was 1.593 with 0.1 and 1.321 with 0.3.
_STD = 0.3


def learn_word_vectors(dataset, n_tokens, dim, n_learned, random_state):
    """Factor the matrix of which words stand near which.

    The entries are the positive pointwise mutual information of a word and its
    neighbour, and the vectors the left singular vectors times the roots of the singular
    values [1]_, a close relative of what word2vec learns [2]_. Labels play no part.

    Parameters
    ----------
    dataset : TokenDataset
        The texts.
    n_tokens : int
        Number of token ids.
    dim : int
        Size of the vectors.
    n_learned : int
        So many numbers of each vector are learned, or as many as there are singular
        values. The others are drawn, so that words in the same company differ as well.
    random_state : numpy.random.Generator

    Returns
    -------
    table : ndarray of float32 of shape (n_tokens, dim)
        Learned and drawn numbers with a standard deviation of 0.3 each. Zeros for
        padding; the learned ones of words that do not occur are zeros, too.

    References
    ----------
    .. [1] O. Levy, Y. Goldberg, I. Dagan, "Improving distributional similarity with
       lessons learned from word embeddings", TACL 3, 2015.
    .. [2] O. Levy, Y. Goldberg, "Neural word embedding as implicit matrix
       factorization", NIPS 2014.
    """
    learned = _factor(dataset, n_tokens, n_learned, random_state)
    shape = n_tokens, dim - learned.shape[1]
    drawn = random_state.normal(0, _STD, shape).astype(np.float32)
    drawn[PADDING] = 0
    return np.concatenate([learned, drawn], axis=1)


def _factor(dataset, n_tokens, n_learned, random_state):
    """Return the learned numbers, of shape (n_tokens, n_learned) or less."""
    n_rows = np.searchsorted(np.cumsum(dataset.lengths), _ENOUGH_WORDS) + 1
    if n_rows < len(dataset):
        dataset = dataset.take(random_state.permutation(len(dataset))[:n_rows])
    information = _to_information(_count_pairs(dataset, n_tokens))
    if not information[UNKNOWN + 1 :].nnz:
        return np.zeros((n_tokens, 0), dtype=np.float32)
    words, strengths, _ = randomized_svd(
        information,
        min(n_learned, *information.shape),
        n_iter=3,
        random_state=int(random_state.integers(2**31)),
    )
    words[information.sum(axis=1) == 0] = 0  # but for rounding
    table = (words * np.sqrt(strengths)).astype(np.float32)
    return table * (_STD / table[UNKNOWN + 1 :].std())


def _count_pairs(dataset, n_tokens):
    """Return how often each word has which neighbour, of shape (words, neighbours)."""
    frequencies = np.bincount(dataset.ids, minlength=n_tokens)
    frequencies[: UNKNOWN + 1] = 0
    neighbours = np.argsort(-frequencies, kind="stable")[:_MOST_NEIGHBOURS]
    neighbours = neighbours[frequencies[neighbours] > 0]
    columns = np.full(n_tokens, -1, dtype=np.int32)  # no neighbour
    columns[neighbours] = np.arange(len(neighbours))
    counts = sp.csr_array((n_tokens, len(neighbours)), dtype=np.float32)
    n_blocks = -(-len(dataset.ids) // _BLOCK)
    for rows in np.array_split(np.arange(len(dataset)), n_blocks):
        counts += _count_pairs_of_block(dataset.take(rows), columns, counts.shape)
    return counts


def _count_pairs_of_block(dataset, columns, shape):
    ids, rows = dataset.ids, np.repeat(np.arange(len(dataset)), dataset.lengths)
    pairs = []
    for distance in range(1, _LONGEST_DISTANCE + 1):
        is_pair = rows[:-distance] == rows[distance:]
        left, right = ids[:-distance][is_pair], ids[distance:][is_pair]
        for words, neighbours in ((left, right), (right, left)):
            known = columns[neighbours] >= 0
            weights = np.full(known.sum(), 1 / distance, dtype=np.float32)
            pairs.append((weights, words[known], columns[neighbours[known]]))
    weights, words, neighbours = map(np.concatenate, zip(*pairs, strict=True))
    return sp.coo_array((weights, (words, neighbours)), shape=shape).tocsr()


def _to_information(counts):
    """Return the positive pointwise mutual information of each pair."""
    of_words = counts.sum(axis=1)
    of_neighbours = counts.sum(axis=0) ** _SMOOTHING
    of_neighbours /= of_neighbours.sum() or 1.0
    pairs = counts.tocoo()
    expected = of_words[pairs.row] * of_neighbours[pairs.col]
    information = np.log(pairs.data / expected)
    kept = information > 0
    return sp.csr_array(
        (information[kept], (pairs.row[kept], pairs.col[kept])), shape=counts.shape
    )
