"""Return freed memory to the operating system."""

import ctypes
import platform

import pyarrow as pa


def return_freed_memory():
    """Return to the system the freed memory that Arrow and glibc keep for reuse.

    Both keep more of it the longer a program runs.
    """
    pa.default_memory_pool().release_unused()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
