"""Files that are whole or not there."""

import os
import tempfile
from pathlib import Path


def write_whole(path, write):
    """Write a file under another name first, so that no half one is left.

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
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


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
