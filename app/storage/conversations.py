"""The conversations on disk: written by one worker, committed before any call returns."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.core.errors import ConversationMissing, DatabaseDamaged
from app.core.messages import Conversation, ConversationSummary, Message, MessageState
from app.storage.database import Database
from app.storage.rows import (
    clean,
    insert_conversation,
    insert_message,
    read_messages,
    summary_from,
    text_from,
    time_text,
    update_message,
)
from app.storage.search import SearchIndex
from app.storage.tree import NO_LEAF, branch_to, newest_below, oldest_first, versions_of

Clock = Callable[[], datetime]

KEEP_DELETED = timedelta(days=30)


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


class ConversationStore:
    """Keep conversations, each a tree of messages with one current branch.

    Every method raises StorageError, DatabaseDamaged or DiskFull when the file can't be read or written, and
    ConversationMissing when the conversation or message is not there. What a method wrote is on disk when it
    returns. Open one with `app.storage.opening.open_store`.
    """

    def __init__(self, database: Database, now: Clock = utc_now) -> None:
        self._database = database
        self._now = now
        self._search = SearchIndex(database)

    def close(self) -> None:
        """Let go of the file; the store can't be used after that."""
        self._database.close()

    # --- conversations ---

    def create_conversation(self, title: str) -> ConversationSummary:
        """Start an empty conversation."""
        now = self._now()
        summary = ConversationSummary(_new_id(), clean(title), created_at=now, updated_at=now)
        with self._database.writing() as connection:
            insert_conversation(connection, summary, title_is_automatic=True)
        return summary

    def list_conversations(self, query: str = "") -> tuple[ConversationSummary, ...]:
        """Return those whose title or messages hold every word of `query`; pinned first, then newest."""
        try:
            return self._list(query)
        except DatabaseDamaged:
            if not self._search.is_usable:
                raise
            self._search.give_up()
            return self._list(query)

    def _list(self, query: str) -> tuple[ConversationSummary, ...]:
        condition, values = self._search.condition(query)
        with self._database.reading() as connection:
            return _summaries(connection, condition, values)

    def load(self, conversation_id: str) -> Conversation:
        """Return a conversation along its current branch."""
        with self._database.reading() as connection:
            row = _conversation_row(connection, conversation_id)
            messages = _messages_of(connection, conversation_id)
        return _conversation(row, messages, row["leaf_id"])

    def load_until(self, conversation_id: str, message_id: str | None) -> Conversation:
        """Return a conversation along the branch that ends with this message; None gives no messages."""
        with self._database.reading() as connection:
            row = _conversation_row(connection, conversation_id)
            messages = _messages_of(connection, conversation_id)
        return _conversation(row, messages, message_id or NO_LEAF)

    def load_versions(self, conversation_id: str) -> tuple[Message, ...]:
        """Return the messages off the current branch, each after the one it follows."""
        with self._database.reading() as connection:
            row = _conversation_row(connection, conversation_id)
            messages = _messages_of(connection, conversation_id)
        shown = {message.id for message in branch_to(messages, row["leaf_id"])}
        return tuple(message for message in messages if message.id not in shown)

    def rename(self, conversation_id: str, title: str) -> None:
        """Give a conversation the title a person chose."""
        self._change(conversation_id, "title = ?, title_is_automatic = FALSE", clean(title))

    def pin(self, conversation_id: str, *, pinned: bool) -> None:
        """Keep a conversation at the top of the list, or no longer."""
        self._change(conversation_id, "pinned = ?", pinned)

    def delete(self, conversation_id: str) -> ConversationSummary:
        """Take a conversation off the list; it is kept for 30 days and can be restored."""
        with self._database.reading() as connection:
            summary = summary_from(_conversation_row(connection, conversation_id))
        self._change(conversation_id, "deleted_at = ?", time_text(self._now()))
        return summary

    def restore(self, conversation_id: str) -> None:
        """Undo `delete`."""
        self._change(conversation_id, "deleted_at = NULL")

    def _change(self, conversation_id: str, assignment: str, *values: str | int) -> None:
        with self._database.writing() as connection:
            changed = connection.execute(
                f"UPDATE conversations SET {assignment} WHERE id = ?", (*values, conversation_id)
            )
            if changed.rowcount == 0:
                raise _conversation_missing()

    def insert(self, conversation: Conversation, versions: Sequence[Message] = ()) -> None:
        """Add a whole conversation, e.g. an imported one; `versions` are messages off its branch."""
        messages = oldest_first(conversation, versions)
        with self._database.writing() as connection:
            insert_conversation(connection, conversation.summary, title_is_automatic=False)
            for message in messages:
                insert_message(connection, message)
            if conversation.messages:
                _set_leaf(connection, conversation.summary.id, conversation.messages[-1].id)
        self._search.replace([message.id for message in messages])

    # --- messages ---

    def add_message(self, message: Message) -> None:
        """Save a message below its parent and make its branch the current one."""
        with self._database.writing() as connection:
            _conversation_row(connection, message.conversation_id)
            if message.parent_id is not None:
                _expect_message(connection, message.conversation_id, message.parent_id)
            insert_message(connection, message)
            _set_leaf(connection, message.conversation_id, message.id)
            self._touch(connection, message.id)
        self._search.replace([message.id])

    def grow(self, message_id: str, text_added: str, reasoning_added: str = "") -> None:
        """Append to a growing message; costs what is appended and one sync of the disk."""
        with self._database.writing() as connection:
            grown = connection.execute(
                "INSERT INTO growth (message_id, text, reasoning) SELECT id, ?, ? FROM messages WHERE id = ?",
                (text_added and clean(text_added), reasoning_added and clean(reasoning_added), message_id),
            )
            if grown.rowcount == 0:
                raise _message_missing()

    def note_settings(self, message_id: str, settings_rendered: str) -> None:
        """Keep what the settings in the prompt of an answer under way said."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE messages SET settings_rendered = ? WHERE id = ?", (settings_rendered, message_id)
            )

    def finish(self, message: Message) -> None:
        """Replace what grew by the final message."""
        with self._database.writing() as connection:
            rows = connection.execute("SELECT number FROM parts WHERE message_id = ?", (message.id,))
            stale = [row["number"] for row in rows]
            if not update_message(connection, message):
                raise _message_missing()
            self._touch(connection, message.id)
        self._search.replace([message.id], stale)

    def message(self, message_id: str) -> Message:
        """Return one message."""
        with self._database.reading() as connection:
            return _message(connection, message_id)

    def siblings(self, message_id: str) -> tuple[Message, ...]:
        """Return every version of a message, itself included, oldest first."""
        with self._database.reading() as connection:
            message = _message(connection, message_id)
            parent = "parent_id IS NULL" if message.parent_id is None else "parent_id = ?"
            values = [message.conversation_id, *([message.parent_id] if message.parent_id else [])]
            return tuple(read_messages(connection, f"conversation_id = ? AND {parent}", values))

    def show_version(self, message_id: str) -> None:
        """Make the newest branch through this message the current one."""
        with self._database.writing() as connection:
            chosen = _message(connection, message_id)
            messages = _messages_of(connection, chosen.conversation_id)
            _set_leaf(connection, chosen.conversation_id, newest_below(messages, chosen).id)

    def _touch(self, connection: sqlite3.Connection, message_id: str) -> None:
        connection.execute(
            "UPDATE conversations SET updated_at = ? WHERE id = (SELECT conversation_id FROM messages WHERE id = ?)",
            (time_text(self._now()), message_id),
        )

    # --- keeping house ---

    def settle(self) -> int:
        """Mark answers cut off by the end of the program, forget what was deleted long ago.

        Returns how many answers were cut off. Call it once, before anything else is written.
        """
        with self._database.writing() as connection:
            unfinished = "state = 'growing' OR id IN (SELECT message_id FROM growth)"
            cut_off = read_messages(connection, unfinished, ())
            for message in cut_off:
                update_message(connection, replace(message, state=MessageState.INTERRUPTED))
            connection.execute(
                "DELETE FROM conversations WHERE deleted_at LIKE '____-__-__T%' AND deleted_at < ?",
                (time_text(self._now() - KEEP_DELETED),),
            )
        self._search.catch_up()
        return len(cut_off)

    def referenced_pictures(self) -> frozenset[str]:
        """Return the hashes of all pictures any message has, those of deleted conversations included."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT DISTINCT sha256 FROM parts WHERE sha256 IS NOT NULL")
            return frozenset(text_from(row["sha256"]) for row in rows)


