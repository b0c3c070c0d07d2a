from __future__ import annotations

import errno
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.core.errors import DatabaseTooNew, DiskFull
from app.core.messages import Picture
from app.storage import opening
from app.storage.attachments import AttachmentStore
from app.storage.conversations import ConversationStore
from app.storage.database import connect
from app.storage.opening import open_store, set_aside
from tests.storage.samples import fill, message, set_aside_files


def assert_usable(store: ConversationStore) -> None:
    conversation_id = store.create_conversation("after").id
    added = message(conversation_id, "still works")
    store.add_message(added)
    assert store.load(conversation_id).messages == (added,)
    assert conversation_id in {each.id for each in store.list_conversations("still works")}


def test_a_new_file_needs_no_notice(store: ConversationStore, database_path: Path) -> None:
    assert store.list_conversations() == ()
    assert set_aside_files(database_path) == []


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "all NULs": lambda content: bytes(len(content)),
    "garbage": lambda content: random.Random(1).randbytes(len(content)),
    "text": lambda content: b"these are not the bytes you are looking for",
    "half": lambda content: content[: len(content) // 2],
    "header only": lambda content: content[:100],
    "one byte": lambda content: content[:1],
    "one page": lambda content: content[:4096],
    "NULs after the first page": lambda content: content[:4096] + bytes(len(content) - 4096),
    "NULs in the first page": lambda content: content[:100] + bytes(3996) + content[4096:],
    "another program's": lambda content: _foreign_database(),
}


