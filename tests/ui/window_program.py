"""The window as a process of its own, on a service that only says what it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import os
import sys
from pathlib import Path
from app.core.settings import Settings
from app.ui.application import run_window
from app.ui.single_instance import Wish

class Service:
    def __init__(self, publish):
        print("service made", flush=True)
    def open_model(self, path, projector, **named):
        print("model", path, projector, flush=True)
    @property
    def library(self):
        return self
    def open_at_start(self, path, projector):
        if path is not None:
            self.open_model(path, projector)
    def close(self):
        if "CLOSE_SLOWLY" in os.environ:
            print("service closing", flush=True)
            sys.stdin.readline()
        print("service closed", flush=True)
    def __getattr__(self, name):
        return lambda *args, **named: None

data, *wished = map(Path, sys.argv[1:])
code = run_window(Service, Settings(), data, Wish(*wished))
print("returned", code, flush=True)
sys.exit(code)
"""


def start(data: Path, *wished: Path, **more: str) -> subprocess.Popen[str]:
    """Start the window on a data folder, with a wish for a model and its projector.

    With CLOSE_SLOWLY its service closes only when it gets a line, or the end of its input.
    """
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "QT_FATAL_WARNINGS": "1", **more}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(data), *map(str, wished)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
