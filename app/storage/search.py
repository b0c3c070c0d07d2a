"""Full-text search: which conversations hold every word of a query, in their title or in any message."""

from __future__ import annotations

import logging
import re
import sqlite3
import unicodedata
from collections.abc import Callable, Sequence

from app.core.errors import DiskFull, StorageError
from app.storage.database import Database

log = logging.getLogger(__name__)

_MAX_WORDS = 16
_MAX_WORD_LENGTH = 100
_ACCENTS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f]")

_TITLE_HOLDS = "instr(fold(conversations.title), ?) > 0"
_INDEX_HOLDS = """conversations.id IN (
    SELECT messages.conversation_id FROM search_index
    JOIN parts ON parts.number = search_index.rowid JOIN messages ON messages.id = parts.message_id
    WHERE search_index MATCH ?)"""
_TEXT_HOLDS = """conversations.id IN (
    SELECT messages.conversation_id FROM parts JOIN messages ON messages.id = parts.message_id
    WHERE parts.kind = 'text' AND instr(fold(parts.text), ?) > 0)"""


def fold(text: object) -> str:
    """Return `text` without case and accents, for comparing."""
    if not isinstance(text, str):
        return ""
    if text.isascii():  # most texts by far, and twenty times as fast
        return text.lower()
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", text).casefold())


class SearchIndex:
    """Keep the FTS5 index over the parts' texts; without FTS5 the texts themselves are searched.

    The index follows the texts in transactions of its own: whatever is wrong with it, a message is saved and
    found. What it misses, e.g. after a kill or use where FTS5 is missing, is added when the file is opened.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.reading() as connection:
            connection.create_function("fold", 1, fold, deterministic=True)
            self.is_usable = _has_fts5(connection)

    def catch_up(self) -> None:
        """Create the index where it is missing and bring it up to date."""
        self._try(_bring_up_to_date)

    def replace(self, message_ids: Sequence[str], stale: Sequence[int] = ()) -> None:
        """Index the texts of messages anew; `stale` are the numbers of parts they had before."""
        self._try(lambda connection: _replace(connection, message_ids, stale))

    def give_up(self) -> None:
        """Search without the index until the next start, which makes it anew."""
        self.is_usable = False
        log.info("the search index is not used until the next start", exc_info=True)
        try:
            with self._database.writing() as connection:
                connection.execute("DROP TABLE IF EXISTS search_index")
        except (StorageError, DiskFull):
            log.info("the search index can't be removed", exc_info=True)

    def condition(self, query: str) -> tuple[str, list[str]]:
        """Return an SQL condition on `conversations` with its values; an empty query allows all."""
        conditions: list[str] = []
        values: list[str] = []
        for word in _words(query):
            if self.is_usable and _is_indexed(word):
                conditions.append(f"({_TITLE_HOLDS} OR {_INDEX_HOLDS})")
                values += [fold(word), '"{}"*'.format(word.replace('"', '""'))]
            else:
                conditions.append(f"({_TITLE_HOLDS} OR {_TEXT_HOLDS})")
                values += [fold(word), fold(word)]
        return " AND ".join(conditions) or "TRUE", values

    def _try(self, change: Callable[[sqlite3.Connection], None]) -> None:
        if not self.is_usable:
            return
        try:
            with self._database.writing() as connection:
                change(connection)
        except (StorageError, DiskFull):
            self.give_up()


def _has_fts5(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone() is not None


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS search_index USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2')"
    )
    connection.execute("DELETE FROM search_index WHERE rowid NOT IN (SELECT number FROM parts)")
    connection.execute(
        "INSERT INTO search_index (rowid, text) SELECT number, text FROM parts "
        "WHERE kind = 'text' AND number NOT IN (SELECT rowid FROM search_index)"
    )


def _replace(connection: sqlite3.Connection, message_ids: Sequence[str], stale: Sequence[int]) -> None:
    connection.executemany("DELETE FROM search_index WHERE rowid = ?", [(number,) for number in stale])
    connection.executemany(
        "INSERT INTO search_index (rowid, text) SELECT number, text FROM parts WHERE message_id = ? AND kind = 'text'",
        [(message_id,) for message_id in message_ids],
    )


def _words(query: str) -> list[str]:
    """Return what to look for; characters that can't be written or bound part words."""
    printable = "".join(" " if unicodedata.category(char) in {"Cc", "Cs"} else char for char in query)
    words = [word[:_MAX_WORD_LENGTH] for word in printable.split()]
    return [word for word in words if fold(word)][:_MAX_WORDS]


def _is_indexed(word: str) -> bool:
    """Say whether the index knows `word` by its beginning; it knows no words in scripts without spaces."""
    has_letters = any(char.isalnum() for char in word)
    return has_letters and all(char.isalnum() or char in "'’-_.@" for char in word) and not _lacks_spaces(word)


def _lacks_spaces(word: str) -> bool:
    return any(
        unicodedata.east_asian_width(char) in "WF" or "\u0e00" <= char <= "\u0eff" or "\u1000" <= char <= "\u17ff"
        for char in word
    )
