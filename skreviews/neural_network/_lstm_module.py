"""LSTMModule: the network, in torch alone."""

import torch
from torch import Tensor, nn

_CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


class LSTMModule(nn.Module):
    """Embedding, recurrent layers, pooling over the real tokens, linear head.

    The output for a row depends on its tokens alone, not on its padding nor on the
    other rows of the batch.

    Parameters
    ----------
    n_tokens : int
        Number of token ids: padding 0, unknown 1, and the words.
    n_classes : int
        Number of outputs.
    embedding_dim : int, default=100
        Dimension of the word vectors.
    hidden_size : int, default=64
        Dimension of the hidden state of each direction.
    num_layers : int, default=1
        Number of stacked recurrent layers.
    bidirectional : bool, default=True
        Whether a second LSTM processes each row from its end.
    cell : {'lstm', 'gru'}, default='lstm'
        Recurrent cell.
    pooling : {'last', 'mean', 'max', 'mean_max', 'attention'}, default='max'
        How the states of a row become one vector: the state after the last token of
        each direction, their mean, their maximum, both, or a weighted mean with
        learned scores [1]_.
    dropout : float, default=0.5
        Dropout between the layers and before the head.
    embedding_dropout : float, default=0.3
        Dropout of whole embedding dimensions, the same for all tokens of a row [2]_.
    word_dropout : float, default=0.0
        Share of the words that are replaced by the unknown token in training [3]_. At
        least one word of each row is kept.
    sparse : bool, default=False
        Whether the embedding has sparse gradients, which are faster for large
        vocabularies.

    References
    ----------
    .. [1] Z. Yang et al., "Hierarchical attention networks for document
       classification", NAACL 2016.
    .. [2] Y. Gal, Z. Ghahramani, "A theoretically grounded application of dropout in
       recurrent neural networks", NIPS 2016.
    .. [3] M. Iyyer et al., "Deep unordered composition rivals syntactic methods for
       text classification", ACL 2015.

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
        sparse: bool = False,
    ):
        super().__init__()
        self.pooling = pooling
        self.word_dropout = word_dropout
        self.embedding = nn.Embedding(
            n_tokens, embedding_dim, padding_idx=0, sparse=sparse
        )
        self.embedding_dropout = nn.Dropout(embedding_dropout)
        n_states = hidden_size * (2 if bidirectional else 1)
        self.layers = nn.ModuleList(
            _RecurrentLayer(
                embedding_dim if i == 0 else n_states, hidden_size, bidirectional, cell
            )
            for i in range(num_layers)
        )
        self.dropout = nn.Dropout(dropout)
        self.attention = nn.Linear(n_states, 1) if pooling == "attention" else None
        n_pooled = 2 * n_states if pooling == "mean_max" else n_states
        self.head = nn.Linear(n_pooled, n_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the word vectors; the layers draw their own weights."""
        nn.init.normal_(self.embedding.weight, std=0.1)
        with torch.no_grad():
            self.embedding.weight[0].zero_()

    def forward(self, ids: Tensor, perturbation: Tensor | None = None) -> Tensor:
        """Return the logits.

        Parameters
        ----------
        ids : Tensor of int32 or int64 of shape (batch, length)
            Token ids, each row padded with 0 behind its tokens.
        perturbation : Tensor or None, default=None
            Added to the word vectors before their dropout; of shape (batch, length,
            embedding_dim).

        Returns
        -------
        logits : Tensor of float32 of shape (batch, n_classes)
        """
        ids = self._drop_words(ids)
        # Time comes first: oneDNN and cuDNN store the states so.
        ids = ids.T  # (length, batch)
        is_real = ids != 0
        is_real[0] = True  # a row without tokens counts as one token of padding
        mirror = _mirror(is_real.sum(0), len(ids))  # (length * batch,)
        vectors = self.embedding(ids)  # (length, batch, embedding_dim)
        if perturbation is not None:
            vectors = vectors + perturbation.transpose(0, 1)
        vectors = self._drop_dimensions(vectors)
        states = self.layers[0](vectors, mirror)  # each (length, batch, hidden)
        for layer in self.layers[1:]:
            states = layer(self.dropout(_align(states, mirror)), mirror)
        if self.pooling == "attention":
            states = [_align(states, mirror)]  # (length, batch, n_states)
        pooled = self._pool(states, is_real.unsqueeze(-1))  # (batch, n_pooled)
        return self.head(self.dropout(pooled))  # (batch, n_classes)

    def _drop_words(self, ids: Tensor) -> Tensor:
        if not (self.training and self.word_dropout):
            return ids
        is_kept = torch.rand(ids.shape, device=ids.device) >= self.word_dropout
        is_kept |= ~(is_kept & (ids > 1)).any(1, keepdim=True)
        return ids.where(is_kept, ids.clamp(max=1))  # padding stays padding

    def _drop_dimensions(self, vectors: Tensor) -> Tensor:
        if not self.training:
            return vectors
        return vectors * self.embedding_dropout(torch.ones_like(vectors[0]))

    def _pool(self, states: list[Tensor], is_real: Tensor) -> Tensor:
        """Pool the states of each direction, each in its own order of tokens."""
        if self.pooling == "last":
            last = is_real.sum(0) - 1  # (batch, 1)
            states = [state.take_along_dim(last[None], 0)[0] for state in states]
            return torch.cat(states, 1)  # (batch, n_states)
        if self.pooling == "attention":
            (state,) = states
            scores = self.attention(torch.tanh(state))  # (length, batch, 1)
            weights = scores.masked_fill(~is_real, -torch.inf).softmax(0)
            return (weights * state).sum(0)  # (batch, n_states)
        pooled = []
        if self.pooling != "max":
            n_real = is_real.sum(0)  # (batch, 1)
            pooled += [(state * is_real).sum(0) / n_real for state in states]
        if self.pooling != "mean":
            # An addition passes the gradient on without a copy; masked_fill does not.
            penalty = torch.where(is_real, 0.0, -torch.inf)  # (length, batch, 1)
            penalty = penalty.to(states[0].dtype)
            pooled += [(state + penalty).amax(0) for state in states]
        return torch.cat(pooled, 1)  # (batch, n_pooled)


