"""LanguageModel: what an LSTM has learned from texts without labels."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skreviews.embeddings._word_vectors import WordVectors
from skreviews.neural_network._batches import BucketedBatches, TokenDataset
from skreviews.neural_network._callbacks import make_rate
from skreviews.neural_network._lstm_module import LSTMModule
from skreviews.neural_network._net import clip_gradients
from skreviews.neural_network._optimizer import LazyAdam
from skreviews.neural_network._precision import use_bf16
from skreviews.neural_network._recipe import choose_embedding_dim
from skreviews.preprocessing._texts import to_offsets
from skreviews.preprocessing._token_ids import FIRST_WORD, PADDING, UNKNOWN

# The parameters of the classifier that shape the weights.
_SIZES = ("embedding_dim", "hidden_size", "bidirectional", "cell")
# Texts are read in pieces of this many tokens, side by side: longer ones take more
# steps, one after the other, and the words far back tell little of the next.
_PIECE_LEN = 64


@dataclass(frozen=True, eq=False, repr=False)
class LanguageModel:
    """Word vectors and recurrent weights that have learned to predict words.

    `pretrain` makes it, and `LSTMClassifier` starts from it. It cannot be changed, so
    that nothing needs to copy it: `sklearn.base.clone` and `copy.deepcopy` return the
    same object.

    Parameters
    ----------
    words : tuple of str
        The vocabulary: the word with id ``i`` stands at ``words[i - 2]``.
    table : ndarray of float32 of shape (len(words) + 2, embedding_dim)
        The word vectors, row ``i`` that of id ``i``.
    weights : dict of {str: ndarray of float32}
        Those of the recurrent layer, by the names that torch gives them.
    params : dict
        The parameters of `LSTMClassifier` that these weights are for.
    losses : tuple of float
        The loss of each epoch: the mean negative log-likelihood of a word among those
        of its batch.

    Examples
    --------
    >>> from skreviews import make_review_pipeline, make_reviews, pretrain
    >>> pipe = make_review_pipeline(lstm__embedding_dim=8, lstm__hidden_size=4)
    >>> pipe = pretrain(make_reviews(50, random_state=0)[0], pipe)
    >>> pipe["lstm"].pretrained
    LanguageModel(... words, embedding_dim=8, hidden_size=4, bidirectional=True,
    cell='lstm')
    """

    words: tuple
    table: np.ndarray
    weights: dict
    params: dict
    losses: tuple

    @property
    def dim(self):
        """Size of the word vectors."""
        return self.table.shape[1]

    def align(self, words, random_state=None):
        """Return the word vectors as a table for the ids of a vocabulary.

        Parameters
        ----------
        words : sequence of str
            The word with id ``i`` stands at ``words[i - 2]``.
        random_state : int, numpy Generator or None, default=None
            Seed of the vectors of words that the model does not know.

        Returns
        -------
        table : ndarray of float32 of shape (len(words) + 2, dim)
            As that of `WordVectors.align`, but unknown words have the vector that was
            learned for them.
        """
        known = WordVectors(self.words, self.table[FIRST_WORD:])
        table = known.align(words, random_state)
        table[UNKNOWN] = self.table[UNKNOWN]
        return table

    def check(self, params):
        """Raise if a network with these parameters cannot take the weights.

        Parameters
        ----------
        params : dict
            Parameters of a classifier.
        """
        for name, value in self.params.items():
            if params[name] not in (value, "auto"):
                raise ValueError(
                    f"{name}={params[name]!r}, but the language model in pretrained "
                    f"has learned with {name}={value!r}: set that, or call pretrain "
                    "again."
                )

    def __repr__(self):
        params = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        return f"LanguageModel({len(self.words)} words, {params})"

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


class LanguageModule(nn.Module):
    """Predict each word from those before it, and from those behind it.

    The first layer of an `LSTMModule` reads; each direction predicts from its own
    states. The score of a word is the product with its own vector [1]_. A word competes
    with those of its batch, not with the whole vocabulary [2]_, and the more frequent
    it is, the more seldom it is asked for [3]_.

    Parameters
    ----------
    reader : LSTMModule
    hidden_size : int
        Size of its hidden states.
    shares : Tensor of float32 of shape (n_tokens,)
        Share of each id in the texts.

    References
    ----------
    .. [1] O. Press, L. Wolf, "Using the output embedding to improve language models",
       EACL 2017.
    .. [2] S. Jean, K. Cho, R. Memisevic, Y. Bengio, "On using very large target
       vocabulary for neural machine translation", ACL 2015.
    .. [3] T. Mikolov et al., "Distributed representations of words and phrases and
       their compositionality", NIPS 2013.
    """

    def __init__(self, reader: LSTMModule, hidden_size: int, shares: Tensor):
        super().__init__()
        self.reader = reader
        table = reader.embedding
        self.projection = nn.Linear(hidden_size, table.embedding_dim)
        self.bias = nn.Embedding(table.num_embeddings, 1, sparse=table.sparse)
        nn.init.zeros_(self.bias.weight)
        # Half of a text is the same hundred words, which cost the time and tell little
        # of it: those that are more frequent than the mean are asked for less often.
        chances = (1 / (len(shares) * shares)).sqrt()  # above 1 it is always
        chances[PADDING] = 0
        self.register_buffer("chances", chances)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the mean loss of the words that are asked for.

        Parameters
        ----------
        ids : Tensor of int32 or int64 of shape (batch, length)
            Token ids, each row padded with 0 behind its tokens.

        Returns
        -------
        loss : Tensor of float32 of shape ()
            0 if there is no such word.
        """
        contexts, words = [], []
        for states, read in self.reader.read(ids):
            states, read = states[:-1], read[1:]
            is_asked = torch.rand(read.shape, device=read.device) < self.chances[read]
            contexts.append(states[is_asked])  # (n_words, hidden)
            words.append(read[is_asked])
        candidates, words = torch.cat(words).unique(return_inverse=True)
        vectors = self.projection(torch.cat(contexts))  # (n_words, embedding_dim)
        scores = vectors @ self.reader.embedding(candidates).T
        scores = scores + self.bias(candidates).T  # (n_words, n_candidates)
        losses = F.cross_entropy(scores.float(), words, reduction="sum")
        return losses / max(1, len(words))


