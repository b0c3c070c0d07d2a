from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from app.core.errors import DiskFull, StorageError
from app.storage.attachments import AttachmentStore


def test_a_picture_is_kept_under_its_hash(attachments: AttachmentStore, tmp_path: Path) -> None:
    content = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    sha256 = attachments.put(content)
    assert sha256 == hashlib.sha256(content).hexdigest()
    path = attachments.path(sha256)
    assert path == tmp_path / "attachments" / sha256[:2] / sha256
    assert path.read_bytes() == content
    assert path.stat().st_mode & 0o077 == 0
    assert attachments.read(sha256) == content


def test_the_same_picture_is_kept_once_and_mended_if_damaged(attachments: AttachmentStore) -> None:
    sha256 = attachments.put(b"cup")
    path = attachments.path(sha256)
    inode = path.stat().st_ino
    os.utime(path, (0, 0))
    assert attachments.put(b"cup") == sha256
    assert path.stat().st_ino == inode
    assert path.stat().st_mtime > 0
    path.write_bytes(b"cut")
    with pytest.raises(StorageError, match="damaged"):
        attachments.read(sha256)
    attachments.put(b"cup")
    assert attachments.read(sha256) == b"cup"


@pytest.mark.parametrize(
    "name",
    ["", "..", "../../etc/passwd", "A" * 64, "g" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n", "/" + "a" * 63],
)
def test_only_hashes_name_pictures(attachments: AttachmentStore, name: str) -> None:
    with pytest.raises(StorageError, match="can't be right"):
        attachments.path(name)


def test_a_lost_picture_is_explained(attachments: AttachmentStore) -> None:
    with pytest.raises(StorageError, match="does not exist"):
        attachments.read("a" * 64)


def test_a_full_disk_leaves_nothing_behind(
    attachments: AttachmentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(DiskFull, match="no room left"):
        attachments.put(b"cup")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="can't store the picture"):
        AttachmentStore(tmp_path / "file" / "attachments").put(b"cup")


def test_only_old_unneeded_pictures_and_remains_are_removed(attachments: AttachmentStore, tmp_path: Path) -> None:
    needed, unneeded, young = (attachments.put(content) for content in (b"1", b"2", b"3"))
    shard = attachments.path(unneeded).parent
    remains = shard / f".{unneeded[:32]}.0123456789abcdef"
    foreign = shard / "notes.txt"
    outside = tmp_path / "attachments" / ("f" * 64)
    for path in (remains, foreign, outside):
        path.write_bytes(b"x")
    link = shard / ("e" * 64)
    link.symlink_to(outside)
    for path in (attachments.path(needed), attachments.path(unneeded), remains, foreign, outside):
        os.utime(path, (0, 0))
    assert attachments.remove_unreferenced({needed}) == 2
    assert not attachments.path(unneeded).exists()
    assert not remains.exists()
    for path in (attachments.path(needed), attachments.path(young), foreign, outside, link):
        assert path.exists()


def test_cleaning_a_folder_that_is_not_there_does_nothing(attachments: AttachmentStore) -> None:
    assert attachments.remove_unreferenced(set()) == 0
