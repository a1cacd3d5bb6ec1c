"""LSTMModule: the network, torch only."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skreviews.neural_network._ngrams import NgramClassifier

_CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


class LSTMModule(nn.Module):
    """Embedding, recurrent layers, pooling over the real tokens, linear head.

    Beside this deep branch may stand a wide one, a linear classifier of words and
    n-grams; the output is a mean of the two. It depends for each row on its tokens
    alone, not on the padding behind them nor on the other rows.

    Parameters
    ----------
    n_tokens : int
        Number of token ids: padding 0, unknown 1, and the words.
    n_classes : int
        Number of outputs.
    embedding_dim : int, default=100
        Size of the word vectors.
    hidden_size : int, default=64
        Size of the hidden state of each direction.
    num_layers : int, default=1
        Number of recurrent layers, one on top of the other.
    bidirectional : bool, default=True
        Read each review from both ends.
    cell : {'lstm', 'gru'}, default='lstm'
        Kind of recurrent cell.
    pooling : {'last', 'mean', 'max', 'mean_max', 'attention'}, default='max'
        How the states of a review become one vector: the state after the last token
        (of each direction), their mean, their maximum, both, or a mean weighted by a
        learned score [1]_.
    dropout : float, default=0.5
        Dropout between the layers and before the head.
    embedding_dropout : float, default=0.3
        Dropout of whole channels of the embedding, the same for all tokens of a
        review [2]_.
    word_dropout : float, default=0.0
        Share of the words that become unknown in training [4]_. A review never loses
        all of its words.
    weight_dropout : float, default=0.0
        Dropout of single weights between the hidden states of one step and the next,
        drawn anew in each forward pass [5]_.
    segment_len : int or None, default=None
        Cut each review into segments of this many tokens, which the layers read
        independently, side by side; the pooling joins them again [3]_.
    max_tokens : int or None, default=None
        Most tokens of a review that the layers read: of a longer one the first quarter
        of so many and the rest from its end [6]_. The wide branch reads it whole.
    ngram_range : tuple of (int, int) or None, default=None
        Lengths of the n-grams in the wide branch; None leaves it out. See
        `NgramClassifier`.
    ngram_buckets : int, default=2 ** 18
        Number of weights for each class that n-grams of two words and more share.
    ngram_weight : float, default=0.5
        Weight of the wide branch in the mean.
    sparse : bool, default=False
        Make sparse gradients for the embedding: faster for big tables, but not every
        optimizer takes them.
    sparse_ngrams : bool, default=False
        Make sparse gradients for the weights of the wide branch.

    References
    ----------
    .. [1] Z. Yang et al., "Hierarchical attention networks for document
       classification", NAACL 2016.
    .. [2] Y. Gal, Z. Ghahramani, "A theoretically grounded application of dropout in
       recurrent neural networks", NIPS 2016.
    .. [3] R. Johnson, T. Zhang, "Supervised and semi-supervised text categorization
       using LSTM for region embeddings", ICML 2016.
    .. [4] M. Iyyer et al., "Deep unordered composition rivals syntactic methods for
       text classification", ACL 2015.
    .. [5] S. Merity, N. S. Keskar, R. Socher, "Regularizing and optimizing LSTM
       language models", ICLR 2018.
    .. [6] C. Sun, X. Qiu, Y. Xu, X. Huang, "How to fine-tune BERT for text
       classification?", CCL 2019, section 5.3.1.

    Examples
    --------
    >>> import torch
    >>> from skreviews.neural_network import LSTMModule
    >>> module = LSTMModule(n_tokens=50, n_classes=5, pooling="attention")
    >>> module(torch.tensor([[7, 3, 9, 0], [4, 0, 0, 0]])).shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        n_tokens: int,
        n_classes: int,
        *,
        embedding_dim: int = 100,
        hidden_size: int = 64,
        num_layers: int = 1,
        bidirectional: bool = True,
        cell: str = "lstm",
        pooling: str = "max",
        dropout: float = 0.5,
        embedding_dropout: float = 0.3,
        word_dropout: float = 0.0,
        weight_dropout: float = 0.0,
        segment_len: int | None = None,
        max_tokens: int | None = None,
        ngram_range: tuple[int, int] | None = None,
        ngram_buckets: int = 2**18,
        ngram_weight: float = 0.5,
        sparse: bool = False,
        sparse_ngrams: bool = False,
    ):
        super().__init__()
        self.pooling = pooling
        self.word_dropout = word_dropout
        self.segment_len = segment_len
        self.max_tokens = max_tokens
        self.ngram_weight = ngram_weight
        self.embedding = nn.Embedding(
            n_tokens, embedding_dim, padding_idx=0, sparse=sparse
        )
        self.embedding_dropout = nn.Dropout(embedding_dropout)
        n_states = hidden_size * (2 if bidirectional else 1)
        self.layers = nn.ModuleList(
            _RecurrentLayer(
                embedding_dim if i == 0 else n_states,
                hidden_size,
                bidirectional,
                cell,
                weight_dropout,
            )
            for i in range(num_layers)
        )
        self.dropout = nn.Dropout(dropout)
        self.attention = nn.Linear(n_states, 1) if pooling == "attention" else None
        n_pooled = 2 * n_states if pooling == "mean_max" else n_states
        self.head = nn.Linear(n_pooled, n_classes)
        self.wide = None
        if ngram_range is not None:
            self.wide = NgramClassifier(
                n_tokens,
                n_classes,
                ngram_range=ngram_range,
                n_buckets=ngram_buckets,
                sparse=sparse_ngrams,
            )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the word vectors; the layers draw their own weights."""
        nn.init.normal_(self.embedding.weight, std=0.1)
        with torch.no_grad():
            self.embedding.weight[0].zero_()

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
        if self.wide is None:
            return self.deep(ids)
        return self.mix(self.deep(ids), self.wide(ids))

    def deep(self, ids: Tensor, perturbation: Tensor | None = None) -> Tensor:
        """Return the logits of the branch with the recurrent layers.

        Parameters
        ----------
        ids : Tensor of int32 or int64 of shape (batch, length)
            Token ids, each row padded with 0 behind its tokens.
        perturbation : Tensor or None, default=None
            Is added to the word vectors, before their dropout; of shape (batch,
            length after `shorten`, embedding_dim).

        Returns
        -------
        logits : Tensor of float32 of shape (batch, n_classes)
        """
        ids = self._drop_words(self.shorten(ids))
        length = min(self.segment_len or ids.shape[1], ids.shape[1])
        n_segments = -(-ids.shape[1] // length)
        is_real = ids != 0  # (batch, length of the ids)
        # A row without any token is read as one token of padding.
        is_real[:, 0] = True
        # From here on a row is a segment, and time comes first: so oneDNN and cuDNN
        # read memory.
        is_real = _cut(is_real, length)  # (length, rows)
        mirror = _mirror(is_real.sum(0), length)  # (length * rows,)
        vectors = self.embedding(_cut(ids, length))  # (length, rows, embedding_dim)
        if perturbation is not None:
            vectors = vectors + _cut(perturbation, length)
        vectors = self._drop_channels(vectors, n_segments)
        states = self.layers[0](vectors, mirror)  # each of (length, rows, hidden)
        for layer in self.layers[1:]:
            states = layer(self.dropout(_align(states, mirror)), mirror)
        if self.pooling == "attention":
            states = [_align(states, mirror)]  # (length, rows, n_states)
        states = [_join(state, n_segments) for state in states]
        is_real = _join(is_real.unsqueeze(-1), n_segments)  # (time, batch, 1)
        pooled = self._pool(states, is_real, length)  # (batch, n_pooled)
        return self.head(self.dropout(pooled))  # (batch, n_classes)

    def mix(self, deep: Tensor, wide: Tensor) -> Tensor:
        """Return the weighted mean of what the branches return."""
        return (1 - self.ngram_weight) * deep + self.ngram_weight * wide

    def shorten(self, ids: Tensor) -> Tensor:
        """Return what the recurrent layers read of each row: `max_tokens` at most.

        Parameters
        ----------
        ids : Tensor of int32 or int64 of shape (batch, length)
            Token ids, each row padded with 0 behind its tokens.

        Returns
        -------
        ids : Tensor of int32 or int64 of shape (batch, shorter length)
        """
        if self.max_tokens is None or ids.shape[1] <= self.max_tokens:
            return ids
        places = torch.arange(self.max_tokens, device=ids.device)
        n_left_out = ((ids != 0).sum(1, keepdim=True) - self.max_tokens).clamp(min=0)
        is_tail = places >= -(-self.max_tokens // 4)
        return ids.take_along_dim(places + n_left_out * is_tail, 1)

    def read(self, ids: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return what the first layer makes of each token, without any dropout.

        Parameters
        ----------
        ids : Tensor of int32 or int64 of shape (batch, length)
            Token ids, each row padded with 0 behind its tokens.

        Returns
        -------
        readings : list of tuple of Tensor
            For each direction the states, of shape (length, batch, hidden_size), and
            the ids, (length, batch), both in the order of its reading.
        """
        ids = ids.T.contiguous()  # (length, batch)
        mirror = _mirror((ids != 0).sum(0), len(ids))  # (length * batch,)
        states = self.layers[0](self.embedding(ids), mirror)
        orders = (ids, ids.flatten()[mirror].view_as(ids))
        return list(zip(states, orders, strict=False))

    def _drop_words(self, ids: Tensor) -> Tensor:
        if not (self.training and self.word_dropout):
            return ids
        is_kept = torch.rand(ids.shape, device=ids.device) >= self.word_dropout
        # A label without any word teaches nothing.
        is_kept |= ~(is_kept & (ids > 1)).any(1, keepdim=True)
        return ids.where(is_kept, ids.clamp(max=1))  # padding stays padding

    def _drop_channels(self, vectors: Tensor, n_segments: int) -> Tensor:
        if not self.training:
            return vectors
        channels = torch.ones_like(vectors[0, ::n_segments])  # (batch, embedding_dim)
        channels = self.embedding_dropout(channels).repeat_interleave(n_segments, 0)
        return vectors * channels

    def _pool(self, states: list[Tensor], is_real: Tensor, length: int) -> Tensor:
        """Pool the states of each direction, each in the order of its reading."""
        if self.pooling == "last":
            n_real = is_real.sum(0)  # (batch, 1)
            # The one that reads backward ends in the first segment.
            ends = (n_real - 1, n_real.clamp(max=length) - 1)
            return torch.cat(
                [
                    state.take_along_dim(end[None], 0)[0]  # (batch, hidden)
                    for state, end in zip(states, ends, strict=False)
                ],
                1,
            )
        if self.pooling == "attention":
            (state,) = states
            scores = self.attention(torch.tanh(state))  # (time, batch, 1)
            weights = scores.masked_fill(~is_real, -torch.inf).softmax(0)
            return (weights * state).sum(0)  # (batch, n_states)
        pooled = []
        if self.pooling != "max":
            n_real = is_real.sum(0)  # (batch, 1)
            pooled += [(state * is_real).sum(0) / n_real for state in states]
        if self.pooling != "mean":
            # Added, not filled in: the gradient passes a sum without a copy.
            penalty = torch.where(is_real, 0.0, -torch.inf)  # (time, batch, 1)
            penalty = penalty.to(states[0].dtype)
            pooled += [(state + penalty).amax(0) for state in states]
        return torch.cat(pooled, 1)  # (batch, n_pooled)


