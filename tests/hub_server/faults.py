"""What can be wrong with a download, as a script the server follows."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum


class Where(StrEnum):
    """Which requests a fault is for: questions to the API, resolve addresses, or the bytes themselves."""

    API = "api"
    RESOLVE = "resolve"
    BYTES = "bytes"


class Kind(StrEnum):
    """What goes wrong."""

    NONE = "none"  # nothing: lets requests pass before the next fault
    CUT = "cut"  # after `at` bytes of the answer the connection is closed
    HANG = "hang"  # after `at` bytes of the answer nothing comes any more
    DRIP = "drip"  # `at` bytes at a time, with `seconds` in between
    STATUS = "status"  # an answer with `status` instead
    IGNORE_RANGE = "ignore-range"  # the whole file, whatever was asked for
    WRONG_RANGE = "wrong-range"  # another stretch than asked for
    WRONG_LENGTH = "wrong-length"  # a file of another length is announced
    WRONG_BYTE = "wrong-byte"  # the byte at `at` of the file is flipped, if it is in the answer
    LOOP = "loop"  # a redirect to the same address
    ELSEWHERE = "elsewhere"  # a redirect to `target`
    NONSENSE = "nonsense"  # a page of HTML


@dataclass(frozen=True)
class Fault:
    """Go wrong in one way on the next `times` requests of a kind, or on all with `times` -1."""

    kind: Kind
    where: Where = Where.BYTES
    at: int = 0
    status: int = 503
    retry_after: int | None = None
    seconds: float = 0.0
    target: str = ""
    times: int = 1


class Script:
    """Hand out the faults in order, each as often as it says."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[Fault, int]] = []

    def add(self, *faults: Fault) -> None:
        """Append faults."""
        with self._lock:
            self._waiting += [(fault, fault.times) for fault in faults]

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self._waiting.clear()

    def take(self, where: Where) -> Fault | None:
        """Return the next fault for a request, if there is one."""
        with self._lock:
            for place, (fault, left) in enumerate(self._waiting):
                if fault.where is where:
                    if left == 1:
                        del self._waiting[place]
                    else:
                        self._waiting[place] = (fault, left - 1)
                    return fault
        return None


def parse_fault(text: str) -> Fault:
    """Read a fault from `kind[,field=value...]`, as given on the command line."""
    kind, *pairs = text.split(",")
    kinds = {"at": int, "status": int, "retry_after": int, "seconds": float, "times": int, "target": str}
    fields: dict[str, object] = {}
    for pair in pairs:
        name, value = pair.split("=", 1)
        fields[name] = Where(value) if name == "where" else kinds[name](value)
    return Fault(Kind(kind), **fields)  # type: ignore[arg-type]  # the names decide, checked by the dataclass
