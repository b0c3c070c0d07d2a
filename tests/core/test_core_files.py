from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.files import sync_directory, write_atomically, write_pieces_atomically

ROOT = Path(__file__).resolve().parents[2]


def test_a_file_is_written_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "Dätei.bin"
    content = bytes(range(256)) * 10 + b"\r\n\n"
    write_atomically(path, content)
    assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    write_atomically(path, b"")
    assert path.read_bytes() == b""


def test_files_are_private_unless_told_otherwise(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.write_text("x")
    write_atomically(tmp_path / "private", b"x")
    write_atomically(tmp_path / "shared", b"x", mode=0o666)
    assert (tmp_path / "private").stat().st_mode & 0o077 == 0
    assert (tmp_path / "shared").stat().st_mode == ordinary.stat().st_mode


def test_names_may_be_as_long_as_the_system_allows(tmp_path: Path) -> None:
    for name in ("x" * 255, "数" * 85):
        write_atomically(tmp_path / name, b"x")
        assert (tmp_path / name).read_bytes() == b"x"


@pytest.mark.parametrize("failing", ["fsync", "open"])
def test_after_a_failure_the_old_file_is_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, "no room")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        with pytest.raises(OSError, match="no room"):
            write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_target_that_is_a_folder_is_refused_without_remains(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder", b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


KILLED = """
import sys
from pathlib import Path
from app.core.files import write_atomically
number = 0
while True:
    write_atomically(Path(sys.argv[1]), bytes([number % 251]) * 300_000)
    if number == 0:
        print("started", flush=True)
    number += 1
"""


def test_a_kill_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for _ in range(5):
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert child.stdout is not None
        assert child.stdout.readline() == "started\n"
        child.kill()
        child.wait()
        child.stdout.close()
        content = path.read_bytes()
        assert len(content) == 300_000
        assert len(set(content)) == 1


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_file_systems_that_can_not_sync_folders_are_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    sync_directory(tmp_path)


def test_a_disk_that_fails_while_syncing_a_folder_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        sync_directory(tmp_path)


def test_content_may_come_in_pieces(tmp_path: Path) -> None:
    write_pieces_atomically(tmp_path / "a", (b"one ", memoryview(b"two"), b""))
    assert (tmp_path / "a").read_bytes() == b"one two"


def test_pieces_that_break_off_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomically(path, b"before")

    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise InterruptedError

    with pytest.raises(InterruptedError):
        write_pieces_atomically(path, pieces())
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
