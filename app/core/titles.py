"""Names made from text: a conversation's first title, and file names that every system accepts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from app.core.messages import Part, Picture, Text

TITLE_LENGTH = 60  # characters
_FILE_NAME_LENGTH = 80  # characters
_FILE_NAME_BYTES = 180  # leaves room for extensions within the usual 255

_ONLY_MARKUP = re.compile(r"^[\s#>*_`~=+|-]*$")
_LEADING_MARKUP = re.compile(r"^\s*(?:#{1,6}\s+|>\s*|[*+-]\s+|\d{1,3}[.)]\s+)+")
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_RESERVED = re.compile(r"^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:\.|$)", re.IGNORECASE)
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}  # Unicode categories
_JOINER = "\u200d"  # holds emoji together


def title_from(parts: Sequence[Part]) -> str:
    """Return a title of at most 60 characters for a conversation whose first message has these parts."""
    lines = (line for part in parts if isinstance(part, Text) for line in part.text.splitlines())
    for line in lines:
        title = _shortened(_one_line(_LEADING_MARKUP.sub("", line)), TITLE_LENGTH)
        if not _ONLY_MARKUP.match(title):
            return title
    n_pictures = sum(isinstance(part, Picture) for part in parts)
    return {0: "New conversation", 1: "Picture"}.get(n_pictures, "Pictures")


def suggest_file_name(title: str, default: str = "Conversation") -> str:
    """Return a file name without extension that Linux, macOS and Windows accept; other scripts are kept."""
    name = _one_line(_FORBIDDEN.sub(" ", unicodedata.normalize("NFC", title)))
    name = _within_bytes(_shortened(name.strip(". "), _FILE_NAME_LENGTH, ellipsis=""), _FILE_NAME_BYTES)
    name = name.rstrip(f". {_JOINER}")
    if _RESERVED.match(name):
        stem, dot, rest = name.partition(".")
        name = f"{stem.rstrip()}_{dot}{rest}"
    return name or default


def _one_line(text: str) -> str:
    """Return `text` with every run of white space as one space and without invisible characters."""
    visible = (
        char for char in text if char.isspace() or char == _JOINER or unicodedata.category(char) not in _INVISIBLE
    )
    return " ".join("".join(visible).split())


def _shortened(text: str, length: int, ellipsis: str = "…") -> str:
    """Cut `text` to `length` characters, at the border of a word where one is near."""
    if len(text) <= length:
        return text
    cut = text[: length - len(ellipsis)]
    border = cut.rfind(" ") if not text[len(cut)].isspace() else len(cut)
    if border > length // 2:
        cut = cut[:border]
    return cut.rstrip(f" ,;:-–—{_JOINER}") + ellipsis


def _within_bytes(text: str, limit_bytes: int) -> str:
    return text.encode()[:limit_bytes].decode(errors="ignore")
