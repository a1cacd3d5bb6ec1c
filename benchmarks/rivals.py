"""What skreviews is compared with: the floor under its net, and what people write.

All nets have the size that is written here. What lives in another environment stands
in `rival_keras.py` and `rival_fasttext.py`.
"""

import torch
from common import time_call
from rival_nltk import stem_words
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from skorch import NeuralNetClassifier
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from skreviews.neural_network import LSTMModule
from skreviews.neural_network._data import BucketedBatches, TokenDataset

N_WORDS = 30_000
MAX_LEN = 400
EMBEDDING_DIM = 100
HIDDEN_SIZE = 100
BATCH_SIZE = 64
LR = 2e-3


class Floor:
    """The net of skreviews in a bare loop: nothing else can be left out.

    Batches are made before the clock starts, as skreviews makes them: of rows of
    similar length, padded to the longest.
    """

    def __init__(self, n_tokens, n_classes):
        self.module = LSTMModule(n_tokens, n_classes)
        self.optimizer = torch.optim.Adam(self.module.parameters(), lr=LR, fused=True)

    def time_fit(self, ids, y, epochs=1):
        batches = [make_batches(ids, y) for _ in range(epochs)]
        return time_call(lambda: [self.train(epoch) for epoch in batches])

    def time_predict(self, ids, batch_size):
        rows = (ids != 0).sum(axis=1).argsort(kind="stable")
        return time_call(self.predict, make_batches(ids[rows], None, batch_size))

    def train(self, batches):
        self.module.train()
        for inputs, y in batches:
            self.optimizer.zero_grad()
            nn.functional.cross_entropy(self.module(**inputs), y).backward()
            nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
            self.optimizer.step()

    @torch.inference_mode()
    def predict(self, batches):
        self.module.eval()
        return [self.module(**inputs).softmax(1) for inputs, _ in batches]


def make_batches(ids, y=None, batch_size=BATCH_SIZE):
    """Return the padded batches: shuffled by length to train, in order to predict."""
    dataset = TokenDataset.from_rows(ids, N_WORDS + 2)
    dataset.y = y
    return list(BucketedBatches(dataset, batch_size, shuffle=y is not None))


class PaddedLSTM(nn.Module):
    """The net as it is written mostly, for rows that are all padded to one length."""

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


def fit_by_hand(texts, y):
    """Train for one epoch, from raw texts, the way of the tutorials."""
    reviews = [stem_words(text) for text in texts]
    vocabulary = {}
    for review in reviews:
        for word in review:
            vocabulary.setdefault(word, len(vocabulary) + 1)
    ids = torch.zeros(len(reviews), MAX_LEN, dtype=torch.long)
    for row, review in enumerate(reviews):
        known = [vocabulary[word] for word in review[:MAX_LEN]]
        ids[row, : len(known)] = torch.tensor(known)
    module = PaddedLSTM(len(vocabulary) + 1, int(y.max()) + 1, pooling="last")
    optimizer = torch.optim.Adam(module.parameters(), lr=LR)
    dataset = TensorDataset(ids, torch.from_numpy(y))
    for batch, target in DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(batch), target).backward()
        optimizer.step()


def make_tfidf():
    return make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=10, max_iter=1000),
    )
