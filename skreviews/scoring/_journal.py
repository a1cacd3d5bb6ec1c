"""The journal of a run: what is done stays done, whenever the run is killed.

Beside the target `scored.csv` stands the folder `scored.csv.journal` while the job is
not finished. It holds the parts, each written under another name, flushed to the disk
and only then given its own, and `journal.jsonl`, a line for each part behind a line
that says which job it is. A line counts when it is whole; a part counts when it has a
line. In the end the parts become the target, in one step, and the folder goes.
"""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

from skreviews._atomic import rename_for_good

_JOURNAL = "journal.jsonl"


class Journal:
    """Parts of a target that are whole, and the job that they are of.

    Parameters
    ----------
    target : Path
    job : dict
        What the parts depend on: for JSON.
    resume : bool
        Go on behind the parts that are there; else they are thrown away.
    is_folder : bool
        The parts are the target.
    suffix : str
        Of the parts.

    Attributes
    ----------
    parts : list of dict
        What was noted of each part.
    is_finished : bool
        A run of the same job made the target and was killed while it tidied up.
    """

    def __init__(self, target, job, resume, is_folder, suffix):
        self.target = target
        self.folder = target.with_name(f"{target.name}.journal")
        self.is_folder = is_folder
        self.suffix = suffix
        self.is_finished = False
        self.parts = []
        self._check_place()
        self.folder.mkdir(exist_ok=True)
        self._file = (self.folder / _JOURNAL).open("a+b")
        try:
            _lock(self._file, self.folder)
            self._open(job, resume)
        except BaseException:
            self.close()
            raise

    def add(self, data, notes):
        """Keep a part for good."""
        path = self._path(len(self.parts))
        _write(path, lambda file: file.write(data))
        notes = {"part": len(self.parts), "bytes": len(data), **notes}
        self._note(notes)
        self.parts.append(notes)

    def finish(self, join):
        """Make the target of the parts, and forget them."""
        paths = [self._path(number) for number in range(len(self.parts))]
        if self.is_folder:
            if not paths:
                _write(self._path(0), lambda file: join([], file))
            whole = self._parts_folder
            done = {}
        else:
            whole = self.folder / f"whole{self.suffix}"
            _write(whole, lambda file: join(paths, file))
            done = _identify(whole)
        self._note({"made": done})
        if self._is_taken():  # by now
            self._refuse()
        rename_for_good(whole, self.target)
        self._remove()

    def close(self):
        self._file.close()

    @property
    def _parts_folder(self):
        return self.folder / "parts"

    def _path(self, number):
        return self._parts_folder / f"part-{number:06d}{self.suffix}"

    def _is_taken(self):
        if self.is_folder and self.target.is_dir():
            return any(self.target.iterdir())
        return os.path.lexists(self.target)

    def _check_place(self):
        names = set()
        if self.folder.exists():
            names = {path.name for path in self.folder.iterdir()}
        if names and _JOURNAL not in names:
            raise ValueError(
                f"{self.folder} is there already, and is no journal of a run: the "
                "parts of the target would go there. Move it away."
            )
        if self._is_taken() and not names:
            self._refuse()

    def _refuse(self):
        raise ValueError(
            f"{self.target} is there already, and is not overwritten: delete it or "
            "choose another name."
        )

    def _open(self, job, resume):
        job = json.loads(json.dumps(job))  # tuples become lists
        lines = self._read_lines()
        before, notes = lines[0] if lines else None, lines[1:]
        made = [note["made"] for note in notes if "made" in note]
        if self._is_taken():
            self._check_made(before == job, made)
            self.is_finished = True
            self.parts = [note for note in notes if "part" in note]
            self._remove()
            return
        if before is not None and resume:
            if not job["source"]:
                raise ValueError(
                    f"{self.folder} holds the parts of an unfinished run, and standard "
                    "input cannot be taken up again. To start anew, pass resume=False "
                    "or delete that folder."
                )
            _check_same(before, job, self.folder)
            self._keep_parts(notes)
        else:
            shutil.rmtree(self._parts_folder, ignore_errors=True)
        self._parts_folder.mkdir(exist_ok=True)
        self._rewrite([job, *self.parts])

    def _read_lines(self):
        """Return what the whole lines say, up to one that was broken off."""
        self._file.seek(0)
        lines = []
        for line in self._file:
            with suppress(ValueError):
                if line.endswith(b"\n"):
                    lines.append(json.loads(line))
                    continue
            break
        return lines

    def _check_made(self, is_same_job, made):
        is_ours = bool(made) and is_same_job
        if self.is_folder:
            is_ours = is_ours and not self._parts_folder.exists()
        else:
            is_ours = is_ours and _identify(self.target) in made
        if not is_ours:
            raise ValueError(
                f"{self.target} is there already, and is not what the run of the "
                f"journal {self.folder} has made. It is not overwritten: move one of "
                "them away."
            )

    def _keep_parts(self, notes):
        """Count the parts that the journal knows and that are there, up to a gap."""
        for note in notes:
            if note.get("part") != len(self.parts):
                continue
            path = self._path(note["part"])
            if not path.is_file() or path.stat().st_size != note["bytes"]:
                break
            self.parts.append(note)

    def _rewrite(self, lines):
        """Leave out lines of parts that do not count."""
        path = self.folder / _JOURNAL
        data = b"".join(map(_to_line, lines))
        if path.read_bytes() == data:
            return
        _write(path, lambda file: file.write(data))
        self._file.close()
        self._file = path.open("a+b")
        _lock(self._file, self.folder)

    def _note(self, notes):
        self._file.write(_to_line(notes))
        self._file.flush()
        os.fsync(self._file.fileno())

    def _remove(self):
        shutil.rmtree(self._parts_folder, ignore_errors=True)
        for path in self.folder.glob("whole*"):
            path.unlink()
        self.close()
        # Last, as it says what the target is.
        (self.folder / _JOURNAL).unlink()
        with suppress(OSError):  # something else is there that is not ours
            self.folder.rmdir()


def _check_same(before, job, folder):
    for name, value in job.items():
        if before.get(name) != value:
            raise ValueError(
                f"{folder} holds the parts of an unfinished run, and the {name} "
                f"changed: {_differ(before.get(name), value)}. To start anew, pass "
                "resume=False or delete that folder."
            )


def _differ(old, new):
    """Return what is not the same, as short as may be."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return next(_differ(a, b) for a, b in zip(old, new, strict=True) if a != b)
    if isinstance(old, dict) and isinstance(new, dict):
        name = next(key for key in new if old.get(key) != new[key])
        where = f" of {new['file']}" if name != "file" and "file" in new else ""
        return f"{name}{where} was {old.get(name)!r} and is {new[name]!r}"
    return f"it was {old!r} and is {new!r}"


def _write(path, fill):
    """Write a file that is whole, and on the disk, before it has its name.

    The other name is always the same: what a killed run has left is written over.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            fill(file)
        rename_for_good(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _lock(file, folder):
    """Keep a second run out, as long as this process lives."""
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(
            f"another run is writing to {folder}: wait for its end, or end it."
        ) from None


def _identify(path):
    stat = Path(path).stat()
    return {"size": stat.st_size, "modified": stat.st_mtime_ns}


def _to_line(notes):
    return json.dumps(notes).encode() + b"\n"
