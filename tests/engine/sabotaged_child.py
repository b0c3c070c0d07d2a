"""The real engine, with one native accident arranged: `python sabotaged_child.py ACCIDENT [STEPS]`.

The accident happens in the decode after STEPS decodes, inside llama.cpp, the C library or the system.
"""

from __future__ import annotations

import ctypes
import resource
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from llama_cpp import llama_cpp as llama

from app.engine.child import __main__ as child
from app.engine.child import session
from app.engine.child.pipe import Pipe
from app.engine.child.pulse import Pulse
from app.engine.child.watch import Limits
from app.engine.wire import Beat, Message

ROOM_BYTES = 4 << 20

beaten = threading.Event()


def fail_an_assertion(context: int) -> None:
    llama.llama_memory_seq_cp(llama.llama_get_memory(context), 0, 9999, 0, 5)


def read_nowhere(context: int) -> None:
    ctypes.string_at(8)


def wait_for_ever(context: int) -> None:
    ctypes.CDLL(None).pause()


def leave_no_room() -> None:
    """Let the process grow by next to nothing more, and go on once its parent knows."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = used + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for _ in range(2):  # the first beat may have been looked for before the limit stood
        beaten.clear()
        beaten.wait()


def throw_for_memory(context: int) -> None:
    """Let llama.cpp throw where nobody catches it."""
    text = b"word " * (64 << 20)
    leave_no_room()
    vocabulary = llama.llama_model_get_vocab(llama.llama_get_model(context))
    llama.llama_tokenize(vocabulary, text, len(text), None, 0, False, False)


def use_what_was_not_given(context: int) -> None:
    """Write where an allocation that failed points, as native code does that does not check."""
    leave_no_room()
    allocate = ctypes.CDLL(None).malloc
    allocate.restype, allocate.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    ctypes.memset(allocate(64 << 20), 1, 1)


ACCIDENTS: dict[str, Callable[[int], None]] = {
    "assertion": fail_an_assertion,
    "segfault": read_nowhere,
    "hang": wait_for_ever,
    "exception": throw_for_memory,
    "null": use_what_was_not_given,
}


def main() -> None:
    accident, steps = ACCIDENTS[sys.argv[1]], int(sys.argv[2])
    decode = session.Session.decode
    done = 0

    def sabotaged(self: session.Session, entries: Sequence[Any]) -> None:
        nonlocal done
        done += 1
        if done > steps:
            accident(self.context)
        decode(self, entries)

    session.Session.decode = sabotaged  # type: ignore[method-assign]  # that is the sabotage
    patient = Pulse.__init__

    def impatient(self: Pulse, *arguments: Any) -> None:
        patient(self, *arguments, beat_s=0.2, find_limits=lambda _request, _said: Limits("testing", 2.0, 30.0))

    Pulse.__init__ = impatient  # type: ignore[method-assign]  # as above
    offer = Pipe.offer

    def counted(self: Pipe, message: Message) -> bool:
        was_written = offer(self, message)
        if was_written and isinstance(message, Beat):
            beaten.set()
        return was_written

    Pipe.offer = counted  # type: ignore[method-assign]  # as above
    raise SystemExit(child.main())


if __name__ == "__main__":
    main()
