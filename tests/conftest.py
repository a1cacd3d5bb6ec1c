"""Data and containers that several test files share."""

import os

# The tests compute little at a time: more threads would only wait for each other. numpy
# and torch read this when they are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from skorch.callbacks import Callback

from skreviews import SequenceVectorizer, make_review_pipeline, make_reviews

matplotlib.use("agg")

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)

CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "object ndarray": lambda texts: np.array(texts, dtype=object),
    "U ndarray": np.array,
    "StringDType ndarray": lambda texts: np.array(texts, np.dtypes.StringDType()),
    "object Series": lambda texts: pd.Series(texts, dtype=object),
    "str Series": lambda texts: pd.Series(texts, index=range(7, 7 + len(texts))),
    "category Series": lambda texts: pd.Series(texts, dtype="category"),
    "pyarrow Array": pa.array,
    "pyarrow ChunkedArray": lambda texts: pa.chunked_array([texts[:2], texts[2:]]),
}


@pytest.fixture(params=CONTAINERS, ids=CONTAINERS)
def as_container(request):
    """A function that puts a list of texts into one kind of container."""
    return CONTAINERS[request.param]


@pytest.fixture(scope="session")
def reviews():
    """Generated reviews: texts and labels 1-5."""
    return make_reviews(200, random_state=0)


@pytest.fixture(scope="session")
def ids(reviews):
    """Token ids of the generated reviews, and their labels 1-5."""
    return SequenceVectorizer().fit_transform(reviews[0]), reviews[1]


def _make_small_pipeline(**params):
    small = {
        "lstm__embedding_dim": 8,
        "lstm__hidden_size": 6,
        "lstm__lr": 0.05,
        "lstm__max_epochs": 2,
        "lstm__ngrams__n_buckets": 256,
    }
    if "lstm__ngrams" in params:
        del small["lstm__ngrams__n_buckets"]
    return make_review_pipeline(random_state=0, device="cpu", **(small | params))


@pytest.fixture(scope="session")
def make_small_pipeline():
    """A function that builds a pipeline which trains in a fraction of a second."""
    return _make_small_pipeline


@pytest.fixture(scope="session")
def fitted_pipe(reviews):
    """A small pipeline fitted on the generated reviews, with held-out samples."""
    return _make_small_pipeline(lstm__validation_fraction=0.1).fit(*reviews)


@pytest.fixture
def rows():
    """Padded rows of 1 to 9 tokens."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, 50, (6, 9), generator=generator)
    for row, length in enumerate([9, 1, 4, 7, 2, 9]):
        ids[row, length:] = 0
    return ids


class _StepSpy(Callback):
    def __init__(self, look, seen):
        self.look = look
        self.seen = seen

    def on_grad_computed(self, net, batch, **kwargs):
        self.seen.append(self.look(net, batch))


@pytest.fixture
def spy_on_steps():
    """A function from `look` to a callback and the list of what `look` returns.

    ``look(net, batch)`` is called at each optimizer step, after the gradients.
    """

    def make(look):
        seen = []
        return _StepSpy(look, seen), seen

    return make


@pytest.fixture
def data_folder():
    """The folder with the real data, where there is one."""
    if "SKREVIEWS_DATA" not in os.environ:
        pytest.skip("SKREVIEWS_DATA does not name a folder with the real data")
    return Path(os.environ["SKREVIEWS_DATA"])
