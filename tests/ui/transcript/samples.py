from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.core.messages import Message, MessageState, Role, StopReason, Text, TurnStats

STATS = TurnStats(
    StopReason.STOP,
    generated_tokens=1_240,
    reasoning_tokens=840,
    reasoning_ms=12_300,
    first_token_ms=412,
    tokens_per_second=34.2,
)


def make_message(message_id: str, role: Role, text: str, **more: Any) -> Message:
    pictures = more.pop("pictures", ())
    base = Message(message_id, "c", None, role, (*pictures, Text(text)), datetime.now(UTC))
    return replace(base, **more)


def question(message_id: str = "q1", text: str = "Why is the sky blue?", **more: Any) -> Message:
    return make_message(message_id, Role.USER, text, **more)


def answer(message_id: str = "a1", text: str = "", **more: Any) -> Message:
    return make_message(message_id, Role.ASSISTANT, text, **more)


def growing(message_id: str = "a1", text: str = "", **more: Any) -> Message:
    return answer(message_id, text, state=MessageState.GROWING, **more)


def chat(n_messages: int, text: str = "Some **text** to read.\n\n- one\n- two\n") -> list[Message]:
    return [
        question(f"q{number}") if number % 2 == 0 else answer(f"a{number}", text * 3) for number in range(n_messages)
    ]
