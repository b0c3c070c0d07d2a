"""What an answer is made of once it is parsed: a flat run of pieces, each shown by one widget."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Frame(StrEnum):
    """What stands around a piece: each frame moves it to the right."""

    ITEM = "item"
    QUOTE = "quote"


Frames = tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class HtmlPiece:
    """Hold text as HTML of Qt's subset.

    `heading` is 1 to 6, or 0; a piece that `joins` belongs to the same block as the one before.
    """

    html: str
    frames: Frames = ()
    heading: int = 0
    joins: bool = False


@dataclass(frozen=True, slots=True)
class CodePiece:
    """Hold a code block; `language` is as written, `code` without its last line break."""

    code: str
    language: str = ""
    frames: Frames = ()


@dataclass(frozen=True, slots=True)
class FormulaPiece:
    """Hold a formula that stands on a line of its own; it can be typeset."""

    latex: str
    frames: Frames = ()


@dataclass(frozen=True, slots=True)
class TablePiece:
    """Hold a table, or a part of a long one that `joins` the part before, as HTML of Qt's subset."""

    html: str
    frames: Frames = ()
    joins: bool = False


@dataclass(frozen=True, slots=True)
class RulePiece:
    """Stand for a horizontal line."""

    frames: Frames = ()


Piece = HtmlPiece | CodePiece | FormulaPiece | TablePiece | RulePiece
