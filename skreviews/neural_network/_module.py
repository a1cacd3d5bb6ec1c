"""LSTMModule: the network, torch only."""

import torch
from torch import Tensor, nn

_CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


class LSTMModule(nn.Module):
    """Embedding, recurrent layers, pooling over the real tokens, linear head.

    The output for a row depends on its tokens alone, not on the padding behind them
    nor on the other rows.

    Parameters
    ----------
    n_tokens : int
        Number of token ids: padding 0, unknown 1, and the words.
    n_classes : int
        Number of outputs.
    embedding_dim : int, default=100
        Size of the word vectors.
    hidden_size : int, default=100
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

    References
    ----------
    .. [1] Z. Yang et al., "Hierarchical attention networks for document
       classification", NAACL 2016.
    .. [2] Y. Gal, Z. Ghahramani, "A theoretically grounded application of dropout in
       recurrent neural networks", NIPS 2016.

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
        hidden_size: int = 100,
        num_layers: int = 1,
        bidirectional: bool = True,
        cell: str = "lstm",
        pooling: str = "max",
        dropout: float = 0.5,
        embedding_dropout: float = 0.3,
    ):
        super().__init__()
        self.pooling = pooling
        self.embedding = nn.Embedding(n_tokens, embedding_dim, padding_idx=0)
        self.embedding_dropout = nn.Dropout1d(embedding_dropout)
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
        mask = (ids != 0).unsqueeze(-1)  # (batch, length, 1)
        # A row without any token is read as one token of padding.
        mask[:, 0] = True
        lengths = mask.sum(1)  # (batch, 1)
        mirror = _mirror(lengths, ids.shape[1])  # (batch, length, 1)
        states = self.embedding(ids)  # (batch, length, embedding_dim)
        # Dropout1d drops channels of (batch, channel, length).
        states = self.embedding_dropout(states.transpose(1, 2)).transpose(1, 2)
        for i, layer in enumerate(self.layers):
            if i > 0:
                states = self.dropout(states)
            states = layer(states, mirror)  # (batch, length, n_states)
        pooled = self._pool(states, mask, lengths)  # (batch, n_pooled)
        return self.head(self.dropout(pooled))  # (batch, n_classes)

    def _pool(self, states: Tensor, mask: Tensor, lengths: Tensor) -> Tensor:
        if self.pooling == "last":
            return self.layers[-1].last(states, lengths)
        if self.pooling == "attention":
            scores = self.attention(torch.tanh(states))  # (batch, length, 1)
            weights = scores.masked_fill(~mask, -torch.inf).softmax(1)
            return (weights * states).sum(1)
        mean = torch.where(mask, states, 0).sum(1) / lengths  # (batch, n_states)
        if self.pooling == "mean":
            return mean
        highest = torch.where(mask, states, -torch.inf).amax(1)  # (batch, n_states)
        if self.pooling == "max":
            return highest
        return torch.cat([mean, highest], 1)  # (batch, 2 * n_states)


class _RecurrentLayer(nn.Module):
    """One layer in one or both directions, exact on padded rows.

    Each direction is a network of its own that runs forward over padded rows: on
    CPUs torch gives padded rows, but not packed ones, to oneDNN, which trains two to
    five times faster. The backward one reads each row's real tokens in reverse order.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bidirectional: bool, cell: str
    ):
        super().__init__()
        make = _CELLS[cell]
        self.ahead = make(input_size, hidden_size, batch_first=True)
        self.back = (
            make(input_size, hidden_size, batch_first=True) if bidirectional else None
        )

    def forward(self, inputs: Tensor, mirror: Tensor) -> Tensor:
        states, _ = self.ahead(inputs)  # (batch, length, hidden)
        if self.back is None:
            return states
        mirrored = inputs.gather(1, mirror.expand_as(inputs))
        backward, _ = self.back(mirrored)  # (batch, length, hidden)
        backward = backward.gather(1, mirror.expand_as(backward))
        return torch.cat([states, backward], -1)  # (batch, length, 2 * hidden)

    def last(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Return the states after each direction has read its last token."""
        hidden = self.ahead.hidden_size
        ends = (lengths - 1).unsqueeze(-1).expand(-1, 1, hidden)  # (batch, 1, hidden)
        ahead = states[..., :hidden].gather(1, ends).squeeze(1)  # (batch, hidden)
        return torch.cat([ahead, states[:, 0, hidden:]], 1)  # (batch, n_states)


def _mirror(lengths: Tensor, length: int) -> Tensor:
    """Return the places that reverse the real tokens of each row, padding unmoved."""
    places = torch.arange(length, device=lengths.device)  # (length,)
    mirrored = lengths - 1 - places  # (batch, length)
    return torch.where(mirrored < 0, places, mirrored).unsqueeze(-1)
