"""Token ids without their padding, and the batches made of them."""

import numpy as np
import torch
from torch.utils.data import Dataset

from skreviews.preprocessing._texts import to_offsets
from skreviews.preprocessing._token_ids import PADDING, UNKNOWN

# Rows of similar length share a batch, so that little of it is padding. Sorting within
# pools of this many batches keeps the order random from one epoch to the next.
_POOL_BATCHES = 50
# Places for tokens, real or padding, that the net takes at once, so that long reviews
# do not exhaust the memory: a place takes 12 KB in training by default. More of them
# run no faster on a CPU; a GPU has more to fill.
_TRAINING_PLACES = {"cpu": 2**15, "mps": 2**17, "cuda": 2**18}
# In prediction each CPU thread has a batch of its own.
_PREDICTION_PLACES = _TRAINING_PLACES | {"cpu": 2**13}
# Whole-number weights repeat rows; beyond this many times the rows they weigh the loss.
_MAX_REPETITION = 10
# Lengths are rounded up to a multiple of this, short ones of less: oneDNN makes and
# keeps a primitive for every new shape.
_LENGTH_MULTIPLE = 8


class TokenDataset(Dataset):
    """Rows of token ids of different lengths, with labels and weights.

    Parameters
    ----------
    ids : ndarray of int32 of shape (n_tokens,)
        The ids of all rows, one after the other, without padding.
    offsets : ndarray of int64 of shape (n_rows + 1,)
        Row `i` has the ids ``ids[offsets[i]:offsets[i + 1]]``, at least one.
    y : ndarray of int64 of shape (n_rows,) or None
        Codes of the labels.
    sample_weight : ndarray of float32 of shape (n_rows,) or None
        Weights in the loss, 1 on average.
    """

    def __init__(self, ids, offsets, y=None, sample_weight=None):
        self.ids = ids
        self.offsets = offsets
        self.lengths = np.diff(offsets)
        self.y = y
        self.sample_weight = sample_weight

    def to(self, device):
        """Lay the rows where the batches are made of them; return self."""
        arrays = {
            "ids": self.ids,
            "starts": self.offsets[:-1],
            "lengths": self.lengths,
            "y": self.y,
            "sample_weight": self.sample_weight,
        }
        self._tensors = {
            name: torch.from_numpy(array).to(device)
            for name, array in arrays.items()
            if array is not None
        }
        return self

    @classmethod
    def from_rows(cls, X, n_tokens):
        """Take padded rows; zeros are left out wherever they stand.

        Ids from `n_tokens` on count as unknown, and so does a row without tokens.
        """
        X = np.asarray(X)
        real = X != PADDING
        lengths = real.sum(axis=1)
        ids = X[real]
        ids = np.where(ids < n_tokens, ids, UNKNOWN).astype(np.int32)
        empty = lengths == 0
        if empty.any():
            ids = np.insert(ids, to_offsets(lengths)[:-1][empty], UNKNOWN)
            lengths = np.maximum(lengths, 1)
        return cls(ids, to_offsets(lengths))

    def __len__(self):
        return len(self.offsets) - 1

    def __getitems__(self, rows):
        """Return the batch of these rows, as skorch wants it: inputs and labels."""
        rows_on_device = torch.from_numpy(rows).to(self.device)
        return self._gather(rows_on_device, self.lengths[rows].max())

    def batches(self, groups):
        """Yield the batch of each group of rows, a list of ndarrays.

        The rows go to the device all at once: to send a GPU something at each step is
        to wait for it.
        """
        all_rows = torch.from_numpy(np.concatenate(groups)).to(self.device)
        on_device = all_rows.split([len(rows) for rows in groups])
        for rows, rows_on_device in zip(groups, on_device, strict=True):
            yield self._gather(rows_on_device, self.lengths[rows].max())

    def _gather(self, rows, longest):
        tensors = self._tensors
        columns = torch.arange(_round_up(longest), device=rows.device)
        # Beyond a row's end any place serves: it becomes padding.
        places = tensors["starts"][rows, None] + columns
        ids = tensors["ids"][places.clamp_(max=len(self.ids) - 1)]
        is_padding = columns >= tensors["lengths"][rows, None]
        inputs = {"ids": ids.masked_fill_(is_padding, PADDING)}
        if self.sample_weight is not None:
            inputs["sample_weight"] = tensors["sample_weight"][rows]
        y = torch.zeros(0) if self.y is None else tensors["y"][rows]
        return inputs, y

    @property
    def device(self):
        """Where the batches are made."""
        return self._tensors["ids"].device

    def take(self, rows):
        """Return the dataset of these rows, in this order."""
        lengths = self.lengths[rows]
        offsets = to_offsets(lengths)
        shifts = np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return TokenDataset(
            self.ids[np.arange(offsets[-1]) + shifts],
            offsets,
            None if self.y is None else self.y[rows],
            None if self.sample_weight is None else self.sample_weight[rows],
        )

    def fingerprints(self):
        """Return one number for each row that equal rows share, ndarray of uint64.

        Different rows share one with a probability of 2 ** -64 for each pair.
        """
        # Odd multipliers, one for each column, drawn from a fixed stream.
        stream = np.random.Generator(np.random.PCG64(0))
        lengths = self.lengths
        factors = stream.integers(2**63, size=lengths.max(), dtype=np.uint64) * 2 + 1
        columns = np.arange(len(self.ids)) - np.repeat(self.offsets[:-1], lengths)
        products = (self.ids.astype(np.uint64) + np.uint64(1)) * factors[columns]
        return np.add.reduceat(products, self.offsets[:-1])


