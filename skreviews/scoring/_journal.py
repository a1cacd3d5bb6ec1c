"""Journal: keeps the finished parts of a run, so that a killed run can resume.

While a run is unfinished, the folder `scored.csv.journal` stands beside its target
`scored.csv`. It holds the parts, each written atomically, and `journal.jsonl`: a line
that identifies the job, then a line for each part. A part counts when its line is
complete. In the end the parts become the target in one step, and the folder is removed.
"""

import json
import os
import shutil
from contextlib import suppress

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

from skreviews._atomic import rename_for_good, write_whole
from skreviews.io._source import identify

_JOURNAL = "journal.jsonl"
_REMEDY = "To start anew, pass resume=False or delete that folder."


class Journal:
    """The finished parts of a target, and the job that they belong to.

    Parameters
    ----------
    target : Path
    job : dict
        What the parts depend on, as values for JSON.
    resume : bool
        Whether to continue after the existing parts or to delete them.
    is_folder : bool
        Whether the target is the folder of the parts.
    suffix : str
        Suffix of the parts.

    Attributes
    ----------
    parts : list of dict
        The notes of each part.
    is_finished : bool
        Whether a run of the same job made the target and was killed while it removed
        its journal.
    """

    def __init__(self, target, job, resume, is_folder, suffix):
        self.target = target
        self.folder = target.with_name(f"{target.name}.journal")
        self.is_folder = is_folder
        self.suffix = suffix
        self.is_finished = False
        self.parts = []
        self._parts_folder = self.folder / "parts"
        self._check_folder()
        self.folder.mkdir(exist_ok=True)
        self._file = (self.folder / _JOURNAL).open("a+b")
        try:
            self._lock()
            self._open(json.loads(json.dumps(job)), resume)  # tuples become lists
        except BaseException:
            self.close()
            raise

    def add(self, data, notes):
        """Store a part permanently."""
        self._write(self._path(len(self.parts)), data)
        notes = {"part": len(self.parts), "bytes": len(data), **notes}
        self._note(notes)
        self.parts.append(notes)

    def finish(self, join):
        """Make the target of the parts, and remove the journal."""
        paths = [self._path(number) for number in range(len(self.parts))]
        if self.is_folder:
            complete, made = self._parts_folder, {}
            if not paths:
                empty = self._path(0)
                write_whole(empty, lambda name: join([], name), self._temporary)
        else:
            complete = self.folder / f"complete{self.suffix}"
            write_whole(complete, lambda name: join(paths, name), self._temporary)
            made = identify(complete)
        self._note({"made": made})
        if self._target_exists():  # since the start of the run
            self._raise_exists()
        rename_for_good(complete, self.target)
        self._remove()

    def close(self):
        self._file.close()

    @property
    def _temporary(self):
        return self.folder / "temporary"

    def _path(self, number):
        return self._parts_folder / f"part-{number:06d}{self.suffix}"

    def _write(self, path, data):
        write_whole(path, lambda name: name.write_bytes(data), self._temporary)

    def _note(self, notes):
        self._file.write(_to_line(notes))
        self._file.flush()
        os.fsync(self._file.fileno())

    def _check_folder(self):
        names = set()
        if self.folder.exists():
            names = {path.name for path in self.folder.iterdir()}
        if names and _JOURNAL not in names:
            raise ValueError(
                f"{self.folder} already exists and is not the journal of a run, which "
                "would be stored there: move it away."
            )
        if self._target_exists() and not names:
            self._raise_exists()

    def _target_exists(self):
        if self.is_folder and self.target.is_dir():
            return any(self.target.iterdir())
        return os.path.lexists(self.target)

    def _raise_exists(self):
        raise ValueError(
            f"{self.target} already exists and is not overwritten: delete it or choose "
            "another name."
        )

    def _lock(self):
        """Refuse a second run while this process lives."""
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another run is writing to {self.folder}: wait for its end, or stop "
                "it."
            ) from None

    def _open(self, job, resume):
        before, *notes = self._read_lines() or [None]
        if self._target_exists():
            self._check_made(
                [note["made"] for note in notes if "made" in note], before == job
            )
            self.is_finished = True
            self.parts = [note for note in notes if "part" in note]
            self._remove()
            return
        if before is not None and resume:
            self._check_same(before, job)
            self._keep_parts(notes)
        else:
            shutil.rmtree(self._parts_folder, ignore_errors=True)
        self._parts_folder.mkdir(exist_ok=True)
        self._rewrite([job, *self.parts])

    def _read_lines(self):
        """Return the content of the lines before the first broken one."""
        self._file.seek(0)
        lines = []
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            try:
                lines.append(json.loads(line))
            except ValueError:
                break
        return lines

    def _check_made(self, made, is_same_job):
        if self.is_folder:
            is_ours = bool(made) and not self._parts_folder.exists()
        else:
            is_ours = identify(self.target) in made
        if not (is_ours and is_same_job):
            raise ValueError(
                f"{self.target} already exists and was not made by the run of the "
                f"journal {self.folder}. It is not overwritten: move one of them away."
            )

    def _check_same(self, before, job):
        unfinished = f"{self.folder} holds the parts of an unfinished run, and"
        if not job["source"]:
            raise ValueError(
                f"{unfinished} a run on standard input cannot resume. {_REMEDY}"
            )
        for name, value in job.items():
            if before.get(name) != value:
                raise ValueError(
                    f"{unfinished} the {name} changed: "
                    f"{_differ(before.get(name), value)}. {_REMEDY}"
                )

    def _keep_parts(self, notes):
        """Keep the noted parts that exist, up to the first missing one."""
        for note in notes:
            if note.get("part") != len(self.parts):
                continue
            path = self._path(note["part"])
            if not path.is_file() or path.stat().st_size != note["bytes"]:
                break
            self.parts.append(note)

    def _rewrite(self, lines):
        """Remove the lines of parts that do not count."""
        path = self.folder / _JOURNAL
        data = b"".join(map(_to_line, lines))
        if path.read_bytes() == data:
            return
        self._write(path, data)
        self._file.close()
        self._file = path.open("a+b")
        self._lock()

    def _remove(self):
        shutil.rmtree(self._parts_folder, ignore_errors=True)
        for path in [*self.folder.glob("complete*"), self._temporary]:
            path.unlink(missing_ok=True)
        self.close()
        # Last, as it identifies the target.
        (self.folder / _JOURNAL).unlink()
        with suppress(OSError):  # the folder holds files of the user
            self.folder.rmdir()


def _differ(old, new):
    """Describe the first difference."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return next(_differ(a, b) for a, b in zip(old, new, strict=True) if a != b)
    if isinstance(old, dict) and isinstance(new, dict):
        name = next(key for key in new if old.get(key) != new[key])
        where = f" of {new['file']}" if name != "file" and "file" in new else ""
        return f"{name}{where} was {old.get(name)!r} and is {new[name]!r}"
    return f"it was {old!r} and is {new!r}"


def _to_line(notes):
    return json.dumps(notes).encode() + b"\n"
