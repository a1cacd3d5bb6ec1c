"""Files that are whole or not there."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_whole(path, write):
    """Write a file under another name first, so that no half one is left.

    When it has its own it is on the disk.

    Parameters
    ----------
    path : Path
        Where the file goes; one that is there already is replaced at the end.
    write : callable
        Takes the name of a file and fills it.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, suffix="".join(path.suffixes))
    os.close(handle)
    umask = os.umask(0)
    os.umask(umask)
    try:
        write(name)
        os.chmod(name, 0o666 & ~umask)  # a temporary file is its owner's alone
        rename_for_good(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def rename_for_good(name, path):
    """Give a file or a folder its name when what it holds is on the disk.

    After a loss of power either the old one is there or the whole new one.

    Parameters
    ----------
    name : str or Path
        What it is called now, in any folder of the same disk.
    path : Path
        What it is to be called; a file that is there already is replaced.
    """
    if os.path.isfile(name):
        with open(name, "r+b") as file:  # Windows flushes no file that is read only
            os.fsync(file.fileno())
    os.replace(name, path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def check_folder(path):
    """Raise if the folder of a file is not there."""
    if not path.parent.is_dir():
        raise ValueError(f"the folder {path.parent} is not there; make it first.")


def save_page(path, page):
    """Write HTML; a lone surrogate in a text becomes its number."""
    path = Path(path)
    check_folder(path)
    page = page.encode("utf-8", "xmlcharrefreplace")
    write_whole(path, lambda name: Path(name).write_bytes(page))
