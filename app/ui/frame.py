"""How sidebar and content share the window: side by side, or the one floating over the other."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from app.ui.sidebar import SIDEBAR_WIDTH, Sidebar

FOLD_WIDTH = 900


class Scrim(QWidget):
    """Dim the content behind a floating sidebar; a press on it closes the sidebar."""

    pressed = Signal()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Say that the content was meant."""
        self.pressed.emit()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Darken what is behind."""
        QPainter(self).fillRect(self.rect(), QColor(0, 0, 0, 90))


class Frame(QWidget):
    """Place the sidebar beside the content, or above it where the window is narrower than 900 px."""

    folded = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._content: QWidget | None = None
        self._sidebar: Sidebar | None = None
        self._wanted = True  # beside the content, where there is room
        self._floating = False
        self._scrim = Scrim(self)
        self._scrim.hide()
        self._scrim.pressed.connect(self.close_floating)

    def fill(self, sidebar: Sidebar, content: QWidget) -> None:
        """Take the two parts."""
        self._sidebar, self._content = sidebar, content
        for part in (content, sidebar):
            part.setParent(self)
        self._place()

    @property
    def is_narrow(self) -> bool:
        """Say whether there is too little room for both."""
        return self.width() < FOLD_WIDTH

    @property
    def shows_sidebar(self) -> bool:
        """Say whether the sidebar can be seen."""
        return self._floating if self.is_narrow else self._wanted

    def toggle(self) -> None:
        """Show the sidebar, or hide it."""
        if self.is_narrow:
            self._floating = not self._floating
        else:
            self._wanted = not self._wanted
        self._place()

    def reveal(self) -> None:
        """Show the sidebar."""
        if not self.shows_sidebar:
            self.toggle()

    def close_floating(self) -> None:
        """Hide a sidebar that floats."""
        if self._floating:
            self._floating = False
            self._place()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Place both again."""
        super().resizeEvent(event)
        if not self.is_narrow:
            self._floating = False
        self._place()

    def _place(self) -> None:
        if self._sidebar is None or self._content is None:
            return
        shown = self.shows_sidebar
        left = SIDEBAR_WIDTH if shown and not self.is_narrow else 0
        self._content.setGeometry(left, 0, self.width() - left, self.height())
        self._sidebar.setGeometry(0, 0, SIDEBAR_WIDTH, self.height())
        self._sidebar.setVisible(shown)
        self._scrim.setGeometry(self.rect())
        self._scrim.setVisible(self._floating)
        self._scrim.raise_()
        self._sidebar.raise_()
        self.folded.emit(not shown)
