"""Sentences for the ways in which an engine's process can end."""

from __future__ import annotations

import re
import signal
import sys
from dataclasses import dataclass

from app.core.errors import EngineCrashed, EngineUnavailable
from app.engine.wire import EXIT_WITHOUT_LIBRARY

_MEMORY = re.compile(r"out of memory|bad_alloc|failed to allocate|unable to allocate|cannot allocate", re.IGNORECASE)

_CAUSES = {
    "killed": "it was killed, perhaps because memory ran out",
    "memory": "memory ran out",
    "processor": "it uses instructions that this processor does not have",
    "fault": "it or a graphics driver made a memory error",
    "reading": "the model's file could not be read any more, perhaps it was changed or its disk is gone",
    "check": "it found a mistake in its own work",
    "babble": "it sent something that this program does not understand",
    "error": "it met an error it could not handle",
}
_SIGNALS = {
    "SIGKILL": "killed",
    "SIGTERM": "killed",
    "SIGILL": "processor",
    "SIGSEGV": "fault",
    "SIGFPE": "fault",
    "SIGBUS": "reading",
    "SIGABRT": "check",
}
_WINDOWS_CODES = {
    0xC0000005: "fault",
    0xC0000006: "reading",
    0xC0000017: "memory",
    0xC000001D: "processor",
    0xC0000409: "check",
    0xC00000FD: "fault",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """Describe how an engine's process ended.

    `exit_code` is as `subprocess` has it: negative for a signal on POSIX. `last_words` is what native code
    said when it gave up, `tail` the end of stderr. `greeted` is whether the process ever said hello.
    """

    exit_code: int
    last_words: str
    tail: str
    babbled: bool
    greeted: bool


def explain(ending: Ending) -> EngineCrashed | EngineUnavailable:
    """Return the error that says to a person how the engine ended."""
    if ending.exit_code == EXIT_WITHOUT_LIBRARY:
        return EngineUnavailable(
            "The engine could not be started: llama.cpp is missing from this installation or is damaged. "
            "Install the program again; the log says more."
        )
    if not ending.greeted:
        return EngineUnavailable(
            "The engine could not be started: its process ended at once or is of another version of this "
            "program. Install the program again; the log says more."
        )
    return EngineCrashed(f"The engine stopped unexpectedly ({_CAUSES[_cause(ending)]}).")


def _cause(ending: Ending) -> str:
    if ending.babbled:
        return "babble"
    cause = _by_exit_code(ending.exit_code)
    if cause in {"check", "error"} and _MEMORY.search(f"{ending.last_words}\n{ending.tail}"):
        return "memory"
    return cause


def _by_exit_code(exit_code: int) -> str:
    if sys.platform == "win32":
        return _WINDOWS_CODES.get(exit_code & 0xFFFFFFFF, "killed" if exit_code == 1 else "error")
    if exit_code >= 0:
        return "error"
    try:
        return _SIGNALS.get(signal.Signals(-exit_code).name, "error")
    except ValueError:
        return "error"
