"""Turn text that arrives in parts into pieces, without parsing again what can't change any more."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from markdown_it.token import Token

from app.ui.markdown.clean import clean_text
from app.ui.markdown.flatten import flatten
from app.ui.markdown.parser import References, parse, parse_blocks
from app.ui.markdown.pieces import Piece

_ITEMS_TOGETHER = 256  # of one list; a longer list is cut, or each word would lay all of it out again


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
        self._fresh: list[Piece] = []
        self._n_settled = 0
        self._references: References = {}

    def feed(self, text: str) -> None:
        """Add `text` at the end."""
        self._tail += clean_text(text)

    def update(self) -> Update:
        """Return what has changed since the last call, as if the text ended here."""
        first = self._n_settled
        self._settle()
        settled, self._fresh = self._fresh, []
        self._n_settled += len(settled)
        tail = flatten(parse(self._tail, dict(self._references)))
        return Update(first, settled + tail)

    def finish(self) -> Update:
        """Return the rest; where links were defined after their use, the whole text again."""
        source = "".join(self._settled_source)
        update = self.update()
        references = dict(self._references)
        parse_blocks(self._tail, references)
        if not references or "[" not in source:
            return update
        again = MarkdownStream()
        again._references = references
        again.feed(source + self._tail)
        return again.update()

    def _settle(self) -> None:
        complete = self._tail[: self._tail.rfind("\n") + 1]
        cuts = _cuts(parse_blocks(complete, dict(self._references)))
        if not cuts:
            return
        lines = complete.splitlines(keepends=True)
        for start, end in pairwise([0, *cuts]):
            source = "".join(lines[start:end])
            self._settled_source.append(source)
            self._fresh += flatten(parse(source, self._references))
        self._tail = self._tail[sum(map(len, lines[: cuts[-1]])) :]


def _cuts(tokens: list[Token]) -> list[int]:
    """Return the numbers of the lines before which the text can be cut for good."""
    cuts: list[int] = []
    ends: list[int] = []
    n_items = 0
    for token in tokens:
        if token.map is None or token.nesting < 0 or token.level > 1:
            continue
        if token.level == 0:
            n_items = 0
            ends.append(token.map[1])
        elif token.type == "list_item_open":
            if n_items and n_items % _ITEMS_TOGETHER == 0:
                cuts.append(token.map[0])
            n_items += 1
    return sorted({*cuts, *ends[-2:-1]})
