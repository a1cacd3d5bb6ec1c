"""Datasets of token ids, and the batches made of them."""

import numpy as np
import torch
from torch.utils.data import Dataset

from skreviews.preprocessing._token_ids import PADDING

# Rows of similar length share a batch, so that little of it is padding. Sorting within
# pools of this many batches keeps the order random.
_POOL_BATCHES = 50
# Positions, real or padding, that the net processes at once, which bounds the memory: a
# position takes 12 KB in training by default. More of them are no faster on a CPU.
_TRAINING_POSITIONS = {"cpu": 2**15, "mps": 2**17, "cuda": 2**18}
# In prediction each CPU thread has a batch of its own.
_PREDICTION_POSITIONS = _TRAINING_POSITIONS | {"cpu": 2**13}
# Lengths are rounded up to a multiple of this, and short ones to a smaller multiple:
# oneDNN creates and caches a primitive for every new shape.
_LENGTH_MULTIPLE = 8


class TokenDataset(Dataset):
    """Rows of token ids with labels and weights, as skorch takes them.

    Parameters
    ----------
    rows : TokenRows
    y : ndarray of int64 of shape (n_rows,) or None, default=None
        Labels as codes.
    sample_weight : ndarray of float32 of shape (n_rows,) or None, default=None
        Weights in the loss.
    """

    def __init__(self, rows, y=None, sample_weight=None):
        self.rows = rows
        self.y = y
        self.sample_weight = sample_weight

    def __len__(self):
        return len(self.rows)

    def take(self, selected):
        """Return the dataset of the selected rows, in the given order."""
        return TokenDataset(
            self.rows.take(selected),
            None if self.y is None else self.y[selected],
            None if self.sample_weight is None else self.sample_weight[selected],
        )

    def to(self, device):
        """Move the data to the device that makes the batches; return self."""
        arrays = {
            "ids": self.rows.ids,
            "starts": self.rows.offsets[:-1],
            "lengths": self.rows.lengths,
            "y": self.y,
            "sample_weight": self.sample_weight,
        }
        self._tensors = {
            name: torch.from_numpy(array).to(device)
            for name, array in arrays.items()
            if array is not None
        }
        return self

    @property
    def device(self):
        """Device that makes the batches."""
        return self._tensors["ids"].device

    def __getitems__(self, selected):
        """Return the batch of these rows in skorch's form: inputs and labels."""
        on_device = torch.from_numpy(selected).to(self.device)
        return self._gather(on_device, self.rows.lengths[selected].max())

    def batches(self, groups):
        """Yield the batch of each group of rows, a list of ndarrays.

        The row numbers are moved to the device at once: each transfer to a GPU waits
        for it.
        """
        everything = torch.from_numpy(np.concatenate(groups)).to(self.device)
        on_device = everything.split([len(group) for group in groups])
        for group, selected in zip(groups, on_device, strict=True):
            yield self._gather(selected, self.rows.lengths[group].max())

    def _gather(self, selected, longest):
        tensors = self._tensors
        columns = torch.arange(_round_up(longest), device=selected.device)
        # Positions behind the end of a row may point anywhere: they become padding.
        positions = tensors["starts"][selected, None] + columns
        ids = tensors["ids"][positions.clamp_(max=len(self.rows.ids) - 1)]
        is_padding = columns >= tensors["lengths"][selected, None]
        inputs = {"ids": ids.masked_fill_(is_padding, PADDING)}
        if self.sample_weight is not None:
            inputs["sample_weight"] = tensors["sample_weight"][selected]
        y = torch.zeros(0) if self.y is None else tensors["y"][selected]
        return inputs, y


class BucketedBatches:
    """Batches of rows of similar length, in a new random order each epoch.

    The order is drawn from torch's generator, as in a DataLoader.

    Parameters
    ----------
    dataset : TokenDataset
    batch_size : int
    """

    def __init__(self, dataset, batch_size):
        self.dataset = dataset
        self.batch_size = batch_size

    def __len__(self):
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self):
        return self.dataset.batches(self._shuffle())

    def _shuffle(self):
        random_state = np.random.default_rng(torch.randint(2**62, ()).item())
        rows = random_state.permutation(len(self.dataset))
        lengths = self.dataset.rows.lengths
        pool_size = self.batch_size * _POOL_BATCHES
        batches = []
        for start in range(0, len(rows), pool_size):
            pool = rows[start : start + pool_size]
            pool = pool[np.argsort(lengths[pool], kind="stable")]
            cuts = range(self.batch_size, len(pool), self.batch_size)
            batches += np.split(pool, cuts)
        random_state.shuffle(batches)
        return batches


class SortedBatches:
    """Batches of rows sorted by length, as large as the device processes well.

    Parameters
    ----------
    dataset : TokenDataset
    batch_size : int
        Ignored. skorch passes it, but here a batch has as many rows as fit.
    """

    def __init__(self, dataset, batch_size=None):
        self.dataset = dataset

    def __iter__(self):
        return self.dataset.batches(self.groups())

    def groups(self):
        """Return the rows of each batch, a list of ndarrays."""
        lengths = self.dataset.rows.lengths
        rows = np.argsort(lengths, kind="stable")
        lengths = lengths[rows]
        most = _PREDICTION_POSITIONS[self.dataset.device.type]
        groups = []
        while len(rows):
            # Each row has a token, so there are at most as many rows as positions.
            sizes = _round_up(lengths[:most]) * np.arange(1, min(most, len(rows)) + 1)
            n_rows = max(1, int(np.searchsorted(sizes, most, side="right")))
            if groups or n_rows < len(rows):  # a single group stays whole
                n_rows = _round_down(n_rows)
            groups.append(rows[:n_rows])
            rows, lengths = rows[n_rows:], lengths[n_rows:]
        return groups


def split_batch(inputs, y):
    """Split a training batch into parts that fit into the memory budget.

    Parameters
    ----------
    inputs : dict of {str: Tensor}
    y : Tensor

    Returns
    -------
    parts : list of tuple of (inputs, labels)
        Usually one part, the batch itself.
    """
    n_rows, length = inputs["ids"].shape
    size = max(1, _TRAINING_POSITIONS[inputs["ids"].device.type] // length)
    return [
        (
            {name: tensor[start : start + size] for name, tensor in inputs.items()},
            y[start : start + size],
        )
        for start in range(0, n_rows, size)
    ]


def _round_down(n_rows):
    """Return up to an eighth fewer rows, so that there are fewer shapes."""
    multiple = 2 ** max(0, n_rows.bit_length() - 4)
    return n_rows // multiple * multiple


def _round_up(lengths):
    """Return the lengths to pad to, at most an eighth longer."""
    multiple = np.clip(np.exp2(np.log2(lengths).astype(int) - 3), 1, _LENGTH_MULTIPLE)
    return (np.ceil(lengths / multiple) * multiple).astype(np.int64)
