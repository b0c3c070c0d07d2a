from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import QDir
from PySide6.QtNetwork import QLocalServer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.core.errors import StorageError
from app.ui import single_instance
from app.ui.single_instance import MAX_LINE_BYTES, SingleInstance, Wish, claim, read_wish, write_wish
from tests.ui.scenery import MakeStage
from tests.ui.window_program import start

MODEL, PROJECTOR = Path("/models/ü b.gguf"), Path("/models/mmproj.gguf")
CANNOT_RAISE = "This plugin does not support raise()"
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Start]:
    """Start the window on one and the same data folder."""
    processes: list[subprocess.Popen[str]] = []

    def go(*wished: Path, **more: str) -> subprocess.Popen[str]:
        # Not fatal: the offscreen platform warns that it can't raise a window.
        processes.append(start(tmp_path, *wished, QT_FATAL_WARNINGS="0", **more))
        return processes[-1]

    yield go
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)
    QLocalServer.removeServer(single_instance._server_name(tmp_path))  # what a killed one leaves behind


def says(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def end(process: subprocess.Popen[str]) -> list[str]:
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    assert set(errors.splitlines()) <= {CANNOT_RAISE}
    return output.splitlines()


# --- real processes ---


def test_a_second_start_hands_its_wish_over_and_ends(begin: Start) -> None:
    first = begin()
    assert says(first) == "service made"
    began_s = time.monotonic()
    output, errors = begin(MODEL, PROJECTOR).communicate(timeout=60)
    assert (output, errors) == ("returned 0\n", "")
    assert time.monotonic() - began_s < single_instance.PATIENCE_S / 2, "it waited although the first one was there"
    assert says(first) == f"model {MODEL} {PROJECTOR}"
    assert begin().communicate(timeout=60)[0] == "returned 0\n"
    if os.name != "nt":
        assert end(first) == ["service closed", "returned 0"], "an empty wish opens nothing"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_a_killed_program_does_not_block_the_next_one(begin: Start) -> None:
    first = begin()
    assert says(first) == "service made"
    first.kill()
    first.wait(30)
    second = begin(MODEL)
    assert says(second) == "service made"
    assert says(second) == f"model {MODEL} None"
    assert begin(PROJECTOR).communicate(timeout=60)[0] == "returned 0\n"
    assert says(second) == f"model {PROJECTOR} None", "the socket left behind is replaced too"


def test_starts_at_the_same_moment_open_exactly_one_window(begin: Start) -> None:
    processes = [begin(Path(f"/models/{number}.gguf")) for number in range(4)]
    firsts = [says(process) for process in processes]
    assert sorted(firsts) == ["returned 0", "returned 0", "returned 0", "service made"]
    winner = processes[firsts.index("service made")]
    opened = {says(winner) for _ in processes}
    assert opened == {f"model /models/{number}.gguf None" for number in range(4)}, "no wish is lost"


def test_a_start_while_the_first_one_ends_waits_and_opens_the_window(begin: Start) -> None:
    first = begin(SOLO_QUIT_AFTER_START="1", CLOSE_SLOWLY="1")
    assert says(first) == "service made"
    assert says(first) == "service closing"
    second = begin(SOLO_QUIT_AFTER_START="1")
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(2)
    assert first.communicate(timeout=60)[0].splitlines() == ["service closed", "returned 0"]
    assert second.communicate(timeout=60)[0].splitlines() == ["service made", "service closed", "returned 0"]


def test_other_data_folders_have_windows_of_their_own(begin: Start, tmp_path: Path) -> None:
    assert says(begin()) == "service made"
    (tmp_path / "other").mkdir()
    other = start(tmp_path / "other", SOLO_QUIT_AFTER_START="1")
    assert other.communicate(timeout=60)[0].splitlines()[0] == "service made"


# --- what comes through the socket ---


@pytest.fixture
def instance(qapp: QApplication, tmp_path: Path) -> Iterator[SingleInstance]:
    kept = claim(tmp_path, Wish())
    assert kept is not None
    kept.serve()
    yield kept
    kept.release()
    kept.deleteLater()


def call(data: Path) -> socket.socket:
    path = QDir.tempPath() + "/" + single_instance._server_name(data)
    caller = socket.socket(socket.AF_UNIX)
    caller.settimeout(10)
    caller.connect(path)
    return caller


BAD_LINES = {
    "nothing": b"\n",
    "not JSON": b"hello\n",
    "not text": b"\xff\xfe\n",
    "a list": b"[]\n",
    "a number": json.dumps({"model": 1}).encode() + b"\n",
    "a relative path": json.dumps({"model": "model.gguf"}).encode() + b"\n",
    "a null character": json.dumps({"model": "/a\0b"}).encode() + b"\n",
    "a projector alone": json.dumps({"projector": "/a"}).encode() + b"\n",
    "too deep": b"[" * 60_000 + b"\n",
    "too long": b" " * (MAX_LINE_BYTES + 1),
}


@pytest.mark.skipif(os.name == "nt", reason="Python has no client for Windows' pipes")
@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_what_is_not_a_wish_is_hung_up_on(instance: SingleInstance, tmp_path: Path, qtbot: QtBot, line: bytes) -> None:
    wishes: list[Wish] = []
    instance.wished.connect(wishes.append)
    with closing(call(tmp_path)) as bad, closing(call(tmp_path)) as silent, closing(call(tmp_path)) as good:
        bad.sendall(line)
        good.sendall(write_wish(Wish(MODEL, PROJECTOR)) * 2)
        qtbot.waitUntil(lambda: bool(wishes))
        assert good.recv(100) == b"taken\n"
        bad.setblocking(False)
        qtbot.waitUntil(lambda: _has_hung_up(bad))
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.recv(1)
    assert wishes == [Wish(MODEL, PROJECTOR)]


def _has_hung_up(caller: socket.socket) -> bool:
    try:
        return caller.recv(100) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:  # what was sent had not been read to its end
        return True


@pytest.mark.skipif(os.name == "nt", reason="Python has no client for Windows' pipes")
def test_a_caller_that_says_nothing_is_hung_up_on(
    instance: SingleInstance, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_instance, "_LONGEST_CALL_MS", 10)
    with closing(call(tmp_path)) as silent:
        silent.setblocking(False)
        qtbot.waitUntil(lambda: _has_hung_up(silent))


@pytest.mark.skipif(os.name == "nt", reason="Windows' pipes carry their rights themselves")
def test_the_socket_is_for_this_user_only(instance: SingleInstance, tmp_path: Path) -> None:
    path = Path(QDir.tempPath(), single_instance._server_name(tmp_path))
    assert path.lstat().st_mode & 0o077 == 0


@pytest.mark.parametrize("wish", [Wish(), Wish(MODEL), Wish(MODEL, PROJECTOR), Wish(Path(os.fsdecode(b"/a\xff\n")))])
def test_a_wish_survives_the_way(wish: Wish) -> None:
    line = write_wish(wish)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert read_wish(line) == wish


def test_a_first_one_that_does_not_answer_is_said(
    instance: SingleInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is this very thread that would have to answer.
    monkeypatch.setattr(single_instance, "PATIENCE_S", 0.2)
    with pytest.raises(StorageError, match="does not answer"):
        claim(tmp_path, Wish())


def test_a_folder_that_can_not_be_written_is_said(qapp: QApplication, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="can’t use its folder"):
        claim(tmp_path / "file", Wish())


# --- the window ---


@pytest.mark.qt_log_ignore(CANNOT_RAISE.replace("()", ""))
def test_a_granted_wish_shows_the_window_and_opens_the_model(make_stage: MakeStage, qtbot: QtBot) -> None:
    stage = make_stage()
    stage.window.showMinimized()
    stage.shell.grant(Wish(MODEL, PROJECTOR))
    assert not stage.window.isMinimized()
    assert stage.window.isVisible()
    qtbot.waitUntil(stage.window.isActiveWindow)
    assert stage.service.asked("open_model")[-1] == (MODEL, PROJECTOR, ("anyway", False))
    n_opened = len(stage.service.asked("open_model"))
    stage.shell.grant(Wish())
    assert len(stage.service.asked("open_model")) == n_opened
