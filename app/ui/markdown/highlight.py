"""Colour code: which part of a line is what, and the ink each gets."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Token, _TokenType
from pygments.util import ClassNotFound

LONGEST_CODE = 60_000  # characters; longer code stays plain
_LONGEST_LINE = 5_000
_TIME_LIMIT_S = 0.3  # of the processor


class Ink(StrEnum):
    """What a piece of code is, as far as its colour goes."""

    KEYWORD = "keyword"
    NAME = "name"
    BUILTIN = "builtin"
    STRING = "string"
    NUMBER = "number"
    COMMENT = "comment"
    REMOVED = "removed"
    ADDED = "added"


LIGHT_INKS = {
    Ink.KEYWORD: "#7A2E8E",
    Ink.NAME: "#1F5FA8",
    Ink.BUILTIN: "#0B6670",
    Ink.STRING: "#2A6B35",
    Ink.NUMBER: "#984A00",
    Ink.COMMENT: "#6A655D",
    Ink.REMOVED: "#B3261E",
    Ink.ADDED: "#1E7A3C",
}
DARK_INKS = {
    Ink.KEYWORD: "#C9A2F2",
    Ink.NAME: "#8AB8F0",
    Ink.BUILTIN: "#7CCBC8",
    Ink.STRING: "#9CCB8A",
    Ink.NUMBER: "#E5B07A",
    Ink.COMMENT: "#96928B",
    Ink.REMOVED: "#F2857D",
    Ink.ADDED: "#6CCB8B",
}
_INKS: tuple[tuple[_TokenType, Ink], ...] = (
    (Token.Comment, Ink.COMMENT),
    (Token.Keyword.Constant, Ink.NUMBER),
    (Token.Keyword.Type, Ink.BUILTIN),
    (Token.Keyword, Ink.KEYWORD),
    (Token.Operator.Word, Ink.KEYWORD),
    (Token.Literal.Number, Ink.NUMBER),
    (Token.Literal, Ink.STRING),
    (Token.Name.Function, Ink.NAME),
    (Token.Name.Class, Ink.NAME),
    (Token.Name.Tag, Ink.KEYWORD),
    (Token.Name.Attribute, Ink.NAME),
    (Token.Name.Builtin, Ink.BUILTIN),
    (Token.Name.Exception, Ink.BUILTIN),
    (Token.Name.Decorator, Ink.BUILTIN),
    (Token.Generic.Deleted, Ink.REMOVED),
    (Token.Generic.Inserted, Ink.ADDED),
    (Token.Generic.Heading, Ink.NAME),
    (Token.Generic.Subheading, Ink.NAME),
    (Token.Generic.Prompt, Ink.COMMENT),
)
_TITLES = {"text": "Text", "txt": "Text", "plaintext": "Text", "sh": "Shell", "shell": "Shell", "r": "R"}
_LABEL = re.compile(r"[\w+#.-]{1,24}")


@dataclass(frozen=True, slots=True)
class Span:
    """Colour `length` UTF-16 units from `start` within a line."""

    start: int
    length: int
    ink: Ink


Line = tuple[Span, ...]


def highlight(code: str, language: str) -> list[Line]:
    """Return the spans of every line of `code`; none where the language is unknown or the code too long."""
    lines: list[list[Span]] = [[] for _ in range(code.count("\n") + 1)]
    lexer = _lexer(language.lower())
    if lexer is None or len(code) > LONGEST_CODE or _has_giant_line(code):
        return [()] * len(lines)
    number, column = 0, 0
    for ink, text in _tokens(lexer, code):
        for index, part in enumerate(text.split("\n")):
            if index:
                number, column = number + 1, 0
            length = _units(part)
            if ink is not None and part:
                lines[number].append(Span(column, length, ink))
            column += length
    return [tuple(spans) for spans in lines]


def language_label(language: str) -> str:
    """Return how a language is named above its code."""
    lexer = _lexer(language.lower())
    if language.lower() in _TITLES:
        return _TITLES[language.lower()]
    if lexer is not None:
        return str(lexer.name)
    return language if _LABEL.fullmatch(language) else "Code"


def _tokens(lexer: Lexer, code: str) -> Iterator[tuple[Ink | None, str]]:
    """Yield coloured parts of `code` until the time is up."""
    deadline = time.thread_time() + _TIME_LIMIT_S
    for _at, kind, text in lexer.get_tokens_unprocessed(code):
        yield _ink(kind), text
        if time.thread_time() > deadline:
            return


@lru_cache(maxsize=512)
def _ink(kind: _TokenType) -> Ink | None:
    return next((ink for parent, ink in _INKS if kind[: len(parent)] == parent), None)


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer | None:
    """Return the lexer of a language; None for an unknown one, which is no failure."""
    if not language or not _LABEL.fullmatch(language):
        return None
    try:
        return get_lexer_by_name(language)
    except ClassNotFound:
        return None


def _has_giant_line(code: str) -> bool:
    return any(len(line) > _LONGEST_LINE for line in code.split("\n"))


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
