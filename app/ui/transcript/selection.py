"""One selection in the whole column; it may span the paragraphs of a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from PySide6.QtCore import QPoint
from PySide6.QtGui import QGuiApplication


class Selectable(Protocol):
    """Hold text of which a part can be selected; positions are Qt's."""

    def peers(self) -> Sequence[Selectable]:
        """Return all texts of the same message, top to bottom, this one among them."""
        ...

    def last_position(self) -> int:
        """Return the position after the last character."""
        ...

    def position_at(self, global_point: QPoint) -> int:
        """Return the position nearest to a point of the screen."""
        ...

    def vertical_span(self) -> tuple[int, int]:
        """Return upper and lower edge on the screen."""
        ...

    def mark(self, start: int, end: int) -> None:
        """Show the text from `start` to `end` as selected (equal: nothing)."""
        ...

    def marked_text(self) -> str:
        """Return the selected text."""
        ...


class Selection:
    """Spread a selection over the texts of one message while the pointer moves."""

    def __init__(self) -> None:
        self._anchor: Selectable | None = None
        self._position = 0

    def begin(self, text: Selectable, position: int) -> None:
        """Drop the old selection and start one at `position` of `text`."""
        self.clear()
        self._anchor, self._position = text, position

    def extend(self, global_point: QPoint) -> None:
        """Select from where it began to a point of the screen."""
        if self._anchor is None:
            return
        texts = list(self._anchor.peers())
        if self._anchor not in texts:  # its block has been drawn anew
            return
        start = texts.index(self._anchor)
        end = _nearest(texts, global_point.y(), start)
        for index, text in enumerate(texts):
            text.mark(*self._span(index, start, end, text, global_point))

    def select(self, text: Selectable, start: int, end: int) -> None:
        """Select a part of one text."""
        self.begin(text, start)
        text.mark(start, end)

    def select_all(self, text: Selectable) -> None:
        """Select the whole message that `text` belongs to."""
        self.begin(text, 0)
        for peer in text.peers():
            peer.mark(0, peer.last_position())

    def clear(self) -> None:
        """Select nothing."""
        if self._anchor is not None:
            for text in self._anchor.peers():
                text.mark(0, 0)
            self._anchor.mark(0, 0)
        self._anchor = None

    def forget(self, text: Selectable) -> None:
        """Let go of a text that is about to disappear."""
        if self._anchor is text:
            self._anchor = None

    def text(self) -> str:
        """Return what is selected, its paragraphs separated by blank lines."""
        if self._anchor is None:
            return ""
        return "\n\n".join(part for part in (text.marked_text() for text in self._anchor.peers()) if part)

    def copy(self) -> None:
        """Put what is selected onto the clipboard."""
        text = self.text()
        if text:
            QGuiApplication.clipboard().setText(text)

    def _span(self, index: int, start: int, end: int, text: Selectable, global_point: QPoint) -> tuple[int, int]:
        low, high = sorted((start, end))
        if not low <= index <= high:
            return 0, 0
        head, tail = 0, text.last_position()
        if index == start:
            head, tail = (self._position, tail) if end >= start else (head, self._position)
        if index == end:
            reached = text.position_at(global_point)
            if start == end:
                return self._position, reached
            head, tail = (head, reached) if end > start else (reached, tail)
        return head, tail


def _nearest(texts: Sequence[Selectable], y: int, start: int) -> int:
    """Return the index of the text at height `y`, seen from number `start`."""
    chosen = start
    for index, text in enumerate(texts):
        top, bottom = text.vertical_span()
        if (index < start and y < bottom and index < chosen) or (index > start and y >= top):
            chosen = index
    return chosen
