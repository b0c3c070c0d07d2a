"""Turn text that arrives in parts into pieces, without parsing again what can't change any more."""

from __future__ import annotations

from dataclasses import dataclass

from markdown_it.token import Token

from app.ui.markdown.clean import clean_text
from app.ui.markdown.flatten import ITEMS_PER_PIECE, flatten
from app.ui.markdown.parser import References, parse, parse_blocks
from app.ui.markdown.pieces import Piece


@dataclass(frozen=True, slots=True)
class Update:
    """Say that from piece number `first` on, the text now consists of `pieces`."""

    first: int
    pieces: list[Piece]


def render(text: str) -> list[Piece]:
    """Return the pieces of a whole text."""
    stream = MarkdownStream()
    stream.feed(text)
    return stream.finish().pieces


class MarkdownStream:
    """Hold a growing text as settled pieces and an open tail.

    A top-level block is settled when another one follows it on a complete line: Markdown decides line by
    line and never reopens a closed block. Only a link definition reaches back; `finish` sees to those.
    """

    def __init__(self) -> None:
        self._settled_source: list[str] = []
        self._tail = ""
        self._examined = 0  # characters of the tail, whole lines, in which nothing more can be settled
        self._fresh: list[Piece] = []
        self._n_settled = 0
        self._references: References = {}
        self._continued: int | None = None  # the number of the list item at which the tail begins, if it does

    def feed(self, text: str) -> None:
        """Add `text` at the end."""
        self._tail += clean_text(text)

    def update(self) -> Update:
        """Return what has changed since the last call, with marks that are still open taken as closed."""
        return self._update(open_ended=True)

    def finish(self) -> Update:
        """Return the rest; where links were defined after their use, the whole text again."""
        update = self._update(open_ended=False)
        source = "".join(self._settled_source)
        references = dict(self._references)
        parse_blocks(self._tail, references)
        if not references or "[" not in source:
            return update
        again = MarkdownStream()
        again._references = references
        again.feed(source + self._tail)
        return again._update(open_ended=False)

    def _update(self, *, open_ended: bool) -> Update:
        first = self._n_settled
        self._settle()
        settled, self._fresh = self._fresh, []
        self._n_settled += len(settled)
        tokens = parse(self._tail, dict(self._references), open_ended=open_ended)
        return Update(first, settled + flatten(tokens, self._continued))

    def _settle(self) -> None:
        complete = self._tail[: self._tail.rfind("\n") + 1]
        if len(complete) == self._examined:
            return
        self._examined = len(complete)
        cuts = _cuts(parse_blocks(complete, dict(self._references)), self._continued)
        lines = complete.splitlines(keepends=True)
        start = 0
        for cut in cuts:
            source = "".join(lines[start : cut.line])
            self._settled_source.append(source)
            self._fresh += flatten(parse(source, self._references), self._continued)
            self._tail = self._tail[len(source) :]
            self._examined -= len(source)
            start, self._continued = cut.line, cut.continued


@dataclass(frozen=True, slots=True)
class _Cut:
    """Hold a line before which the text can be cut for good; `continued` as `flatten` takes it."""

    line: int
    continued: int | None = None


def _cuts(tokens: list[Token], continued: int | None) -> list[_Cut]:
    """Return where the text can be cut: after every block but the last, and within long lists."""
    items: list[_Cut] = []
    ends: list[int] = []
    count = first = 0
    for token in tokens:
        if token.map is None or token.nesting < 0 or token.level > 1:
            continue
        if token.level == 0:
            ends.append(token.map[1])
            first = continued if continued is not None and len(ends) == 1 else int(token.attrGet("start") or 1)
            count = 0
        elif token.type == "list_item_open":
            if count and count % ITEMS_PER_PIECE == 0:
                items.append(_Cut(token.map[0], first + count))
            count += 1
    last_end = ends[-2] if len(ends) > 1 else 0
    before = [cut for cut in items if cut.line < last_end]
    after = [cut for cut in items if cut.line >= last_end]
    return [*before, *([_Cut(last_end)] if last_end else []), *after]