def learn_language(
    ids, words, classifier, *, max_epochs, batch_size, lr, device, precision
):
    """Train a language model.

    Parameters
    ----------
    ids : array-like of int of shape (n_samples, max_len)
        Token ids of the texts.
    words : tuple of str
        The word with id ``i`` stands at ``words[i - 2]``.
    classifier : LSTMClassifier
        Says which sizes the layer has.
    max_epochs : int
        Number of passes over the texts.
    batch_size : int
        Number of pieces of texts in a step.
    lr : float
        Peak of Adam's learning rate.
    device : torch.device
    precision : {'auto', 'fp32', 'bf16'}

    Returns
    -------
    model : LanguageModel
    """
    n_tokens = len(words) + FIRST_WORD
    dataset = _cut(TokenDataset.from_rows(ids, n_tokens)).to(device)
    params = {name: getattr(classifier, name) for name in _SIZES}
    params["embedding_dim"] = choose_embedding_dim(classifier.embedding_dim)
    reader = LSTMModule(n_tokens, 1, **params, sparse=device.type != "mps")
    counts = np.bincount(dataset.ids, minlength=n_tokens)
    shares = torch.from_numpy(counts / counts.sum()).float()
    module = LanguageModule(reader, classifier.hidden_size, shares).to(device)
    batches = BucketedBatches(dataset, batch_size)
    optimizer = LazyAdam(module.parameters(), lr)
    rate = make_rate(max_epochs, len(batches))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    bf16 = use_bf16(precision, device, training=True)
    epoch_losses = []
    for epoch in range(max_epochs):
        losses = []
        for inputs, _ in batches:
            optimizer.zero_grad()
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                loss = module(inputs["ids"])
            loss.backward()
            clip_gradients(module)
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
        epoch_losses.append(torch.stack(losses).mean().item())
        if classifier.verbose:
            print(f"Language model, epoch {epoch + 1}: loss {epoch_losses[-1]:.4f}")
    weights = reader.layers[0].state_dict().items()
    return LanguageModel(
        words,
        _to_array(reader.embedding.weight),
        {name: _to_array(weight) for name, weight in weights},
        params,
        tuple(epoch_losses),
    )


def _cut(dataset):
    """Return the dataset of the pieces of the rows, without those of one word."""
    lengths = dataset.lengths
    n_pieces = -(-lengths // _PIECE_LEN)
    pieces = np.full(n_pieces.sum(), _PIECE_LEN)
    pieces[n_pieces.cumsum() - 1] = lengths - (n_pieces - 1) * _PIECE_LEN
    rows = np.flatnonzero(pieces > 1)
    if not len(rows):
        raise ValueError(
            "No text has two words, so that there is nothing to be predicted: look at "
            "what the cleaning left of them."
        )
    return TokenDataset(dataset.ids, to_offsets(pieces)).take(rows)


def _to_array(weight):
    """Return a weight as an array of its own that cannot be changed."""
    array = weight.detach().cpu().numpy().copy()
    array.flags.writeable = False
    return array