def make_dataset(ids, n_tokens, codes, weights):
    """Return the rows in an order that does not depend on the given one."""
    dataset = TokenDataset.from_rows(ids, n_tokens)
    dataset.y = codes
    rows = np.arange(len(dataset))
    if weights is not None:
        whole = np.all(weights == np.floor(weights))
        if whole and weights.sum() <= _MAX_REPETITION * len(rows):
            rows = rows.repeat(weights.astype(int))
        else:
            dataset.sample_weight = weights
            rows = rows[weights > 0]
    keys = [dataset.y, dataset.fingerprints()]
    if dataset.sample_weight is not None:
        keys.insert(0, dataset.sample_weight)
    return dataset.take(rows[np.lexsort([key[rows] for key in keys])])


def hold_out(dataset, fraction, random_state):
    """Return a training and a validation dataset, split by distinct row in each class.

    The validation dataset is None if there is no row to hold out.
    """
    held_out = draw_held_out(dataset, fraction, random_state)
    if not held_out.any():
        return dataset, None
    return [dataset.take(np.flatnonzero(part)) for part in (~held_out, held_out)]


def draw_held_out(dataset, fraction, random_state):
    """Mark this share of the distinct rows of each class.

    Equal rows stay together, and one distinct row of each class trains at least.

    Returns
    -------
    held_out : ndarray of bool of shape (n_rows,)
    """
    # The same text may have several labels: the rarest of them is the group's.
    order = np.argsort(np.bincount(dataset.y)[dataset.y], kind="stable")
    _, first, inverse = np.unique(
        dataset.fingerprints()[order], return_index=True, return_inverse=True
    )
    groups = np.empty_like(inverse)
    groups[order] = inverse
    group_codes = dataset.y[order][first]
    held_out = np.zeros(len(first), dtype=bool)
    for code in np.unique(group_codes):
        members = random_state.permutation(np.flatnonzero(group_codes == code))
        n_held_out = min(int(np.ceil(fraction * len(members))), len(members) - 1)
        held_out[members[:n_held_out]] = True
    for code in np.setdiff1d(dataset.y, dataset.y[~held_out[groups]]):
        held_out[groups[dataset.y == code][0]] = False
    return held_out[groups]


class BucketedBatches:
    """Batches of rows of similar length, in a new random order for each epoch.

    The order is drawn from torch's generator, as a DataLoader's is.

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
        lengths = self.dataset.lengths
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
    """Batches of rows sorted by length, as large as the device takes well.

    Parameters
    ----------
    dataset : TokenDataset
    batch_size : int
        skorch passes it; here a batch has as many rows as fit.
    max_tokens : int or None, default=None
        Most tokens of a row that the net has to find room for.
    """

    def __init__(self, dataset, batch_size=None, max_tokens=None):
        self.dataset = dataset
        self.max_tokens = max_tokens

    def __iter__(self):
        return self.dataset.batches(self.groups())

    def groups(self):
        """Return the rows of each batch, a list of ndarrays."""
        rows = np.argsort(self.dataset.lengths, kind="stable")
        lengths = self.dataset.lengths[rows].clip(max=self.max_tokens)
        most = _PREDICTION_PLACES[self.dataset.device.type]
        groups = []
        while len(rows):
            # No more rows than places, as each has a token.
            places = _round_up(lengths[:most]) * np.arange(1, min(most, len(rows)) + 1)
            n_rows = max(1, int(np.searchsorted(places, most, side="right")))
            if groups or n_rows < len(rows):  # one group alone stays one
                n_rows = _round_down(n_rows)
            groups.append(rows[:n_rows])
            rows, lengths = rows[n_rows:], lengths[n_rows:]
        return groups


def split_batch(inputs, y, max_tokens=None):
    """Split a training batch into parts that the device takes at once.

    Parameters
    ----------
    inputs : dict of {str: Tensor}
    y : Tensor
    max_tokens : int or None, default=None
        Most tokens of a row that the net has to find room for.

    Returns
    -------
    parts : list of tuple
        Of inputs and labels; mostly the batch itself is the only one.
    """
    n_rows, length = inputs["ids"].shape
    length = min(length, max_tokens or length)
    size = max(1, _TRAINING_PLACES[inputs["ids"].device.type] // length)
    return [
        (
            {name: tensor[start : start + size] for name, tensor in inputs.items()},
            y[start : start + size],
        )
        for start in range(0, n_rows, size)
    ]


def _round_down(n_rows):
    """Return as many rows or up to an eighth less: fewer shapes, see above."""
    multiple = 2 ** max(0, n_rows.bit_length() - 4)
    return n_rows // multiple * multiple


def _round_up(lengths):
    """Return the lengths to pad to: at most an eighth longer."""
    multiple = np.clip(np.exp2(np.log2(lengths).astype(int) - 3), 1, _LENGTH_MULTIPLE)
    return (np.ceil(lengths / multiple) * multiple).astype(np.int64)
