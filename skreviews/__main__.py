"""Run the command line: `python -m skreviews`."""

import sys

from skreviews.cli import main

if __name__ == "__main__":
    sys.exit(main())