def _foreign_database() -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
        return connection.serialize()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_set_aside_and_a_usable_store_opens(
    database_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    fill(database_path, 10)
    damaged = damage(database_path.read_bytes())
    database_path.write_bytes(damaged)
    store, notice = open_store(database_path)
    with closing(store):
        (kept,) = set_aside_files(database_path)
        assert kept.read_bytes() == damaged
        assert notice is not None
        assert "damaged" in notice
        assert str(kept) in notice
        assert_usable(store)
    again, notice = open_store(database_path)
    again.close()
    assert notice is None


def test_an_emptied_file_with_a_log_beside_it_is_set_aside(database_path: Path) -> None:
    fill(database_path, 1)
    database_path.write_bytes(b"")
    log = database_path.with_name(database_path.name + "-wal")
    log.write_bytes(b"what was not yet in the file")
    store, notice = open_store(database_path)
    with closing(store):
        assert notice is not None
        (kept,) = set_aside_files(database_path)
        assert kept.with_name(kept.name + "-wal").read_bytes() == b"what was not yet in the file"
        assert_usable(store)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_broken_a_usable_store_opens_and_nothing_is_deleted(database_path: Path, seed: int) -> None:
    written = fill(database_path, 12)
    content = bytearray(database_path.read_bytes())
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 3)):
        page = chance.randrange(len(content) // 4096)
        match chance.choice(["nul", "noise", "bit", "cut"]):
            case "nul":
                content[page * 4096 : (page + 1) * 4096] = bytes(4096)
            case "noise":
                content[page * 4096 : (page + 1) * 4096] = chance.randbytes(4096)
            case "bit":
                content[page * 4096 + chance.randrange(200)] ^= 1 << chance.randrange(8)
            case _:
                del content[max(4096, chance.randrange(len(content))) :]
    database_path.write_bytes(content)
    try:
        store, notice = open_store(database_path)
    except DatabaseTooNew:  # a flipped bit in the version can't be told from a newer version
        assert database_path.read_bytes()[:100] == content[:100]
        return
    with closing(store):
        kept = set_aside_files(database_path)
        assert [path.read_bytes() for path in kept] == ([bytes(content)] if notice else [])
        for summary in store.list_conversations():
            store.load(summary.id)
        for query in ("answer 1", "question", "数据"):
            store.list_conversations(query)
        if notice is None:
            assert len(store.list_conversations()) == len(written)
        assert_usable(store)


def test_what_can_be_read_is_rescued(database_path: Path) -> None:
    written = fill(database_path, 60)
    content = bytearray(database_path.read_bytes())
    with closing(connect(database_path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'parts'").fetchone()[0]
    victim = content.find(b"answer 30 answer 30")
    page = victim // 4096
    assert page + 1 != root
    content[page * 4096 : (page + 1) * 4096] = bytes(4096)
    database_path.write_bytes(content)
    store, notice = open_store(database_path)
    with closing(store):
        assert notice is not None
        assert "60 of them could be rescued" in notice
        whole = sum(store.load(conversation_id).messages == messages for conversation_id, messages in written.items())
        assert whole >= 50
        assert store.list_conversations("answer 59")


@pytest.mark.parametrize("failing", ["copyfile", "rescue"])
def test_a_rescue_that_fails_changes_nothing(
    database_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    fill(database_path, 5)
    content = bytearray(database_path.read_bytes())
    content[-4096:] = bytes(4096)
    content[4096 * 8 : 4096 * 9] = b"\xff" * 4096
    database_path.write_bytes(content)

    def no_room(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(*{"copyfile": (shutil, "copyfile"), "rescue": (opening, "rescue")}[failing], no_room)
        with pytest.raises(DiskFull, match="can't rescue"):
            open_store(database_path)
    assert database_path.read_bytes() == content
    assert [path.name for path in database_path.parent.iterdir() if path.suffix == ".sqlite3"] == [database_path.name]
    store, notice = open_store(database_path)
    store.close()
    assert notice is not None
    assert sorted(path.name[:20] for path in database_path.parent.iterdir()) == [
        "conversations.damage",
        "conversations.sqlite",
    ]


def test_messages_of_a_lost_conversation_get_a_new_one(database_path: Path) -> None:
    written = fill(database_path, 3)
    with closing(sqlite3.connect(database_path)) as connection:
        connection.execute("DELETE FROM conversations")  # without foreign keys, so the messages stay
        connection.commit()
        connection.execute("PRAGMA application_id = 0")
    store, notice = open_store(database_path)
    with closing(store):
        assert notice is not None
        assert {each.title for each in store.list_conversations()} == {"Rescued conversation"}
        for conversation_id, messages in written.items():
            assert store.load(conversation_id).messages == messages


def test_one_damaged_file_never_replaces_another(database_path: Path) -> None:
    names = set()
    for number in range(3):
        fill(database_path, 1)
        database_path.write_bytes(bytes([number]) * 5000)
        names.add(set_aside(database_path))
    assert len(names) == 3
    assert {path.read_bytes()[0] for path in names} == {0, 1, 2}


def test_old_pictures_go_unless_a_message_or_a_damaged_file_has_them(tmp_path: Path) -> None:
    path = tmp_path / "conversations.sqlite3"
    attachments = AttachmentStore(tmp_path / "attachments")
    needed, deleted, unneeded = (attachments.put(content) for content in (b"needed", b"deleted", b"unneeded"))
    for sha256 in (needed, deleted, unneeded):
        os.utime(attachments.path(sha256), (0, 0))
    draft = attachments.put(b"a draft's")
    store, _ = open_store(path, attachments)
    assert not attachments.path(unneeded).exists()
    assert attachments.path(draft).exists()
    unneeded = attachments.put(b"unneeded")
    needed, deleted = attachments.put(b"needed"), attachments.put(b"deleted")
    for sha256, title in ((needed, "kept"), (deleted, "gone")):
        conversation_id = store.create_conversation(title).id
        picture = Picture(sha256, "p", "image/png", 1, 1, 1)
        store.add_message(message(conversation_id, parts=(picture,)))
    store.delete(conversation_id)
    store.close()
    for sha256 in (needed, deleted, unneeded):
        os.utime(attachments.path(sha256), (0, 0))
    database_path_bytes = path.read_bytes()
    path.write_bytes(bytes(len(database_path_bytes)))
    store, notice = open_store(path, attachments)
    store.close()
    assert notice is not None
    assert attachments.path(needed).exists()
    (kept,) = set_aside_files(path)
    kept.unlink()
    path.write_bytes(database_path_bytes)
    store, _ = open_store(path, attachments)
    store.close()
    assert attachments.path(needed).exists()
    assert attachments.path(deleted).exists()
    assert not attachments.path(unneeded).exists()
