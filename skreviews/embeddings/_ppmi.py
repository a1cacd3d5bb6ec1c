"""Word vectors from positive pointwise mutual information and a truncated SVD."""

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

from skreviews.preprocessing._token_ids import PADDING, UNKNOWN

# Weights of context words as recommended by Levy, Goldberg and Dagan: one over the
# distance, and smoothed frequencies.
_WINDOW = 5
_SMOOTHING = 0.75
# Only the most frequent words are context words, which limits the size of the matrix.
_MAX_CONTEXT_WORDS = 5000
# Larger corpora are sampled, which limits time and memory.
_MAX_TOKENS = 20_000_000
_BLOCK_TOKENS = 1_000_000  # counted at once, 120 bytes each
# Frozen vectors cannot grow, so they start larger than random ones. See
# benchmarks/notes/embeddings.md.
_STD = 0.3


def learn_word_vectors(rows, n_tokens, dim, n_learned, random_state):
    """Factorise the matrix of positive pointwise mutual information.

    The vectors are the left singular vectors times the square roots of the singular
    values [1]_, similar to those of word2vec [2]_. Labels are not used.

    Parameters
    ----------
    rows : TokenRows
        Token ids of the training texts.
    n_tokens : int
        Number of token ids.
    dim : int
        Dimension of the vectors.
    n_learned : int
        Maximum number of learned dimensions. The other dimensions are random, which
        separates words with the same contexts.
    random_state : numpy.random.Generator

    Returns
    -------
    table : ndarray of float32 of shape (n_tokens, dim)
        Learned and random dimensions have a standard deviation of 0.3 each. The vector
        of padding is zero, and so are the learned dimensions of words that are not in
        `rows`.

    References
    ----------
    .. [1] O. Levy, Y. Goldberg, I. Dagan, "Improving distributional similarity with
       lessons learned from word embeddings", TACL 3, 2015.
    .. [2] O. Levy, Y. Goldberg, "Neural word embedding as implicit matrix
       factorization", NIPS 2014.
    """
    learned = _learn(rows, n_tokens, n_learned, random_state)
    shape = n_tokens, dim - learned.shape[1]
    drawn = random_state.normal(0, _STD, shape).astype(np.float32)
    drawn[PADDING] = 0
    return np.concatenate([learned, drawn], axis=1)


def _learn(rows, n_tokens, n_learned, random_state):
    """Return the learned dimensions, `n_learned` or the rank of the matrix."""
    n_sampled = np.searchsorted(np.cumsum(rows.lengths), _MAX_TOKENS) + 1
    if n_sampled < len(rows):
        rows = rows.take(random_state.permutation(len(rows))[:n_sampled])
    information = _to_information(_count_pairs(rows, n_tokens))
    if not information[UNKNOWN + 1 :].nnz:
        return np.zeros((n_tokens, 0), dtype=np.float32)
    vectors, values, _ = randomized_svd(
        information,
        min(n_learned, *information.shape),
        n_iter=3,
        random_state=int(random_state.integers(2**31)),
    )
    vectors[information.sum(axis=1) == 0] = 0  # remove rounding errors
    table = (vectors * np.sqrt(values)).astype(np.float32)
    return table * (_STD / table[UNKNOWN + 1 :].std())


def _count_pairs(rows, n_tokens):
    """Count the context words of each word, of shape (n_tokens, n_context_words)."""
    frequencies = np.bincount(rows.ids, minlength=n_tokens)
    frequencies[: UNKNOWN + 1] = 0
    context = np.argsort(-frequencies, kind="stable")[:_MAX_CONTEXT_WORDS]
    context = context[frequencies[context] > 0]
    columns = np.full(n_tokens, -1, dtype=np.int32)  # -1: not a context word
    columns[context] = np.arange(len(context))
    counts = sp.csr_array((n_tokens, len(context)), dtype=np.float32)
    n_blocks = -(-len(rows.ids) // _BLOCK_TOKENS)
    for block in np.array_split(np.arange(len(rows)), n_blocks):
        counts += _count_pairs_of_block(rows.take(block), columns, counts.shape)
    return counts


def _count_pairs_of_block(rows, columns, shape):
    ids, row_of_token = rows.ids, np.repeat(np.arange(len(rows)), rows.lengths)
    pairs = []
    for distance in range(1, _WINDOW + 1):
        is_pair = row_of_token[:-distance] == row_of_token[distance:]
        left, right = ids[:-distance][is_pair], ids[distance:][is_pair]
        for words, context in ((left, right), (right, left)):
            known = columns[context] >= 0
            weights = np.full(known.sum(), 1 / distance, dtype=np.float32)
            pairs.append((weights, words[known], columns[context[known]]))
    weights, words, context = map(np.concatenate, zip(*pairs, strict=True))
    return sp.coo_array((weights, (words, context)), shape=shape).tocsr()


def _to_information(counts):
    """Return the positive pointwise mutual information of the pairs."""
    word_counts = counts.sum(axis=1)
    context_shares = counts.sum(axis=0) ** _SMOOTHING
    context_shares /= context_shares.sum() or 1.0
    pairs = counts.tocoo()
    expected = word_counts[pairs.row] * context_shares[pairs.col]
    information = np.log(pairs.data / expected)
    kept = information > 0
    return sp.csr_array(
        (information[kept], (pairs.row[kept], pairs.col[kept])), shape=counts.shape
    )
