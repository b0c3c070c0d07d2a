"""Rows of the conversations' file as values and back.

Reading is tolerant: a value that is missing or unknown costs itself, never its message or conversation.
"""

from __future__ import annotations

import json
import logging
import math
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from app.core.messages import (
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

log = logging.getLogger(__name__)

Kind = TypeVar("Kind", bound=StrEnum)

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


# --- single values ------------------------------------------------------------------------------


def clean(text: str) -> str:
    """Return `text` with pairs of surrogates joined and lone ones replaced: those can't be stored."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def time_text(moment: datetime) -> str:
    """Return a time in UTC, with a fixed width so that texts sort like times."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


def time_from(value: object) -> datetime:
    """Return the time a row holds, or 1970 where it holds none."""
    try:
        moment = datetime.fromisoformat(str(value))
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        return LONG_AGO


def text_from(value: object) -> str:
    """Return the text a row holds, or "" where it holds none."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def number_from(value: object) -> int:
    """Return the whole number a row holds, or 0 where it holds none."""
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else 0


def _kind_from(value: object, default: Kind) -> Kind:
    try:
        return type(default)(str(value))
    except ValueError:
        log.info("unknown %s %r is read as %s", type(default).__name__, value, default)
        return default


def _effort_from(value: object) -> ReasoningEffort | None:
    return None if value is None else _kind_from(value, ReasoningEffort.NONE)


def stats_text(stats: TurnStats | None) -> str | None:
    """Return statistics as JSON."""
    return None if stats is None else json.dumps(asdict(stats))


def stats_from(value: object) -> TurnStats | None:
    """Return the statistics a row holds, or None where it holds none that can be read."""
    try:
        raw = json.loads(text_from(value) or "null")
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict):
        return None
    counts: dict[str, float] = {}
    for item in fields(TurnStats):
        number = raw.get(item.name)
        is_count = isinstance(item.default, int | float)
        if is_count and isinstance(number, int | float) and math.isfinite(number):
            counts[item.name] = float(number) if isinstance(item.default, float) else int(number)
    # Each value has the kind of its field's default, which a mapping of names can't express.
    return TurnStats(
        _kind_from(raw.get("stop_reason"), StopReason.STOP),
        reasoning_end=_kind_from(raw.get("reasoning_end", ReasoningEnd.MODEL), ReasoningEnd.MODEL),
        **counts,  # type: ignore[arg-type]
    )


# --- reading ------------------------------------------------------------------------------------


def summary_from(row: sqlite3.Row) -> ConversationSummary:
    """Return what a list shows of a conversation."""
    return ConversationSummary(
        id=text_from(row["id"]),
        title=text_from(row["title"]),
        created_at=time_from(row["created_at"]),
        updated_at=time_from(row["updated_at"]),
        pinned=bool(number_from(row["pinned"])),
    )


def read_messages(connection: sqlite3.Connection, condition: str, values: Sequence[str]) -> list[Message]:
    """Return the messages that meet an SQL condition, oldest first, as far as they have come."""
    chosen = f"SELECT messages.id FROM messages WHERE {condition}"
    parts = _grouped(
        connection.execute(f"SELECT * FROM parts WHERE message_id IN ({chosen}) ORDER BY position, number", values)
    )
    growth = _grouped(
        connection.execute(f"SELECT * FROM growth WHERE message_id IN ({chosen}) ORDER BY number", values)
    )
    rows = connection.execute(f"SELECT * FROM messages WHERE {condition} ORDER BY number", values)
    return [_message_from(row, parts.get(row["id"], []), growth.get(row["id"], [])) for row in rows]


def _grouped(rows: Iterable[sqlite3.Row]) -> dict[str, list[sqlite3.Row]]:
    groups: dict[str, list[sqlite3.Row]] = {}
    for row in rows:
        groups.setdefault(row["message_id"], []).append(row)
    return groups


def _message_from(row: sqlite3.Row, parts: list[sqlite3.Row], growth: list[sqlite3.Row]) -> Message:
    saved = [part for part in map(_part_from, parts) if part is not None]
    return Message(
        id=text_from(row["id"]),
        conversation_id=text_from(row["conversation_id"]),
        parent_id=None if row["parent_id"] is None else text_from(row["parent_id"]),
        role=_kind_from(row["role"], Role.ASSISTANT),
        parts=_grown(saved, "".join(text_from(piece["text"]) for piece in growth)),
        created_at=time_from(row["created_at"]),
        state=_kind_from(row["state"], MessageState.COMPLETE),
        reasoning=text_from(row["reasoning"]) + "".join(text_from(piece["reasoning"]) for piece in growth),
        effort=_effort_from(row["effort"]),
        settings_rendered=text_from(row["settings_rendered"]),
        model_name=text_from(row["model_name"]),
        stats=stats_from(row["stats"]),
        error=text_from(row["error"]),
    )


def _grown(parts: list[Part], added: str) -> tuple[Part, ...]:
    """Append what arrived to the last written part."""
    if added and parts and isinstance(parts[-1], Text):
        return (*parts[:-1], Text(parts[-1].text + added))
    return (*parts, Text(added)) if added else tuple(parts)


def _part_from(row: sqlite3.Row) -> Part | None:
    if row["kind"] != "picture":
        return Text(text_from(row["text"]))
    if not isinstance(row["sha256"], str):
        log.info("a picture without a hash is left out of message %s", row["message_id"])
        return None
    return Picture(
        sha256=row["sha256"],
        name=text_from(row["name"]),
        media_type=text_from(row["media_type"]),
        width=number_from(row["width"]),
        height=number_from(row["height"]),
        tokens=number_from(row["tokens"]),
    )


# --- writing ------------------------------------------------------------------------------------


def insert_conversation(
    connection: sqlite3.Connection, summary: ConversationSummary, *, title_is_automatic: bool
) -> None:
    """Add a conversation without messages."""
    connection.execute(
        "INSERT INTO conversations (id, title, title_is_automatic, created_at, updated_at, pinned) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            summary.id,
            clean(summary.title),
            title_is_automatic,
            time_text(summary.created_at),
            time_text(summary.updated_at),
            summary.pinned,
        ),
    )


def insert_message(connection: sqlite3.Connection, message: Message) -> None:
    """Add a message and its parts."""
    connection.execute(
        "INSERT INTO messages (role, created_at, state, reasoning, effort, settings_rendered, model_name, "
        "stats, error, conversation_id, parent_id, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*_columns_of(message), message.conversation_id, message.parent_id, message.id),
    )
    _insert_parts(connection, message)


def update_message(connection: sqlite3.Connection, message: Message) -> bool:
    """Write everything but a message's place in the tree; says whether the message is there."""
    changed = connection.execute(
        "UPDATE messages SET role = ?, created_at = ?, state = ?, reasoning = ?, effort = ?, "
        "settings_rendered = ?, model_name = ?, stats = ?, error = ? WHERE id = ?",
        (*_columns_of(message), message.id),
    )
    if changed.rowcount == 0:
        return False
    connection.execute("DELETE FROM growth WHERE message_id = ?", (message.id,))
    connection.execute("DELETE FROM parts WHERE message_id = ?", (message.id,))
    _insert_parts(connection, message)
    return True


def _columns_of(message: Message) -> tuple[str | None, ...]:
    return (
        message.role,
        time_text(message.created_at),
        message.state,
        clean(message.reasoning),
        message.effort,
        clean(message.settings_rendered),
        clean(message.model_name),
        stats_text(message.stats),
        clean(message.error),
    )


def _insert_parts(connection: sqlite3.Connection, message: Message) -> None:
    connection.executemany(
        "INSERT INTO parts (message_id, position, kind, "
        "text, sha256, name, media_type, width, height, tokens) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(message.id, position, *_part_columns(part)) for position, part in enumerate(message.parts)],
    )


def _part_columns(part: Part) -> tuple[str | int | None, ...]:
    if isinstance(part, Text):
        return "text", clean(part.text), None, None, None, None, None, None
    return (
        "picture",
        None,
        part.sha256,
        clean(part.name),
        clean(part.media_type),
        part.width,
        part.height,
        part.tokens,
    )
