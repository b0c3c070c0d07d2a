"""One window per data folder: the first start keeps it, later ones hand over what they were asked for and end."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from PySide6.QtCore import QDir, QObject, QTimer, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from app.core.errors import StorageError

log = logging.getLogger(__name__)

LOCK_NAME = "window.lock"
MAX_LINE_BYTES = 1 << 16
PATIENCE_S = 20.0  # longer than the first start takes to show its window, or to end
_PAUSE_S = 0.05
_LONGEST_CALL_MS = 5_000
_TAKEN = b"taken\n"


@dataclass(frozen=True, slots=True)
class Wish:
    """Hold what a start was asked for besides its window; paths are absolute."""

    model: Path | None = None
    projector: Path | None = None


class SingleInstance(QObject):
    """Keep a data folder for this process, and take what later starts wish for; made by `claim`."""

    wished = Signal(object)

    def __init__(self, lock: FileLock, name: str) -> None:
        super().__init__()
        self._lock = lock
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        QLocalServer.removeServer(name)  # a killed program leaves its socket behind
        if not self._server.listen(name):
            # The lock alone keeps a second window away; it only can't bring this one to the front.
            log.warning("later starts can't reach this window: %s", self._server.errorString())

    def serve(self) -> None:
        """Emit `wished` for every later start, those that wait already included."""
        self._server.newConnection.connect(self._greet)
        self._greet()

    def close(self) -> None:
        """Let later starts wait for the end of this one."""
        self._server.close()
        for caller in self._server.findChildren(QLocalSocket):
            caller.abort()

    def release(self) -> None:
        """Let another start have the data folder."""
        self.close()
        self._lock.release()

    def _greet(self) -> None:
        while (caller := self._server.nextPendingConnection()) is not None:
            caller.setReadBufferSize(MAX_LINE_BYTES)
            caller.readyRead.connect(functools.partial(self._hear, caller))
            # A child, so that it ends with the caller; a timer of Python's own would touch one that is gone.
            patience = QTimer(caller, singleShot=True, interval=_LONGEST_CALL_MS)
            patience.timeout.connect(caller.deleteLater)
            patience.start()
            self._hear(caller)

    def _hear(self, caller: QLocalSocket) -> None:
        if not caller.canReadLine():
            if caller.bytesAvailable() >= MAX_LINE_BYTES:
                caller.abort()
            return
        try:
            wish = read_wish(bytes(caller.readLine(MAX_LINE_BYTES).data()))
        except (TypeError, ValueError) as error:
            log.info("what a caller said is ignored: %s", error)
            caller.abort()
            return
        caller.write(_TAKEN)
        caller.readyRead.disconnect()
        caller.disconnectFromServer()
        self.wished.emit(wish)


def claim(data: Path, wish: Wish) -> SingleInstance | None:
    """Keep `data` for this process, or hand `wish` to the one that has it and return None.

    Waits while the other one is just starting or ending. Needs an application object. Raises StorageError
    when the other one does not answer, or the folder can't be written.
    """
    # The system gives a lock of a process that is gone free again, whatever ended it.
    lock = FileLock(data / LOCK_NAME)
    name = _server_name(data)
    deadline = time.monotonic() + PATIENCE_S
    while not _acquire(lock):
        if _hand_over(name, wish, deadline):
            return None
        if time.monotonic() > deadline:
            raise StorageError(
                "Solo is running already, but its window does not answer. Close it, or end its process, and try again."
            )
        time.sleep(_PAUSE_S)
    return SingleInstance(lock, name)


def write_wish(wish: Wish) -> bytes:
    """Return `wish` as the line that `read_wish` takes."""
    paths = {"model": wish.model, "projector": wish.projector}
    return json.dumps({key: str(path) for key, path in paths.items() if path is not None}).encode("ascii") + b"\n"


def read_wish(line: bytes) -> Wish:
    """Return what a later start wishes for. Raises ValueError or TypeError for anything but that."""
    try:
        said = json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(said, dict):
        raise TypeError("not an object")
    model, projector = (_path(said.get(key)) for key in ("model", "projector"))
    if projector is not None and model is None:
        raise ValueError("a projector without its model")
    return Wish(model, projector)


def _path(said: object) -> Path | None:
    if said is None:
        return None
    if not isinstance(said, str) or "\0" in said or not Path(said).is_absolute():
        raise ValueError("not an absolute path")
    return Path(said)


def _acquire(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except OSError as error:
        raise StorageError(
            f"Solo can’t use its folder {Path(lock.lock_file).parent}: {error.strerror or error}. "
            "Make it writable and start Solo again."
        ) from error
    return True


def _hand_over(name: str, wish: Wish, deadline: float) -> bool:
    """Say whether the process behind `name` took `wish`; it may still be busy with its start or its end."""
    if not _is_ours(name):
        return False
    caller = QLocalSocket()
    caller.connectToServer(name)
    if not caller.waitForConnected(_left_ms(deadline)):
        return False
    caller.write(write_wish(wish))
    while not caller.canReadLine():
        if not caller.waitForReadyRead(_left_ms(deadline)):
            return False
    return bytes(caller.readLine(len(_TAKEN) + 1).data()) == _TAKEN


def _left_ms(deadline: float) -> int:
    return max(0, round((deadline - time.monotonic()) * 1000))


def _is_ours(name: str) -> bool:
    """Say whether this user made the socket; on a shared machine anyone may make one of that name."""
    if os.name == "nt":
        return True
    try:
        return Path(QDir.tempPath(), name).lstat().st_uid == os.getuid()
    except OSError:
        return False


def _server_name(data: Path) -> str:
    return f"solo-{hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:32]}"