class _RecurrentLayer(nn.Module):
    """One layer in one or both directions, exact on padded rows.

    Each direction is a network of its own that runs forward over padded rows: on
    CPUs torch gives padded rows, but not packed ones, to oneDNN, which trains two to
    five times faster. The backward one reads each row's real tokens in reverse order.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bidirectional: bool,
        cell: str,
        weight_dropout: float,
    ):
        super().__init__()
        self.weight_dropout = weight_dropout
        make = _CELLS[cell]
        self.ahead = make(input_size, hidden_size)
        self.back = make(input_size, hidden_size) if bidirectional else None

    def forward(self, inputs: Tensor, mirror: Tensor) -> list[Tensor]:
        """Return the states of each direction, each in the order of its reading."""
        states = [self._read(self.ahead, inputs)]  # (length, rows, hidden)
        if self.back is not None:
            states.append(self._read(self.back, _Reverse.apply(inputs, mirror)))
        return states

    def _read(self, cell: nn.LSTM | nn.GRU, inputs: Tensor) -> Tensor:
        if not (self.training and self.weight_dropout):
            return cell(inputs)[0]
        # The function below `cell` takes any tensors for its weights: these lead the
        # gradient through the mask to the parameter, and oneDNN and cuDNN take them.
        weights = [
            cell.weight_ih_l0,
            F.dropout(cell.weight_hh_l0, self.weight_dropout),
            cell.bias_ih_l0,
            cell.bias_hh_l0,
        ]
        start = inputs.new_zeros(1, inputs.shape[1], cell.hidden_size)
        # With biases, one layer, no dropout, in training, ahead, time first.
        rest = (weights, True, 1, 0.0, True, False, False)
        if isinstance(cell, nn.LSTM):
            return torch.lstm(inputs, (start, start), *rest)[0]
        return torch.gru(inputs, start, *rest)[0]


class _Reverse(torch.autograd.Function):
    """Reverse the real tokens of each row.

    A reversal undoes itself, so it is its own gradient; that of torch's `gather`
    takes six times as long.
    """

    @staticmethod
    def forward(ctx, states: Tensor, mirror: Tensor) -> Tensor:
        ctx.save_for_backward(mirror)
        return states.flatten(0, 1).index_select(0, mirror).view_as(states)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return _Reverse.apply(gradient, *ctx.saved_tensors), None


def _cut(rows: Tensor, length: int) -> Tensor:
    """Cut rows of (batch, time, ...) into segments: (length, batch * segments, ...)."""
    if missing := -rows.shape[1] % length:
        rows = F.pad(rows, [0, 0] * (rows.dim() - 2) + [0, missing])
    return rows.reshape(-1, length, *rows.shape[2:]).transpose(0, 1)


def _mirror(lengths: Tensor, length: int) -> Tensor:
    """Return the places that reverse the real tokens of each row, padding unmoved.

    They count along the rows of (length * rows, ...).
    """
    rows = torch.arange(len(lengths), device=lengths.device)  # (rows,)
    steps = torch.arange(length, device=lengths.device).unsqueeze(1)  # (length, 1)
    mirrored = lengths - 1 - steps  # (length, rows)
    mirrored = torch.where(mirrored < 0, steps, mirrored)
    return (mirrored * len(lengths) + rows).flatten()


def _align(states: list[Tensor], mirror: Tensor) -> Tensor:
    """Join the directions, with the backward one in the order of the text."""
    ahead, *back = states
    back = [_Reverse.apply(state, mirror) for state in back]
    return torch.cat([ahead, *back], -1)  # (length, rows, n_states)


def _join(states: Tensor, n_segments: int) -> Tensor:
    """Put the segments of each review behind one another."""
    if n_segments == 1:
        return states
    states = states.unflatten(1, (-1, n_segments))  # (length, batch, n_segments, size)
    return states.permute(2, 0, 1, 3).flatten(0, 1)  # (time, batch, size)
