"""Write files atomically: a name never stands for an incomplete file."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_whole(path, write, temporary=None):
    """Write a file atomically and flush it to the disk.

    Parameters
    ----------
    path : Path
        The file. An existing one is replaced at the end.
    write : callable
        Called with the name of a temporary file, which it fills.
    temporary : Path or None, default=None
        The temporary file, in a folder of the same disk. A fixed name lets the next
        run overwrite what a killed process left. None takes a new name beside `path`.
    """
    if temporary is None:
        handle, temporary = tempfile.mkstemp(
            dir=path.parent, suffix="".join(path.suffixes)
        )
        os.close(handle)
    try:
        write(temporary)
        umask = os.umask(0)
        os.umask(umask)
        # mkstemp, and safetensors, give access to the owner only.
        os.chmod(temporary, 0o666 & ~umask)
        rename_for_good(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def rename_for_good(name, path):
    """Rename a file or a folder after flushing the file to the disk.

    After a power failure `path` is either the previous file or the complete new one.

    Parameters
    ----------
    name : str or Path
        The current name, on the same disk as `path`.
    path : Path
        The new name. An existing file is replaced.
    """
    if os.path.isfile(name):
        with open(name, "r+b") as file:  # Windows cannot flush a read-only file
            os.fsync(file.fileno())
    os.replace(name, path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def check_folder(path):
    """Raise if the folder of a file does not exist."""
    if not path.parent.is_dir():
        raise ValueError(f"the folder {path.parent} does not exist; create it first.")


def save_page(path, page):
    """Write HTML; a lone surrogate in a text becomes a character reference."""
    path = Path(path)
    check_folder(path)
    page = page.encode("utf-8", "xmlcharrefreplace")
    write_whole(path, lambda name: Path(name).write_bytes(page))
