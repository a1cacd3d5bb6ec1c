"""Alternatives that skreviews is compared with.

All networks have the sizes in this file. Alternatives in other environments are in
`rival_keras.py` and `rival_fasttext.py`.
"""

from contextlib import nullcontext
from functools import partial

import numpy as np
import torch
from common import time_call
from rival_nltk import stem_words
from skorch import NeuralNetClassifier
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from skreviews import (
    LSTMClassifier,
    NgramClassifier,
    SequenceVectorizer,
    TextCleaner,
)
from skreviews.neural_network._precision import find_precision
from skreviews.neural_network._runtime import flushed_denormals, kept_memory

EMBEDDING_DIM = HIDDEN_SIZE = 100
BATCH_SIZE = 64
LR = 2e-3
POOL_SIZE = 50 * BATCH_SIZE  # rows sorted by length together
SIZE = {
    "n_words": 30_000,
    "max_len": 400,
    "embedding_dim": EMBEDDING_DIM,
    "hidden_size": HIDDEN_SIZE,
    "batch_size": BATCH_SIZE,
}


def make_classifier(max_epochs=1, **params):
    """Return a classifier with the same network as the others."""
    return LSTMClassifier(
        embedding_dim=EMBEDDING_DIM,
        hidden_size=HIDDEN_SIZE,
        max_epochs=max_epochs,
        batch_size=BATCH_SIZE,
        lr=LR,
        device="cpu",
        random_state=0,
        **params,
    )


def make_text_path(texts):
    """Return a function from texts to ids, with the vocabulary of these texts."""
    cleaner = TextCleaner()
    vectorizer = SequenceVectorizer(
        max_len=SIZE["max_len"], max_features=SIZE["n_words"]
    )
    vectorizer.fit(cleaner.transform(texts))
    return lambda texts: vectorizer.transform(cleaner.transform(texts))


def make_variants():
    """Return the parameters of each row of skreviews."""
    variants = [("precision", name) for name in find_precisions()]
    variants.append(("ngrams", NgramClassifier()))
    named = {f"skreviews, {name}={value}": {name: value} for name, value in variants}
    return {"skreviews": {}} | named


def find_precisions():
    """Return the precisions of this processor."""
    try:
        find_precision("bf16", torch.device("cpu"))
    except ValueError:
        return ["fp32"]
    return ["fp32", "bf16"]


def name_floor(precision):
    return f"bare net, {precision}"


class Floor:
    """The network of skreviews in a plain loop, over batches prepared before.

    With `keep_memory` it uses the memory settings of `LSTMClassifier.fit`.
    """

    def __init__(self, module, precision="fp32", keep_memory=True):
        self.module = module
        self.optimizer = torch.optim.Adam(module.parameters(), lr=LR, fused=True)
        self.keep_memory = kept_memory if keep_memory else nullcontext
        self.cast = partial(
            torch.autocast, "cpu", torch.bfloat16, enabled=precision == "bf16"
        )

    def time_fit(self, ids, y, epochs=1):
        batches = [batch for _ in range(epochs) for batch in make_batches(ids, y)]
        return time_call(self.train, batches)

    def train(self, batches):
        self.module.train()
        with flushed_denormals(), self.keep_memory():
            for ids, y in batches:
                self.optimizer.zero_grad()
                with self.cast():
                    outputs = self.module(ids)
                nn.functional.cross_entropy(outputs.float(), y).backward()
                nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
                self.optimizer.step()

    def predict(self, batches):
        self.module.eval()
        with flushed_denormals(), torch.inference_mode(), self.cast():
            return [self.module(ids).argmax(1) for ids in batches]


def make_batches(ids, y):
    """Return the batches of an epoch: rows of similar length, in random order."""
    rng = np.random.default_rng(0)
    lengths = np.count_nonzero(ids, axis=1)
    rows = rng.permutation(len(ids))
    batches = []
    for start in range(0, len(rows), POOL_SIZE):
        pool = rows[start : start + POOL_SIZE]
        pool = pool[lengths[pool].argsort(kind="stable")]
        batches += np.split(pool, range(BATCH_SIZE, len(pool), BATCH_SIZE))
    rng.shuffle(batches)
    y = torch.from_numpy(y)
    return [(_cut(ids[batch]), y[batch]) for batch in batches]


def make_sorted_batches(ids, batch_size):
    """Return the batches for prediction: the rows sorted by length."""
    ids = ids[np.count_nonzero(ids, axis=1).argsort(kind="stable")]
    starts = range(0, len(ids), batch_size)
    return [_cut(ids[start : start + batch_size]) for start in starts]


def _cut(ids):
    """Return the rows as a tensor, without columns of padding only.

    The length is rounded up, long ones to a multiple of 8: oneDNN keeps a primitive
    for every shape.
    """
    longest = max(1, int(np.count_nonzero(ids, axis=1).max()))
    multiple = min(8, 2 ** max(0, longest.bit_length() - 4))
    longest = -(-longest // multiple) * multiple
    return torch.from_numpy(np.array(ids[:, :longest]))


class PaddedLSTM(nn.Module):
    """A common implementation of the network, for rows padded to one length."""

    def __init__(self, n_tokens, n_classes, pooling):
        super().__init__()
        self.pooling = pooling
        self.embedding = nn.Embedding(n_tokens, EMBEDDING_DIM, padding_idx=0)
        self.lstm = nn.LSTM(
            EMBEDDING_DIM, HIDDEN_SIZE, batch_first=True, bidirectional=True
        )
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(2 * HIDDEN_SIZE, n_classes)

    def forward(self, ids):
        states, (last, _) = self.lstm(self.embedding(ids))
        if self.pooling == "max":
            pooled = states.masked_fill((ids == 0).unsqueeze(-1), -torch.inf).amax(1)
        else:
            pooled = torch.cat([last[0], last[1]], 1)
        return self.head(self.dropout(pooled))


def make_skorch(n_tokens, n_classes):
    return NeuralNetClassifier(
        PaddedLSTM,
        module__n_tokens=n_tokens,
        module__n_classes=n_classes,
        module__pooling="max",
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=LR,
        max_epochs=1,
        batch_size=BATCH_SIZE,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


def count_stems(texts):
    """Return the number of distinct stems of the texts."""
    stemmed = TextCleaner(stemmer="porter").transform(texts)
    vectorizer = SequenceVectorizer(max_features=None, min_df=1).fit(stemmed)
    return len(vectorizer.vocabulary_)


def fit_by_hand(texts, y, n_words):
    """Train for one epoch from raw texts, as tutorials do.

    The table has room for `n_words`, those of the whole data set: a part of its texts
    holds fewer, and would spare Adam most of its work.
    """
    reviews = [stem_words(text) for text in texts]
    vocabulary = {}
    for review in reviews:
        for word in review:
            vocabulary.setdefault(word, len(vocabulary) + 1)
    ids = torch.zeros(len(reviews), SIZE["max_len"], dtype=torch.long)
    for row, review in enumerate(reviews):
        known = [vocabulary[word] for word in review[: SIZE["max_len"]]]
        ids[row, : len(known)] = torch.tensor(known)
    n_words = max(n_words, len(vocabulary))
    module = PaddedLSTM(n_words + 1, int(y.max()) + 1, pooling="last")
    optimizer = torch.optim.Adam(module.parameters(), lr=LR)
    dataset = TensorDataset(ids, torch.from_numpy(y))
    for batch, target in DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(batch), target).backward()
        optimizer.step()
