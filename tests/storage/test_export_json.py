from __future__ import annotations

import base64
import copy
import errno
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import ExportFailed, ImportFailed
from app.core.messages import (
    Conversation,
    ConversationSummary,
    Message,
    MessageState,
    Picture,
    StopReason,
    Text,
    TurnStats,
)
from app.storage import import_json as importing
from app.storage.attachments import AttachmentStore
from app.storage.export_json import export_json
from app.storage.import_json import import_json
from app.storage.opening import open_store
from tests.storage.samples import NOON, answer, message, moments, texts, trees

ROOT = Path(__file__).resolve().parents[2]
SUMMARY = ConversationSummary("c", "A cup", NOON, NOON, pinned=True)


def alike(first: tuple[Message, ...], second: tuple[Message, ...]) -> bool:
    """Say whether messages are the same but for their ids, and form the same tree."""
    new_ids = {one.id: other.id for one, other in zip(first, second, strict=True)}
    assert not set(new_ids) & set(new_ids.values())
    return all(
        other
        == replace(
            one,
            id=other.id,
            conversation_id=other.conversation_id,
            parent_id=new_ids.get(one.parent_id) if one.parent_id else None,
        )
        for one, other in zip(first, second, strict=True)
    )


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_conversation_comes_back_from_its_export(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("json")
    here, there = AttachmentStore(folder / "here"), AttachmentStore(folder / "there")
    contents = data.draw(st.lists(st.binary(min_size=1, max_size=50), max_size=2))
    stored = [Picture(here.put(content), "p.png", "image/png", 1, 2, 3) for content in contents]
    one_part = texts.map(Text) | (st.sampled_from(stored) if stored else st.nothing())
    tree = data.draw(trees("c", st.lists(one_part, max_size=3).map(tuple)))
    summary = ConversationSummary(
        "c", data.draw(texts), data.draw(moments), data.draw(moments), data.draw(st.booleans())
    )
    with closing(open_store(folder / "1.sqlite3")[0]) as store:
        store.insert(Conversation(summary, tuple(tree)))
        store.show_version(data.draw(st.sampled_from(tree)).id)
        conversation, versions = store.load("c"), store.load_versions("c")
    export_json(conversation, folder / "x.json", here, versions)
    imported = import_json(folder / "x.json", there)
    assert imported.conversation.summary == replace(summary, id=imported.conversation.summary.id)
    assert alike(conversation.messages + versions, imported.conversation.messages + imported.versions)
    assert len(imported.conversation.messages) == len(conversation.messages)
    assert places(imported.conversation) == places(conversation)
    used = {picture.sha256 for each in tree for picture in each.pictures}
    assert all(there.read(sha256) == here.read(sha256) for sha256 in used)
    with closing(open_store(folder / "2.sqlite3")[0]) as store:
        store.insert(imported.conversation, imported.versions)
        assert store.load(imported.conversation.summary.id) == imported.conversation
        assert store.load_versions(imported.conversation.summary.id) == imported.versions


def places(conversation: Conversation) -> list[tuple[int, int]]:
    return [(ids.index(message_id), len(ids)) for message_id, ids in conversation.versions.items()]


@pytest.fixture
def exported(tmp_path: Path, attachments: AttachmentStore) -> Path:
    picture = Picture(attachments.put(b"png bytes"), "cup.png", "image/png", 640, 480, 391)
    question = message("c", parts=(picture, Text("What is this?")))
    stats = TurnStats(StopReason.STOP, prompt_tokens=5, tokens_per_second=12.5)
    reply = answer("c", question, "A cup.", stats=stats)
    target = tmp_path / "x.json"
    export_json(Conversation(SUMMARY, (question, reply)), target, attachments)
    return target


def test_the_file_is_as_documented(exported: Path) -> None:
    document = json.loads(exported.read_text(encoding="utf-8"))
    example = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8").split("```json")[1].split("```")[0]
    documented = json.loads(example)
    assert list(document) == list(documented)
    assert list(document["messages"][0]) == list(documented["messages"][0])
    assert [list(part) for part in document["messages"][0]["parts"]] == [
        list(part) for part in documented["messages"][0]["parts"]
    ]
    assert document["version"] == documented["version"] == 1
    (sha256,) = document["pictures"]
    assert hashlib.sha256(base64.b64decode(document["pictures"][sha256])).hexdigest() == sha256


def test_an_empty_conversation_and_lost_pictures_are_exported(tmp_path: Path, attachments: AttachmentStore) -> None:
    target = tmp_path / "x.json"
    export_json(Conversation(SUMMARY), target, attachments)
    assert import_json(target, attachments).conversation.messages == ()
    lost = Picture("a" * 64, "lost.png", "image/png", 1, 1, 1)
    export_json(Conversation(SUMMARY, (message("c", parts=(lost,)),)), target, attachments)
    assert import_json(target, attachments).conversation.messages[0].pictures == (lost,)


def test_statistics_that_are_no_numbers_do_not_break_the_file(tmp_path: Path, attachments: AttachmentStore) -> None:
    stats = TurnStats(StopReason.STOP, tokens_per_second=float("inf"), prefill_ms=float("nan"))
    target = tmp_path / "x.json"
    export_json(Conversation(SUMMARY, (message("c", stats=stats),)), target, attachments)
    assert import_json(target, attachments).conversation.messages[0].stats == TurnStats(StopReason.STOP)


def test_an_answer_that_was_growing_is_interrupted(tmp_path: Path, attachments: AttachmentStore) -> None:
    growing = message("c", "so f", state=MessageState.GROWING)
    export_json(Conversation(SUMMARY, (growing,)), tmp_path / "x.json", attachments)
    (imported,) = import_json(tmp_path / "x.json", attachments).conversation.messages
    assert imported.state is MessageState.INTERRUPTED


def test_importing_twice_gives_two_conversations(exported: Path, attachments: AttachmentStore) -> None:
    first, second = (import_json(exported, attachments).conversation for _ in range(2))
    assert first.summary.id != second.summary.id
    assert not {each.id for each in first.messages} & {each.id for each in second.messages}


def test_a_failed_export_leaves_the_old_file(
    exported: Path, attachments: AttachmentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = exported.read_bytes()
    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(ExportFailed, match="no room left"):
        export_json(Conversation(SUMMARY), exported, attachments)
    assert exported.read_bytes() == before
    assert sorted(path.name for path in exported.parent.iterdir()) == ["attachments", "x.json"]
    with pytest.raises(ExportFailed, match="does not exist"):
        export_json(Conversation(SUMMARY), exported.parent / "missing" / "x.json", attachments)


def _set(*path: str | int, to: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


HOSTILE = {
    "another format": _set("format", to="other"),
    "no version": _set("version", to=None),
    "a version that is a text": _set("version", to="1"),
    "a title that is a list": _set("title", to=["x"]),
    "a time without a zone": _set("created_at", to="2025-01-01T00:00:00"),
    "a time out of range": _set("created_at", to="0001-01-01T00:00:00+14:00"),
    "a number as truth": _set("pinned", to=1),
    "messages as an object": _set("messages", to={}),
    "a leaf that is not there": _set("current", to="nowhere"),
    "no leaf": _set("current", to=None),
    "an unknown role": _set("messages", 0, "role", to="root"),
    "an unknown state": _set("messages", 0, "state", to="undead"),
    "an unknown effort": _set("messages", 0, "effort", to="extreme"),
    "an id that occurs twice": lambda document: document["messages"].append(copy.deepcopy(document["messages"][0])),
    "a parent that comes later": lambda document: document["messages"].reverse(),
    "itself as parent": lambda document: document["messages"][0].update(parent=document["messages"][0]["id"]),
    "too many parts": _set("messages", 0, "parts", to=[{"kind": "text", "text": ""}] * 1001),
    "an unknown part": _set("messages", 0, "parts", to=[{"kind": "program", "text": "rm"}]),
    "a path as hash": _set("messages", 0, "parts", 0, "sha256", to="../../../etc/passwd"),
    "a web page as picture": _set("messages", 0, "parts", 0, "media_type", to="text/html"),
    "a negative width": _set("messages", 0, "parts", 0, "width", to=-1),
    "a width beyond the database": _set("messages", 0, "parts", 0, "width", to=1 << 70),
    "a fraction as count": _set("messages", 1, "stats", "prompt_tokens", to=1.5),
    "a truth as number": _set("messages", 1, "stats", "tokens_per_second", to=True),
    "a number beyond floats": _set("messages", 1, "stats", "tokens_per_second", to=10**400),
    "statistics without a reason": _set("messages", 1, "stats", to={}),
    "a message without parts": lambda document: document["messages"][0].pop("parts"),
    "a picture with another hash": _set("pictures", "b" * 64, to="aGVsbG8="),
    "a picture in broken base64": lambda document: document["pictures"].update(
        dict.fromkeys(document["pictures"], "@@@")
    ),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_file_that_is_not_in_order_is_refused_whole(
    exported: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    document = json.loads(exported.read_text(encoding="utf-8"))
    change(document)
    exported.write_text(json.dumps(document), encoding="utf-8")
    elsewhere = AttachmentStore(tmp_path / "elsewhere")
    with pytest.raises(ImportFailed, match="can't be imported"):
        import_json(exported, elsewhere)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 100,
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{",
        b'"solo-conversation"',
        b"[" * 200_000,
        b"1" * 10_000,
        b'{"format": NaN}',
    ],
)
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, attachments: AttachmentStore, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ImportFailed, match="can't be imported"):
        import_json(path, attachments)


def test_a_newer_or_larger_or_missing_file_is_explained(
    exported: Path, attachments: AttachmentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ImportFailed, match="does not exist"):
        import_json(exported.with_name("missing.json"), attachments)
    with pytest.raises(ImportFailed, match="is not a file"):
        import_json(exported.parent, attachments)
    document = json.loads(exported.read_text(encoding="utf-8"))
    exported.write_text(json.dumps(document | {"version": 2}), encoding="utf-8")
    with pytest.raises(ImportFailed, match="newer version of Solo"):
        import_json(exported, attachments)
    monkeypatch.setattr(importing, "MAX_FILE_BYTES", 100)
    with pytest.raises(ImportFailed, match="too large"):
        import_json(exported, attachments)


def test_unknown_fields_and_lone_surrogates_are_kept_out(exported: Path, attachments: AttachmentStore) -> None:
    document = json.loads(exported.read_text(encoding="utf-8"))
    document["title"] = "a\ud800"
    document["messages"][0]["onload"] = "x"
    document["extra"] = {"x": 1}
    exported.write_text(json.dumps(document), encoding="utf-8")
    assert import_json(exported, attachments).conversation.summary.title == "a�"
