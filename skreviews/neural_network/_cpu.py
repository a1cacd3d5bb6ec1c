"""How the CPU computes: its threads, tiny numbers and freed memory."""

import ctypes
import platform
from contextlib import contextmanager

import torch

# Parameters of glibc's mallopt, as malloc.h numbers them.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
_MB = 2**20


@contextmanager
def limited_threads(n_threads):
    """Let torch use this many threads; None leaves its own number.

    That is the number of cores, or OMP_NUM_THREADS, which joblib sets in its workers.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads or before)
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
    # torch has no question for it.
    flushed_before = (torch.tensor(1e-38) * 0.1).item() == 0
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
    of a step's time on a virtual machine. Other allocators are left alone.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(_M_MMAP_MAX, 2**16)  # glibc's default
        # glibc raises these two by itself, up to here, until they are set.
        libc.mallopt(_M_MMAP_THRESHOLD, 32 * _MB)
        libc.mallopt(_M_TRIM_THRESHOLD, 64 * _MB)
        libc.malloc_trim(0)
