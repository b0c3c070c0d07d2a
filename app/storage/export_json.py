"""Write a conversation as one JSON file that holds everything; docs/formats.md describes it."""

from __future__ import annotations

import base64
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.core.errors import ExportFailed, StorageError
from app.core.files import write_atomically
from app.core.messages import Conversation, Message, Part, Text, TurnStats
from app.storage.attachments import AttachmentStore
from app.storage.export_markdown import EXPORT_MODE
from app.storage.faults import file_sentence
from app.storage.rows import clean, time_text
from app.storage.tree import oldest_first

log = logging.getLogger(__name__)

FORMAT = "solo-conversation"
VERSION = 1


def export_json(
    conversation: Conversation, target: Path, attachments: AttachmentStore, versions: Sequence[Message] = ()
) -> None:
    """Write `target` (replaced if it is there), with the pictures inside.

    `versions` are messages off the current branch, each after the one it follows. Raises ExportFailed; then
    `target` is as it was.
    """
    document = _document(conversation, versions, attachments)
    content = clean(json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)).encode()
    try:
        if not target.parent.is_dir():
            raise FileNotFoundError(2, "folder missing", str(target.parent))
        write_atomically(target, content, mode=EXPORT_MODE)
    except OSError as error:
        raise ExportFailed(file_sentence(error, "export the conversation", target)) from error


def _document(conversation: Conversation, versions: Sequence[Message], attachments: AttachmentStore) -> dict[str, Any]:
    summary = conversation.summary
    messages = oldest_first(conversation, versions)
    known: set[str] = set()
    written = []
    for message in messages:
        written.append(_message(message, known))
        known.add(message.id)
    return {
        "format": FORMAT,
        "version": VERSION,
        "title": summary.title,
        "created_at": time_text(summary.created_at),
        "updated_at": time_text(summary.updated_at),
        "pinned": summary.pinned,
        "current": conversation.messages[-1].id if conversation.messages else None,
        "messages": written,
        "pictures": _pictures(messages, attachments),
    }


def _message(message: Message, known: set[str]) -> dict[str, Any]:
    return {
        "id": message.id,
        "parent": message.parent_id if message.parent_id in known else None,
        "role": message.role,
        "created_at": time_text(message.created_at),
        "state": message.state,
        "parts": [_part(part) for part in message.parts],
        "reasoning": message.reasoning,
        "effort": message.effort,
        "settings_rendered": message.settings_rendered,
        "model_name": message.model_name,
        "stats": None if message.stats is None else _stats(message.stats),
        "error": message.error,
    }


def _part(part: Part) -> dict[str, Any]:
    return {"kind": "text" if isinstance(part, Text) else "picture", **asdict(part)}


def _stats(stats: TurnStats) -> dict[str, Any]:
    """Return statistics as numbers JSON knows."""
    values = asdict(stats).items()
    return {name: 0.0 if isinstance(value, float) and not math.isfinite(value) else value for name, value in values}


def _pictures(messages: Sequence[Message], attachments: AttachmentStore) -> dict[str, str]:
    """Return the originals in base64; a lost one must not keep the rest from being saved."""
    originals: dict[str, str] = {}
    for sha256 in dict.fromkeys(picture.sha256 for message in messages for picture in message.pictures):
        try:
            originals[sha256] = base64.b64encode(attachments.read(sha256)).decode("ascii")
        except StorageError:
            log.info("a picture can't be exported", exc_info=True)
    return originals
