"""Standard output as a target."""

import sys


class StandardOutput:
    """Writes parts to standard output, in place of a `Journal`. It cannot resume.

    Parameters
    ----------
    header : bytes
    """

    parts = ()
    is_finished = False

    def __init__(self, header):
        self.file = sys.stdout.buffer
        self.file.write(header)

    def add(self, data, notes):
        self.file.write(data)
        self.file.flush()

    def finish(self, join):
        self.file.flush()

    def close(self):
        pass
