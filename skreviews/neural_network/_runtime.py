"""Device, random generators, threads, denormals and memory of a fit."""

import ctypes
import os
import platform
import warnings
from contextlib import contextmanager, nullcontext
from numbers import Integral

import numpy as np
import torch
from sklearn.utils import check_random_state

# Parameters of glibc's mallopt, as malloc.h numbers them.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
_MB = 2**20


def find_device(device, or_cpu=False):
    """Return the torch device of this name.

    Parameters
    ----------
    device : str
        'auto' is CUDA if available, else MPS, else the CPU.
    or_cpu : bool, default=False
        Whether to fall back to the CPU, with a warning, if this machine lacks it.

    Returns
    -------
    device : torch.device

    Raises
    ------
    ValueError
        If the name is unknown, or if this machine lacks the device.
    """
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
            f"device={device!r} is not available on this machine: the CPU is used.",
            UserWarning,
            stacklevel=3,
        )
        return torch.device("cpu")
    raise ValueError(
        f"device={device!r} is not available on this machine; pass device='auto' or "
        "'cpu'."
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
    # torch.manual_seed would seed every device, and only these are restored.
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


@contextmanager
def limited_threads(n_threads):
    """Let torch use this many CPU threads, and restore its number."""
    before = torch.get_num_threads()
    if n_threads == before:  # do not disturb the fits of other threads
        yield
        return
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def flushed_denormals():
    """Let the calling thread round numbers below 1e-38 to zero.

    An LSTM produces many of them on long rows, and some processors take a hundred times
    as long for each (pytorch#81634).
    """
    # A thread inherits the setting from its parent for good, so torch starts its own
    # threads first; it gives each 2 ** 15 numbers.
    torch.zeros(2**15 * torch.get_num_threads()).add_(1)
    # torch has no getter for the setting.
    tiny = torch.tensor(1e-38, dtype=torch.float32, device="cpu")
    flushed_before = (tiny * 0.1).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(flushed_before)


@contextmanager
def training_settings(device):
    """Set how the CPU computes while this device trains, and restore it."""
    memory = kept_memory() if device.type == "cpu" else nullcontext()
    with flushed_denormals(), memory:
        yield


@contextmanager
def kept_memory():
    """Let glibc keep freed memory for the next optimizer step.

    A step allocates and frees some hundred MB. By default glibc returns them to the
    system each time, which then clears every page again: training on long texts takes
    1.7 times as long (see benchmarks/results/training.md). Other allocators, and one
    that is configured by MALLOC_TRIM_THRESHOLD_ and its kin, are left alone.
    """
    is_configured = any(name.startswith("MALLOC_") for name in os.environ)
    if is_configured or platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(_M_MMAP_MAX, 2**16)  # glibc's default
        # glibc raises these two up to these values by itself, until they are set.
        libc.mallopt(_M_MMAP_THRESHOLD, 32 * _MB)
        libc.mallopt(_M_TRIM_THRESHOLD, 64 * _MB)
        libc.malloc_trim(0)
