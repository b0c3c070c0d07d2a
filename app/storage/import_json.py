"""Read a conversation from a JSON export; the file is hostile until every value in it is checked."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import uuid
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from app.core.errors import ImportFailed
from app.core.messages import (
    Conversation,
    ConversationSummary,
    Message,
    MessageState,
    Part,
    Picture,
    ReasoningEffort,
    ReasoningEnd,
    Role,
    StopReason,
    Text,
    TurnStats,
)
from app.storage.attachments import AttachmentStore
from app.storage.export_json import FORMAT, VERSION
from app.storage.faults import file_sentence
from app.storage.rows import clean
from app.storage.tree import branch_to, versions_of

Kind = TypeVar("Kind", bound=StrEnum)

MAX_FILE_BYTES = 512 << 20
MAX_PICTURE_BYTES = 64 << 20
MAX_MESSAGES = 100_000
MAX_PARTS = 1_000
MAX_COUNT = 1 << 40  # far above any real count of tokens, far below what a database can't hold

_HASH = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"image/[a-z0-9][a-z0-9.+-]{0,60}")
# What exports of earlier versions do not have.
_LATER_STATS: dict[str, Any] = {"reasoning_end": "model", "left_out_messages": 0, "context_tokens": 0}


@dataclass(frozen=True, slots=True)
class Imported:
    """Hold what an export held, under new ids: a conversation and the messages off its branch."""

    conversation: Conversation
    versions: tuple[Message, ...]


def import_json(path: Path, attachments: AttachmentStore) -> Imported:
    """Read an export and store its pictures; nothing is stored of a file that is not in order.

    Raises ImportFailed; StorageError or DiskFull where a picture can't be stored.
    """
    content = _content(path)
    try:
        document = _mapping(json.loads(content, parse_constant=_refuse_constant))
        if document.get("format") != FORMAT:
            _refuse("format", "solo-conversation")
        if _count(document["version"]) > VERSION:
            raise ImportFailed(f"{path} was exported by a newer version of Solo. Update Solo, then import it again.")
        pictures = _pictures(document["pictures"])
        imported = _conversation(document)
    # MemoryError and RecursionError: nesting or numbers made to be too much.
    except (KeyError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise ImportFailed(
            f"{path} can't be imported: it is not a conversation that Solo exported, or it is damaged. "
            "Export the conversation again."
        ) from error
    for picture in pictures:
        attachments.put(picture)
    return imported


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():  # reading from a pipe could take for ever
            raise ImportFailed(f"{path} is not a file. Choose a file that Solo exported.")
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ImportFailed(file_sentence(error, "import the conversation", path)) from error
    if len(content) > MAX_FILE_BYTES:
        raise ImportFailed(f"{path} is too large to be a conversation that Solo exported. Choose another file.")
    return content


# --- the tree -----------------------------------------------------------------------------------


def _conversation(document: dict[str, Any]) -> Imported:
    summary = ConversationSummary(
        id=str(uuid.uuid4()),
        title=_text(document["title"]),
        created_at=_time(document["created_at"]),
        updated_at=_time(document["updated_at"]),
        pinned=_truth(document["pinned"]),
    )
    new_ids: dict[str, str] = {}
    raws = _list(document["messages"], MAX_MESSAGES)
    messages = [_message(_mapping(raw), summary.id, new_ids) for raw in raws]
    current = document["current"]
    branch = branch_to(messages, new_ids[_text(current)]) if messages else ()
    shown = {message.id for message in branch}
    others = tuple(message for message in messages if message.id not in shown)
    return Imported(Conversation(summary, branch, versions_of(messages, branch)), others)


def _message(raw: dict[str, Any], conversation_id: str, new_ids: dict[str, str]) -> Message:
    """Return a message under a new id, which is added to `new_ids`; its parent must be there already."""
    parent = raw["parent"]
    parent_id = None if parent is None else new_ids[_text(parent)]
    old_id = _text(raw["id"])
    if old_id in new_ids:
        _refuse(old_id, "an id of its own")
    new_ids[old_id] = str(uuid.uuid4())
    message = Message(
        id=new_ids[old_id],
        conversation_id=conversation_id,
        parent_id=parent_id,
        role=_kind(Role, raw["role"]),
        parts=tuple(_part(_mapping(part)) for part in _list(raw["parts"], MAX_PARTS)),
        created_at=_time(raw["created_at"]),
        state=_kind(MessageState, raw["state"]),
        reasoning=_text(raw["reasoning"]),
        effort=None if raw["effort"] is None else _kind(ReasoningEffort, raw["effort"]),
        settings_rendered=_text(raw["settings_rendered"]),
        model_name=_text(raw["model_name"]),
        stats=None if raw["stats"] is None else _stats(_mapping(raw["stats"])),
        error=_text(raw["error"]),
    )
    is_growing = message.state is MessageState.GROWING
    return replace(message, state=MessageState.INTERRUPTED) if is_growing else message


def _part(raw: dict[str, Any]) -> Part:
    if raw["kind"] == "text":
        return Text(_text(raw["text"]))
    if raw["kind"] != "picture":
        _refuse(raw["kind"], "text or picture")
    return Picture(
        sha256=_matching(_HASH, raw["sha256"]),
        name=_text(raw["name"]),
        media_type=_matching(_MEDIA_TYPE, raw["media_type"]),
        width=_count(raw["width"]),
        height=_count(raw["height"]),
        tokens=_count(raw["tokens"]),
    )


def _stats(raw: dict[str, Any]) -> TurnStats:
    raw = _LATER_STATS | raw
    counts: dict[str, Any] = {}
    for item in fields(TurnStats):
        if isinstance(item.default, int | float):
            counts[item.name] = (_number if isinstance(item.default, float) else _count)(raw[item.name])
    ends = _kind(StopReason, raw["stop_reason"]), _kind(ReasoningEnd, raw["reasoning_end"])
    return TurnStats(ends[0], reasoning_end=ends[1], **counts)


def _pictures(raw: object) -> list[bytes]:
    """Return the pictures' bytes, each of which has the hash it is filed under."""
    pictures = []
    for sha256, encoded in _mapping(raw).items():
        content = base64.b64decode(_text(encoded), validate=True)
        if len(content) > MAX_PICTURE_BYTES or hashlib.sha256(content).hexdigest() != sha256:
            _refuse(sha256, "the picture's hash")
        pictures.append(content)
    return pictures


# --- single values ------------------------------------------------------------------------------


def _refuse(value: object, wanted: str) -> NoReturn:
    raise ValueError(f"{str(value)[:80]!r} is not {wanted}")


def _refuse_constant(name: str) -> NoReturn:
    _refuse(name, "a number of JSON")


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else _refuse(value, "an object")


def _list(value: object, limit: int) -> list[Any]:
    return value if isinstance(value, list) and len(value) <= limit else _refuse(type(value), f"a list up to {limit}")


def _text(value: object) -> str:
    return clean(value) if isinstance(value, str) else _refuse(value, "a text")


def _truth(value: object) -> bool:
    return value if isinstance(value, bool) else _refuse(value, "true or false")


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        _refuse(value, "a count")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        _refuse(value, "a number")
    return float(value)


def _matching(pattern: re.Pattern[str], value: object) -> str:
    text = _text(value)
    return text if pattern.fullmatch(text) else _refuse(text, pattern.pattern)


def _kind(kind: type[Kind], value: object) -> Kind:
    return kind(_text(value))


def _time(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        _refuse(value, "a time with a zone")
    return moment.astimezone(UTC)