def _new_id() -> str:
    return str(uuid.uuid4())


def _conversation_missing() -> ConversationMissing:
    return ConversationMissing("This conversation is not there any more. Choose another one from the list.")


def _message_missing() -> ConversationMissing:
    return ConversationMissing("This message is not there any more. Open the conversation again.")


def _conversation_row(connection: sqlite3.Connection, conversation_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM conversations WHERE id = ? AND deleted_at IS NULL", (conversation_id,)
    ).fetchone()
    if row is None:
        raise _conversation_missing()
    return row


def _summaries(
    connection: sqlite3.Connection, condition: str, values: Sequence[str]
) -> tuple[ConversationSummary, ...]:
    rows = connection.execute(
        f"SELECT * FROM conversations WHERE deleted_at IS NULL AND {condition} "
        "ORDER BY coalesce(pinned, 0) DESC, updated_at DESC, rowid DESC",
        values,
    )
    return tuple(summary_from(row) for row in rows)


def _conversation(row: sqlite3.Row, messages: Sequence[Message], leaf_id: str | None) -> Conversation:
    branch = branch_to(messages, leaf_id)
    return Conversation(summary_from(row), branch, versions_of(messages, branch))


def _messages_of(connection: sqlite3.Connection, conversation_id: str) -> list[Message]:
    return read_messages(connection, "conversation_id = ?", (conversation_id,))


def _message(connection: sqlite3.Connection, message_id: str) -> Message:
    found = read_messages(connection, "id = ?", (message_id,))
    if not found:
        raise _message_missing()
    return found[0]


def _expect_message(connection: sqlite3.Connection, conversation_id: str, message_id: str) -> None:
    found = connection.execute(
        "SELECT 1 FROM messages WHERE id = ? AND conversation_id = ?", (message_id, conversation_id)
    )
    if found.fetchone() is None:
        raise _message_missing()


def _set_leaf(connection: sqlite3.Connection, conversation_id: str, message_id: str) -> None:
    connection.execute("UPDATE conversations SET leaf_id = ? WHERE id = ?", (message_id, conversation_id))
