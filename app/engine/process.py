"""One engine process: its pipes, its log and its end."""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from app.core.errors import EngineUnavailable
from app.engine.endings import Ending
from app.engine.watchdog import Watchdog
from app.engine.wire import PROTOCOL_VERSION, Beat, Goodbye, Hello, LastWords, Message, WireError, pack, read_messages

log = logging.getLogger(__name__)
child_log = logging.getLogger("app.engine.child")

_ROOT = Path(__file__).resolve().parents[2]
_TAIL_LINES = 60
_LINE_BYTES = 2000
_LINGER_S = 5.0
_SAVING_SHARE = 0.4  # of the patience with an ending child: for copying, and once more for writing
_VMSTAT = Path("/proc/vmstat")


def engine_command() -> list[str]:
    """Return the command that starts the real engine, from source or from the packaged program."""
    if getattr(sys, "frozen", False):
        return [sys.executable, "--engine-child"]
    return [sys.executable, "-m", "app.engine.child"]


def child_environment() -> dict[str, str]:
    """Return the environment that an engine's process is started in."""
    environment = dict(os.environ)
    # Device order as the driver's other tools have it; the program itself goes by bus id.
    environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    # Before it gives up, ggml would start a debugger and wait for it, which hangs when memory has run out.
    environment["GGML_NO_BACKTRACE"] = "1"
    if not getattr(sys, "frozen", False):
        # The current folder may be anyone's: no module must be imported from it.
        environment["PYTHONSAFEPATH"] = "1"
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    return environment


class EngineProcess:
    """Run one child process; every message of it and its end are told on a thread of their own.

    That thread also starts the child, because Linux ties a child's life to the *thread* that started it.
    """

    def __init__(
        self,
        command: Sequence[str],
        on_message: Callable[[Message], None],
        on_end: Callable[[EngineProcess, Ending], None],
        greeting_timeout_s: float,
        silence_timeout_s: float,
    ) -> None:
        self._command = list(command)
        self._on_message = on_message
        self._on_end = on_end
        self._silence_timeout_s = silence_timeout_s
        self._watchdog = Watchdog(greeting_timeout_s, self._give_up)
        self._writing = threading.Lock()
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._last_words = ""
        self._greeted = self._babbled = self._fell_silent = False
        self._beat = Beat(0, 0, 0)
        self._ending = threading.Lock()  # kept by whoever tells the end
        self._popen: subprocess.Popen[bytes]
        self._thread = threading.Thread(target=self._run, name="engine-reader", daemon=True)
        self._started: queue.SimpleQueue[OSError | None] = queue.SimpleQueue()

    @property
    def pid(self) -> int:
        """Return the child's process id."""
        return self._popen.pid

    def start(self) -> None:
        """Start the child. Raises EngineUnavailable if the system can't."""
        self._thread.start()
        cause = self._started.get()
        if cause is not None:
            raise EngineUnavailable(
                "The engine could not be started: the system refused to run its program. "
                "Install the program again, or free some memory if little is left."
            ) from cause

    def send(self, message: Message) -> None:
        """Write `message` to the child; a child that is gone is no error here. Raises MessageTooLarge."""
        frame = pack(message)
        with self._writing, suppress(OSError, ValueError):  # ValueError: the pipe is closed
            stdin = _pipe(self._popen.stdin)
            stdin.write(frame)
            stdin.flush()

    def stop(self, patience_s: float) -> None:
        """Ask the child to end by closing its input, kill it after `patience_s`, and wait for its end."""
        if self._writing.acquire(timeout=patience_s):
            self._say_goodbye(patience_s)
            self._writing.release()
        else:  # someone waits for a child that no longer reads
            self._popen.kill()
        self._thread.join(patience_s)
        if self._thread.is_alive():
            log.info("the engine did not end when asked and is killed")
            self._popen.kill()
            self._thread.join(_LINGER_S)

    def _say_goodbye(self, patience_s: float) -> None:
        stdin = _pipe(self._popen.stdin)
        with suppress(OSError, ValueError):
            if os.name != "nt":  # a child that no longer reads must not hold up the end
                os.set_blocking(stdin.fileno(), False)
            stdin.write(pack(Goodbye(patience_s * _SAVING_SHARE)))
            stdin.flush()
        with suppress(OSError):
            stdin.close()

    # --- on the thread ---

    def _run(self) -> None:
        try:
            self._popen = self._spawn()
        except OSError as cause:
            self._started.put(cause)
            return
        self._started.put(None)
        listening = threading.Thread(target=self._keep_log, name="engine-stderr", daemon=True)
        listening.start()
        kills_before = _memory_kills()
        self._read_until_end()
        exit_code = self._wait()
        listening.join(timeout=1)
        with self._writing, suppress(OSError):
            _pipe(self._popen.stdin).close()
        _pipe(self._popen.stdout).close()
        self._tell_end(exit_code, _memory_kills() - kills_before)

    def _tell_end(self, exit_code: int, memory_kills: int) -> None:
        if self._ending.acquire(blocking=False):
            tail = "\n".join(self._tail)
            flags = self._babbled, self._greeted, self._fell_silent
            self._on_end(self, Ending(exit_code, self._last_words, tail, *flags, self._beat, memory_kills))

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    def _read_until_end(self) -> None:
        self._watchdog.start()
        try:
            for message in read_messages(_pipe(self._popen.stdout)):
                self._watchdog.hear()
                self._take(message)
        except WireError as complaint:
            log.info("the engine is killed for what it sent: %s", complaint)
            self._babbled = True
            self._popen.kill()
        finally:
            self._watchdog.stop()

    def _give_up(self) -> None:
        """End a process that says nothing, on the watchdog's thread."""
        log.info("the engine said nothing for %s seconds and is killed", self._watchdog.limit_s)
        self._fell_silent = True
        self._popen.kill()
        self._thread.join(_LINGER_S)
        if self._thread.is_alive():  # it is stuck in its driver, where no signal reaches it
            self._tell_end(-1, 0)

    def _take(self, message: Message) -> None:
        match message:
            case Hello(version=version) if not self._greeted:
                if version != PROTOCOL_VERSION:
                    raise WireError(f"it speaks version {version}, this program {PROTOCOL_VERSION}")
                self._greeted = True
                self._watchdog.limit_s = self._silence_timeout_s
            case Beat():
                self._beat = message
            case LastWords(text=text):
                self._last_words = text
            case _ if self._greeted:
                self._on_message(message)
            case _:
                raise WireError("it spoke before it said hello")

    def _wait(self) -> int:
        try:
            return self._popen.wait(timeout=_LINGER_S)
        except subprocess.TimeoutExpired:  # it closed its output but goes on
            self._popen.kill()
            return self._popen.wait()

    def _keep_log(self) -> None:
        with _pipe(self._popen.stderr) as stderr:
            while line := stderr.readline(_LINE_BYTES):
                text = line.decode("utf-8", "replace").rstrip()
                self._tail.append(text)
                child_log.log(logging.INFO if text.startswith(("E ", "W ")) else logging.DEBUG, "%s", text)


def _memory_kills() -> int:
    """Return how many processes the system has ended for want of memory, 0 where it does not count them."""
    try:
        counts = dict(line.split(" ", 1) for line in _VMSTAT.read_text(encoding="ascii").splitlines())
    except OSError:
        return 0
    return int(counts.get("oom_kill", 0))


def _pipe(stream: object) -> BinaryIO:
    return stream  # type: ignore[return-value]  # Popen types its pipes as optional; ours are always there
