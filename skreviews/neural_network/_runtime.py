"""How the CPU computes: its threads, tiny numbers and freed memory."""

import ctypes
import os
import platform
from contextlib import contextmanager, nullcontext

import torch

# Parameters of glibc's mallopt, as malloc.h numbers them.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
_MB = 2**20


@contextmanager
def training_settings(device, n_threads):
    """Set how the CPU computes while this device trains, and restore it."""
    with (
        limited_threads(n_threads),
        flushed_denormals(),
        kept_memory() if device.type == "cpu" else nullcontext(),
    ):
        yield


@contextmanager
def limited_threads(n_threads):
    """Let torch use this many threads; None leaves its own number.

    That is the number of cores, or OMP_NUM_THREADS, which joblib sets in its workers.
    """
    before = torch.get_num_threads()
    if n_threads in (None, before):  # nor disturb the fits of other threads
        yield
        return
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def flushed_denormals():
    """Let the calling thread take numbers below 1e-38 for zero.

    They vanish in what they are added to, but an LSTM over long rows makes many, and
    some processors take a hundred times as long for each (pytorch#81634).
    """
    # A thread inherits this from the one that starts it, for good: let torch start its
    # own before. 2 ** 15 numbers are what it gives each.
    torch.zeros(2**15 * torch.get_num_threads()).add_(1)
    # torch has no question for it.
    tiny = torch.tensor(1e-38, dtype=torch.float32, device="cpu")
    flushed_before = (tiny * 0.1).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(flushed_before)


@contextmanager
def kept_memory():
    """Let glibc keep freed memory for the next step instead of giving it back.

    A training step takes and frees some hundred MB. By default glibc returns them to
    the system each time, which then hands out every page anew, filled with zeros: 40 %
    of a step's time on a virtual machine. Afterwards its thresholds are where glibc
    itself moves them as a program frees large blocks, and no longer move. Other
    allocators are left alone, and so is one that was set by MALLOC_TRIM_THRESHOLD_ and
    its kin.
    """
    is_set = any(name.startswith("MALLOC_") for name in os.environ)
    libc = _find_glibc()
    if is_set or libc is None:
        yield
        return
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(_M_MMAP_MAX, 2**16)  # glibc's default
        # Up to here glibc raises these two by itself, until they are set.
        libc.mallopt(_M_MMAP_THRESHOLD, 32 * _MB)
        libc.mallopt(_M_TRIM_THRESHOLD, 64 * _MB)
        libc.malloc_trim(0)


def _find_glibc():
    """Return the C library if it is glibc, else None."""
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