class _RecurrentLayer(nn.Module):
    """One layer in one or both directions, exact on padded rows.

    Each direction is an LSTM of its own that runs forward over padded rows: torch gives
    padded but not packed rows to oneDNN, which trains two to five times faster on CPUs.
    The second direction processes each row's real tokens in reverse order.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bidirectional: bool, cell: str
    ):
        super().__init__()
        make = _CELLS[cell]
        self.ahead = make(input_size, hidden_size)
        self.back = make(input_size, hidden_size) if bidirectional else None

    def forward(self, inputs: Tensor, mirror: Tensor) -> list[Tensor]:
        """Return the states of each direction, each in its own order of tokens."""
        states = [self.ahead(inputs)[0]]  # (length, batch, hidden)
        if self.back is not None:
            states.append(self.back(_Reverse.apply(inputs, mirror))[0])
        return states


class _Reverse(torch.autograd.Function):
    """Reverse the real tokens of each row.

    A reversal is its own inverse, so its gradient is another reversal; the gradient of
    torch's `gather` takes six times as long.
    """

    @staticmethod
    def forward(ctx, states: Tensor, mirror: Tensor) -> Tensor:
        ctx.save_for_backward(mirror)
        return states.flatten(0, 1).index_select(0, mirror).view_as(states)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return _Reverse.apply(gradient, *ctx.saved_tensors), None


def _mirror(lengths: Tensor, length: int) -> Tensor:
    """Return the positions, in (length * batch, ...), that reverse the real tokens."""
    rows = torch.arange(len(lengths), device=lengths.device)  # (batch,)
    steps = torch.arange(length, device=lengths.device).unsqueeze(1)  # (length, 1)
    mirrored = lengths - 1 - steps  # (length, batch)
    mirrored = torch.where(mirrored < 0, steps, mirrored)  # padding stays in place
    return (mirrored * len(lengths) + rows).flatten()


def _align(states: list[Tensor], mirror: Tensor) -> Tensor:
    """Concatenate the directions, both in the order of the text."""
    ahead, *back = states
    back = [_Reverse.apply(state, mirror) for state in back]
    return torch.cat([ahead, *back], -1)  # (length, batch, n_states)
