"""The wide branch: a linear classifier of words and n-grams, from the ids."""

from numbers import Integral

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Odd numbers that spread the ids of an n-gram over the buckets.
_FACTOR = 1_000_003
_SPREAD = 0x9E3779B97F4A7C1  # 2 ** 60 over the golden ratio, as Knuth hashes


class NgramClassifier(nn.Module):
    """Logits as sums of the weights of a text's words and n-grams.

    The wide part of a wide and deep network [1]_. Words have weights of their own,
    longer n-grams share those of a bucket [2]_. What a text repeats counts once, as for
    the naive Bayes of Wang and Manning [3]_. The sum is divided by a quarter of the
    square root of the number of tokens, so that long texts are no surer than short
    ones.

    Parameters
    ----------
    n_tokens : int
        Number of token ids: padding 0, unknown 1, and the words.
    n_classes : int
        Number of outputs.
    ngram_range : tuple of (int, int)
        Lengths of the shortest and the longest n-grams.
    n_buckets : int
        Number of buckets for those of two tokens and more.
    sparse : bool, default=False
        Make sparse gradients.

    References
    ----------
    .. [1] H.-T. Cheng et al., "Wide & deep learning for recommender systems", DLRS
       2016.
    .. [2] A. Joulin, E. Grave, P. Bojanowski, T. Mikolov, "Bag of tricks for efficient
       text classification", EACL 2017.
    .. [3] S. Wang, C. D. Manning, "Baselines and bigrams: simple, good sentiment and
       topic classification", ACL 2012.
    """

    def __init__(
        self,
        n_tokens: int,
        n_classes: int,
        *,
        ngram_range: tuple[int, int],
        n_buckets: int,
        sparse: bool = False,
    ):
        super().__init__()
        self.n_tokens = n_tokens
        self.ngram_range = ngram_range
        self.n_buckets = n_buckets
        self.sparse = sparse
        n_weights = n_tokens + (n_buckets if ngram_range[1] > 1 else 0)
        self.weight = nn.Parameter(torch.zeros(n_weights, n_classes))
        self.bias = nn.Parameter(torch.zeros(n_classes))

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits.

        Parameters
        ----------
        ids : Tensor of int32 or int64 of shape (batch, length)
            Token ids, each row padded with 0 behind its tokens.

        Returns
        -------
        logits : Tensor of float32 of shape (batch, n_classes)
        """
        rows, divisors = self.look_up(ids)
        sums = F.embedding_bag(
            rows, self.weight, mode="sum", padding_idx=0, sparse=self.sparse
        )
        return sums / divisors + self.bias  # (batch, n_classes)

    def look_up(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return which weights each text sums up, and by what it divides the sum.

        Parameters
        ----------
        ids : Tensor of int32 or int64 of shape (batch, length)
            Token ids, each row padded with 0 behind its tokens.

        Returns
        -------
        rows : Tensor of int64 of shape (batch, n_ngrams)
            The row of each n-gram's weights; 0 for padding and repetitions.
        divisors : Tensor of float32 of shape (batch, 1)
        """
        n_real = (ids != 0).sum(1, keepdim=True).clamp(min=1)  # (batch, 1)
        return self._find_rows(ids.long()), n_real.sqrt() / 4

    def share(self, tokens: Tensor) -> Tensor:
        """Return what each token of one text adds to the logits.

        An n-gram's weight is shared equally among the places where the text has it,
        and there among its tokens. With the bias the shares sum to the logits.

        Parameters
        ----------
        tokens : Tensor of int32 or int64 of shape (length,)
            Token ids without padding.

        Returns
        -------
        shares : Tensor of float32 of shape (length, n_classes)
        """
        rows = self._hash_ngrams(tokens.long().unsqueeze(0))
        shares = self.weight.new_zeros(len(tokens), self.weight.shape[1])
        if not rows:
            return shares
        all_rows = torch.cat(list(rows.values()), 1)[0]
        _, places, counts = all_rows.unique(return_inverse=True, return_counts=True)
        parts = self.weight.detach()[all_rows] / counts[places].unsqueeze(1)
        parts = parts / (len(tokens) ** 0.5 / 4)  # (n-grams, n_classes)
        parts = parts.split([of_length.shape[1] for of_length in rows.values()])
        for n, part in zip(rows, parts, strict=True):
            for place in range(n):
                shares[place : place + len(part)] += part / n
        return shares

    def _find_rows(self, ids: Tensor) -> Tensor:
        rows = self._hash_ngrams(ids)
        if not rows:
            return torch.zeros_like(ids[:, :1])
        rows = torch.cat(list(rows.values()), 1).sort(1).values
        is_new = rows[:, 1:] != rows[:, :-1]
        return torch.cat([rows[:, :1], rows[:, 1:].where(is_new, 0)], 1)

    def _hash_ngrams(self, ids: Tensor) -> dict[int, Tensor]:
        """Return for each length the row of the n-gram that starts at each token."""
        shortest, longest = self.ngram_range
        rows = {1: ids} if shortest == 1 else {}
        keys = ids
        for n in range(2, min(longest, ids.shape[1]) + 1):
            keys = keys[:, :-1] * _FACTOR + ids[:, n - 1 :]  # (batch, length - n + 1)
            if n >= shortest:
                # The high bits of the product are those that all of the key moves.
                buckets = ((keys * _SPREAD) >> 32) % self.n_buckets
                rows[n] = (buckets + self.n_tokens).where(ids[:, n - 1 :] != 0, 0)
        return rows


def check_ngram_range(ngram_range):
    """Raise if this is not None nor a pair of lengths of n-grams."""
    if ngram_range is None:
        return
    lengths = [n for n in ngram_range if isinstance(n, Integral)]
    if (
        len(lengths) != len(ngram_range)
        or len(lengths) != 2
        or not (1 <= lengths[0] <= lengths[1])
    ):
        raise ValueError(
            f"ngram_range={ngram_range!r} is no range of lengths; pass two whole "
            "numbers such as (1, 2), the first at least 1 and at most the second, or "
            "None for no n-grams."
        )
