"""Messages, conversations and files of them for the tests, made by hand or by hypothesis."""

from __future__ import annotations

import itertools
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import strategies as st

from app.core.messages import (
    Message,
    MessageState,
    Part,
    Picture,
    ReasoningEffort,
    Role,
    StopReason,
    Text,
    TurnStats,
)
from app.storage.opening import open_store

NOON = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)


def message(
    conversation_id: str,
    text: str = "Hello",
    parent: Message | None = None,
    role: Role = Role.USER,
    **changes: object,
) -> Message:
    fields: dict[str, object] = {
        "id": f"message-{next(_numbers)}",
        "conversation_id": conversation_id,
        "parent_id": parent.id if parent else None,
        "role": role,
        "parts": (Text(text),) if text else (),
        "created_at": NOON,
    }
    return Message(**(fields | changes))  # type: ignore[arg-type]  # one builder for every field


def answer(conversation_id: str, parent: Message, text: str = "", **changes: object) -> Message:
    return message(conversation_id, text, parent, Role.ASSISTANT, **changes)


def fill(path: Path, n_conversations: int = 30) -> dict[str, tuple[Message, ...]]:
    """Write conversations and return their messages."""
    store, notice = open_store(path)
    assert notice is None
    written = {}
    with closing(store):
        for number in range(n_conversations):
            conversation_id = store.create_conversation(f"Conversation {number}").id
            question = message(conversation_id, f"question {number} " * 40)
            reply = answer(conversation_id, question, f"answer {number} " * 300)
            store.add_message(question)
            store.add_message(reply)
            written[conversation_id] = (question, reply)
    return written


def set_aside_files(path: Path) -> list[Path]:
    return sorted(path.parent.glob("conversations.damaged-*.sqlite3"))


# Any text without lone surrogates: NUL, CR LF, emoji, right-to-left marks ...
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["a\r\nb", "\x00", "👩‍👩‍👧 wide", "\u202etxt", "```py\nx", "'; DROP TABLE messages; --", "x" * 5000]
)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(lambda naive: naive.replace(tzinfo=UTC))
_counts = st.integers(0, 1 << 40)
_times = st.floats(0, 1e12)
statistics = st.builds(
    TurnStats,
    stop_reason=st.sampled_from(StopReason),
    prompt_tokens=_counts,
    cached_tokens=_counts,
    image_tokens=_counts,
    generated_tokens=_counts,
    reasoning_tokens=_counts,
    prefill_ms=_times,
    first_token_ms=_times,
    reasoning_ms=_times,
    tokens_per_second=_times,
)
pictures = st.builds(
    Picture,
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    name=texts,
    media_type=st.sampled_from(["image/png", "image/jpeg", "image/webp"]),
    width=st.integers(1, 100_000),
    height=st.integers(1, 100_000),
    tokens=st.integers(0, 5_000),
)
parts: st.SearchStrategy[tuple[Part, ...]] = st.lists(texts.map(Text) | pictures, max_size=4).map(tuple)
_finished = st.sampled_from([state for state in MessageState if state is not MessageState.GROWING])


@st.composite
def trees(draw: st.DrawFn, conversation_id: str, parts: st.SearchStrategy[tuple[Part, ...]] = parts) -> list[Message]:
    """Draw messages, each after the one it follows."""
    messages: list[Message] = []
    for number in range(draw(st.integers(1, 8))):
        parent = draw(st.sampled_from([None, *messages])) if messages else None
        messages.append(
            Message(
                id=f"{conversation_id}/{number}",
                conversation_id=conversation_id,
                parent_id=parent.id if parent else None,
                role=draw(st.sampled_from(Role)),
                parts=draw(parts),
                created_at=draw(moments),
                state=draw(_finished),
                reasoning=draw(texts),
                effort=draw(st.none() | st.sampled_from(ReasoningEffort)),
                settings_rendered=draw(texts),
                model_name=draw(texts),
                stats=draw(st.none() | statistics),
                error=draw(texts),
            )
        )
    return messages


class Clock:
    """Tell a time that goes on by a second with every look, or by more when told."""

    def __init__(self) -> None:
        self.moment = NOON

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment

    def pass_days(self, days: float) -> None:
        self.moment += timedelta(days=days)
