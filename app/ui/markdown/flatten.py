"""Block tokens to a flat run of pieces: what needs a widget of its own is cut out of lists and quotes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markdown_it.token import Token

from app.ui.markdown.clean import clean_text, to_html
from app.ui.markdown.formulas import can_typeset
from app.ui.markdown.inline_html import render_inline
from app.ui.markdown.parser import MARKUP_LIMIT
from app.ui.markdown.pieces import CodePiece, FormulaPiece, Frame, Frames, HtmlPiece, Piece, RulePiece
from app.ui.markdown.tables import table_pieces

ITEMS_PER_PIECE = 8  # so that a long list is not laid out again with every word
_MOST_ITEMS = 64  # nested ones counted
_MOST_FRAMES = 8


@dataclass(slots=True)
class _Open:
    """Hold an open quote, list or item; `written` while its tag is open in the current HTML."""

    kind: str
    ordered: bool = False
    number: int = 1
    count: int = 0
    written: bool = False


def flatten(tokens: Sequence[Token], continued: int | None = None) -> list[Piece]:
    """Return the pieces of parsed `tokens`, in order.

    `continued` says that they begin in the middle of a list, at the item of that number.
    """
    flattener = _Flattener(continued)
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.type == "table_open":
            end = next(i for i in range(index, len(tokens)) if tokens[i].type == "table_close")
            flattener.add_table(tokens[index : end + 1])
            index = end
        else:
            flattener.take(token)
        index += 1
    flattener.flush()
    return flattener.pieces


class _Flattener:
    def __init__(self, continued: int | None) -> None:
        self.pieces: list[Piece] = []
        self._open: list[_Open] = []
        self._html: list[str] = []
        self._frames: Frames = ()
        self._heading = 0
        self._items = 0
        self._block = ""
        self._joins = continued is not None
        self._continued = continued

    def take(self, token: Token) -> None:
        """Work in one token."""
        match token.type:
            case "paragraph_open" | "heading_open":
                self._block = token.tag
            case "inline":
                self._add_line(token)
            case "bullet_list_open" | "ordered_list_open":
                self._open_list(token)
            case "list_item_open":
                self._open_item(token)
            case "bullet_list_close" | "ordered_list_close" | "list_item_close":
                self._close()
            case "blockquote_open":
                self.flush()
                self._open.append(_Open("quote"))
            case "blockquote_close":
                self.flush()
                self._open.pop()
            case _:
                self._add_special(token)
        if token.level == 0 and token.nesting != 1 and token.type != "inline":
            self.flush()
            self._joins = False

    def add_table(self, tokens: Sequence[Token]) -> None:
        """Work in the tokens of one table."""
        self.flush()
        self.pieces += table_pieces(tokens, self._outer_frames())

    def flush(self) -> None:
        """End the current HTML, if any, and close its tags; they open again when needed."""
        if not self._html:
            return
        for container in reversed(self._open):
            if container.written:
                self._html.append(_closing(container))
                container.written = False
        html = "".join(self._html)
        self.pieces.append(HtmlPiece(html, self._frames[:_MOST_FRAMES], self._heading, self._joins))
        self._joins = bool(self._open)
        self._html, self._items, self._heading = [], 0, 0

    def _outer_frames(self) -> Frames:
        """Return the frames around what is written next, without the tags open in the HTML itself."""
        kinds = {"quote": Frame.QUOTE, "item": Frame.ITEM}
        outer = [kinds[item.kind] for item in self._open if not item.written and item.kind in kinds]
        return tuple(outer[:_MOST_FRAMES])

    def _write(self, html: str) -> None:
        if self._html and self._frames != self._outer_frames():
            self.flush()
        if not self._html:
            self._frames = self._outer_frames()
        self._html.append(html)

    def _add_line(self, token: Token) -> None:
        if len(token.content) > MARKUP_LIMIT:
            self._add_long(token.content)
            return
        html = render_inline(token.children or ())
        heading = int(self._block[1]) if self._block.startswith("h") else 0
        if self._html and self._html[-1].startswith("<li") and not heading:
            self._write(html)
            return
        self._write(f'<p class="{self._block}">{html}</p>' if heading else f"<p>{html}</p>")
        self._heading = heading if len(self._html) == 1 else 0

    def _add_long(self, text: str) -> None:
        """Show a giant paragraph in parts that can be laid out one by one."""
        self.flush()
        for start in range(0, len(text), MARKUP_LIMIT):
            part = to_html(text[start : start + MARKUP_LIMIT]).replace("\n", "<br>")
            self.pieces.append(HtmlPiece(f"<p>{part}</p>", self._outer_frames(), joins=start > 0))

    def _open_list(self, token: Token) -> None:
        ordered = token.type == "ordered_list_open"
        start = token.attrGet("start")
        number = int(start) if start is not None else 1
        if self._continued is not None:
            number, self._continued = self._continued, None
        self._open.append(_Open("list", ordered, number))

    def _open_item(self, token: Token) -> None:
        current = self._open[-1]
        full = token.level == 1 and current.count and current.count % ITEMS_PER_PIECE == 0
        if full or self._items >= _MOST_ITEMS:
            self.flush()
        self._items += 1
        if not current.written:
            self._write(f'<ol start="{current.number}">' if current.ordered else "<ul>")
            current.written = True
        kind = token.attrGet("class")
        self._write(f'<li class="{kind}">' if kind else "<li>")
        current.number += 1
        current.count += 1
        self._open.append(_Open("item", written=True))

    def _close(self) -> None:
        container = self._open.pop()
        if container.written:
            self._html.append(_closing(container))

    def _add_special(self, token: Token) -> None:
        special = _special(token, self._all_frames())
        if special is not None:
            self.flush()
            self.pieces.append(special)

    def _all_frames(self) -> Frames:
        kinds = {"quote": Frame.QUOTE, "item": Frame.ITEM}
        return tuple(kinds[item.kind] for item in self._open if item.kind in kinds)[:_MOST_FRAMES]


def _closing(container: _Open) -> str:
    if container.kind == "item":
        return "</li>"
    return "</ol>" if container.ordered else "</ul>"


def _special(token: Token, frames: Frames) -> Piece | None:
    match token.type:
        case "fence" | "code_block":
            words = clean_text(token.info).split()
            code = token.content.removesuffix("\n")
            return CodePiece(code, words[0] if words else "", frames)
        case "hr":
            return RulePiece(frames)
        case "math_block" if can_typeset(token.content, display=True):
            return FormulaPiece(token.content, frames)
        case "math_block":
            return CodePiece(clean_text(token.content).strip("\n"), "latex", frames)
        case "math_open":
            return HtmlPiece(f"<p>{to_html(token.content).replace(chr(10), '<br>')}</p>", frames)
        case _:
            return None
