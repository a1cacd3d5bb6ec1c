"""Where to compute, and with which random numbers."""

import warnings
from contextlib import contextmanager
from numbers import Integral

import numpy as np
import torch
from sklearn.utils import check_random_state


def find_device(device, or_cpu=False):
    """Return the torch device of this name, if this machine has it."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError:
        found = None
    if found is None or found.type not in ("cpu", "cuda", "mps"):
        raise ValueError(
            f"device={device!r} is unknown; pass 'auto', 'cpu', 'cuda', 'cuda:0' or "
            "'mps'."
        )
    if _is_available(found):
        return found
    if or_cpu:
        warnings.warn(
            f"device={device!r} is not on this machine: the CPU is used.",
            UserWarning,
            stacklevel=3,
        )
        return torch.device("cpu")
    raise ValueError(
        f"device={device!r} is not on this machine; pass device='auto' or 'cpu'."
    )


def _is_available(device):
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    return device.type == "cpu" or torch.backends.mps.is_available()


@contextmanager
def seeded(random_state, device, n_epochs=0):
    """Seed torch, yield a numpy Generator, and restore torch's generators."""
    if not isinstance(random_state, Integral):
        random_state = check_random_state(random_state).randint(2**31 - 1)
    sequence = np.random.SeedSequence([int(random_state), n_epochs])
    seed = int(sequence.generate_state(1)[0])
    mps_state = torch.mps.get_rng_state() if device.type == "mps" else None
    cuda = [device] if device.type == "cuda" else []
    # Not torch.manual_seed: it seeds every device, and only these are restored.
    with torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        elif device.type == "mps":
            torch.mps.manual_seed(seed)
        try:
            yield np.random.default_rng(sequence)
        finally:
            if mps_state is not None:
                torch.mps.set_rng_state(mps_state)
