"""The set-up's command line: `run [argument ...]`, `prepare SET`, `portable-wheel`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.bootstrap.backend import look_at_machine, plan_portable
from scripts.bootstrap.engine import provide_wheel
from scripts.bootstrap.environment import prepare
from scripts.bootstrap.places import ON_WINDOWS, Places, SetupFailed, find_places

INTERRUPTED = 130
USAGE = "usage: bootstrap run [argument ...] | prepare runtime|dev|package | portable-wheel FILE"


def main(arguments: Sequence[str]) -> int:
    """Do what `arguments` ask and return the exit code; a failure is said in a sentence."""
    try:
        return _dispatch(find_places(), list(arguments))
    except SetupFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Start again to go on where it was.", file=sys.stderr)
        return INTERRUPTED


def _dispatch(places: Places, arguments: list[str]) -> int:
    match arguments:
        case ["run", *rest]:
            prepare(places, "runtime")
            return _start(places, rest)
        case ["prepare", ("runtime" | "dev" | "package") as name]:
            prepare(places, name)
            return 0
        case ["portable-wheel", target]:
            prepare(places, "package")
            wheel = provide_wheel(places, plan_portable(look_at_machine()))
            # A file and not stdout, where the build shows its progress.
            Path(target).write_text(str(wheel), encoding="utf-8")
            return 0
        case _:
            print(USAGE, file=sys.stderr)
            return 2


def _start(places: Places, arguments: Sequence[str]) -> int:
    # -P keeps a folder called "app" in the current directory from being taken for Solo.
    command = [str(places.python), "-P", "-m", "app", *arguments]
    if not ON_WINDOWS:
        os.execv(command[0], command)
    return subprocess.call(command)
