"""Rows one below the other, as high as their width asks for."""

from __future__ import annotations

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget


def height_of(widget: QWidget, width: int) -> int:
    """Return how high `widget` wants to be at `width`."""
    return widget.heightForWidth(width) if widget.hasHeightForWidth() else widget.sizeHint().height()


class Stack(QWidget):
    """Place rows below each other; a row that is hidden takes no room.

    Qt's box layout asks every row for its height again whenever one of them changes; this one knows.
    """

    height_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[tuple[QWidget, int]] = []
        self._height = -1
        self._laid_out_at = -1

    def add_row(self, row: QWidget, gap: int = 0, *, first: bool = False) -> None:
        """Add `row` below the others (or above them), `gap` pixels from the one above."""
        row.setParent(self)
        row.show()
        self._rows.insert(0 if first else len(self._rows), (row, gap))
        changed = getattr(row, "height_changed", None)
        if changed is not None:
            changed.connect(self.lay_out)

    def remove_row(self, row: QWidget) -> None:
        """Take `row` out and delete it."""
        self._rows = [(other, gap) for other, gap in self._rows if other is not row]
        row.hide()
        row.deleteLater()

    def show_row(self, row: QWidget, shown: bool) -> None:
        """Show or hide a row."""
        if row.isHidden() == shown:
            row.setVisible(shown)
            self.lay_out()

    def lay_out(self) -> None:
        """Place the rows anew after one has changed its height."""
        if self._laid_out_at < 0:
            return
        before = self._height
        self._place()
        if self._height != before:
            self.height_changed.emit()

    def hasHeightForWidth(self) -> bool:  # noqa: N802 - Qt's name
        """Say that the height follows from the width."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 - Qt's name
        """Return the height of all rows at `width`."""
        if width != self._laid_out_at:
            self._laid_out_at = width
            self._place()
        return self._height

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the present size."""
        return QSize(self.width(), max(0, self._height))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Lay out for a new width."""
        super().resizeEvent(event)
        self.heightForWidth(event.size().width())

    def _place(self) -> None:
        top = 0
        for row, gap in self._rows:
            if row.isHidden():
                continue
            top += gap if top else 0
            height = height_of(row, self._laid_out_at)
            row.setGeometry(0, top, self._laid_out_at, height)
            top += height
        self._height = top
