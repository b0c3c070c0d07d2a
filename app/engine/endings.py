"""Sentences for the ways in which an engine's process can end."""

from __future__ import annotations

import re
import signal
import sys
from dataclasses import dataclass

from app.core.errors import EngineCrashed, EngineOutOfGpuMemory, EngineOutOfMemory, EngineUnavailable
from app.engine.wire import EXIT_STUCK, EXIT_WITHOUT_LIBRARY, Beat

_MEMORY = re.compile(r"out of memory|bad_alloc|failed to allocate|unable to allocate|cannot allocate", re.IGNORECASE)
_GPU = re.compile(r"\b(CUDA|cudaMalloc|hipMalloc|ROCm|Vulkan|SYCL|device memory)", re.IGNORECASE)
# What native code prints last when it does not say it through llama.cpp.
_SAID = re.compile(r"what\(\): *(?P<what>.*)|(?P<whole>.*\bAssert(?:ion)?\b.*failed.*|CUDA error: .*|MemoryError\b.*)")
_PLACE = re.compile(r"^(?P<path>\S*[/\\])?(?P<file>[^/\\\s:]+):(?P<line>\d+): *")
_QUOTED_CHARACTERS = 140
_SCARCE = 0.08  # of all RAM: who is killed then, is killed for it
_USED_UP = 1 / 64  # of all RAM: whatever goes wrong then, goes wrong for want of it
_GIB = 1 << 30
_UNKNOWN = Beat(0, 0, 0)

_CAUSES = {
    "killed": "it was killed from outside",
    "memory": "memory ran out",
    "gpu memory": "a graphics card’s memory ran out",
    "processor": "it uses instructions that this processor does not have",
    "fault": "it or a graphics driver made a memory error",
    "reading": "the model's file could not be read any more, perhaps it was changed or its disk is gone",
    "check": "it found a mistake in its own work",
    "babble": "it sent something that this program does not understand",
    "silence": "it did not answer any more",
    "stuck": "its work hung",
    "error": "it met an error it could not handle",
}
_KINDS = {"memory": EngineOutOfMemory, "gpu memory": EngineOutOfGpuMemory}
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
    said when it gave up, `tail` the end of stderr. `greeted` is whether the process ever said hello, `fell_silent`
    whether it was ended for saying nothing more. `beat` is the last it told of memory, `memory_kills` how many
    processes the system ended for want of memory meanwhile.
    """

    exit_code: int
    last_words: str
    tail: str
    babbled: bool
    greeted: bool
    fell_silent: bool = False
    beat: Beat = _UNKNOWN
    memory_kills: int = 0


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
    cause = _cause(ending)
    return _KINDS.get(cause, EngineCrashed)(f"The engine stopped unexpectedly ({_phrase(cause, ending)}).")


def _phrase(cause: str, ending: Ending) -> str:
    phrase = _CAUSES[cause]
    if cause in {"killed", "memory"} and ending.beat.total_bytes:
        return phrase + _numbers(ending.beat)
    if cause == "killed":
        return "it was killed, perhaps because memory ran out"
    if cause == "stuck":
        return ending.last_words or phrase
    said = quote(ending) if cause in {"check", "error", "gpu memory"} else ""
    return f"{phrase}: “{said}”" if said else phrase


def _numbers(beat: Beat) -> str:
    held, free, total = (f"{size / _GIB:.1f}" for size in (beat.memory_bytes, beat.available_bytes, beat.total_bytes))
    return f": it held {held} GiB, and {free} of {total} GiB were free"


def quote(ending: Ending) -> str:
    """Return in a few words what native code said before it gave up, empty if it said nothing."""
    said = ending.last_words or _last_said(ending.tail)
    first = next((line.strip() for line in said.splitlines() if line.strip()), "")
    if place := _PLACE.match(first):
        first = f"{first[place.end() :]}, {place['file']}:{place['line']}"
    first = "".join(letter for letter in first if letter.isprintable())
    return first if len(first) <= _QUOTED_CHARACTERS else first[:_QUOTED_CHARACTERS].rstrip() + "…"


def _last_said(tail: str) -> str:
    for line in reversed(tail.splitlines()):
        if found := _SAID.search(line):
            return found["what"] or found["whole"] or ""
    return ""


def _cause(ending: Ending) -> str:
    if ending.babbled:
        return "babble"
    if ending.fell_silent:
        return "silence"
    if ending.exit_code == EXIT_STUCK:
        return "stuck"
    cause = _by_exit_code(ending.exit_code)
    if cause == "killed":
        return "memory" if _was_memory(ending) else cause
    if cause not in {"check", "error", "fault"}:
        return cause
    # A line of some time before may be about something else, and a fault alone says nothing of itself.
    said = quote(ending) if cause == "fault" else f"{ending.last_words}\n{ending.tail}"
    if _MEMORY.search(said):
        return "gpu memory" if _GPU.search(_memory_line(said)) else "memory"
    if _has_less_than(_USED_UP, ending.beat):
        return "memory"
    # What gave up with words and then broke while it was ending did not break by itself.
    return "check" if ending.last_words else cause


def _memory_line(said: str) -> str:
    return next(line for line in said.splitlines() if _MEMORY.search(line))


def _was_memory(ending: Ending) -> bool:
    """Return whether a killed process was killed by the system for want of memory, as far as can be known."""
    return ending.memory_kills > 0 or _has_less_than(_SCARCE, ending.beat)


def _has_less_than(share: float, beat: Beat) -> bool:
    return 0 < beat.total_bytes * share > beat.available_bytes


def _by_exit_code(exit_code: int) -> str:
    if sys.platform == "win32":
        return _WINDOWS_CODES.get(exit_code & 0xFFFFFFFF, "killed" if exit_code == 1 else "error")
    if exit_code >= 0:
        return "error"
    try:
        return _SIGNALS.get(signal.Signals(-exit_code).name, "error")
    except ValueError:
        return "error"
