"""The program's log: a rotating file, and warnings on stderr."""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

_FORMAT = "%(asctime)s %(levelname)s %(name)s [%(threadName)s] %(message)s"


def start_logging(folder: Path, file_name: str = "solo.log") -> Path:
    """Send the log to `folder`/`file_name` (1 MiB, three old ones kept) and return that path.

    Raises OSError when the folder can't be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    # Paths that are not valid Unicode must not cost the line they stand in.
    to_file = RotatingFileHandler(
        path, maxBytes=1 << 20, backupCount=3, encoding="utf-8", delay=True, errors="backslashreplace"
    )
    to_file.setFormatter(logging.Formatter(_FORMAT))
    root.addHandler(to_file)
    if sys.stderr is not None:  # a windowed program on Windows has none
        to_terminal = logging.StreamHandler()
        to_terminal.setLevel(logging.WARNING)
        to_terminal.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        root.addHandler(to_terminal)
    return path
