"""What a person is about to send, and the message it becomes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from app.core.messages import Message, Part, Picture, ReasoningEffort, Role, Text


@dataclass(frozen=True, slots=True)
class Draft:
    """Hold what a person is about to send."""

    text: str
    pictures: tuple[Picture, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return the parts of the message: pictures first, as the model's makers prescribe."""
        return (*self.pictures, *((Text(self.text),) if self.text else ()))


def new_message(
    conversation_id: str,
    parent_id: str | None,
    role: Role,
    parts: tuple[Part, ...],
    effort: ReasoningEffort,
) -> Message:
    """Return a message of this moment."""
    now = datetime.now(UTC)
    return Message(uuid.uuid4().hex, conversation_id, parent_id, role, parts, now, effort=effort)
