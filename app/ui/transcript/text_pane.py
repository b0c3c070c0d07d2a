"""A text a person can select, copy and follow links in, by mouse and by keyboard."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import (
    QContextMenuEvent,
    QDesktopServices,
    QFocusEvent,
    QGuiApplication,
    QHelpEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QTextCursor,
)
from PySide6.QtWidgets import QMenu, QToolTip

from app.ui.markdown.inline_html import is_openable
from app.ui.transcript.pane_view import PaneView
from app.ui.transcript.stage import Stage


class TextPane(PaneView):
    """Let a person use the text: select, copy, open links outside the program."""

    def __init__(self, stage: Stage, *, wrap: bool = True, muted: bool = False) -> None:
        super().__init__(stage, wrap=wrap, muted=muted)
        self._pressed_at = QPoint()
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setCursor(Qt.CursorShape.IBeamCursor)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Begin a selection, or go on with it while Shift is held."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        point = event.globalPosition().toPoint()
        self._pressed_at = point
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.stage.selection.extend(point)
        else:
            self.stage.selection.begin(self, self.position_at(point))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Extend the selection, or show that a link can be clicked."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.stage.selection.extend(event.globalPosition().toPoint())
            return
        over_link = bool(self._address_at(event.position()))
        shape = Qt.CursorShape.PointingHandCursor if over_link else Qt.CursorShape.IBeamCursor
        if self.cursor().shape() != shape:
            self.setCursor(shape)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Open the link that was clicked."""
        moved = (event.globalPosition().toPoint() - self._pressed_at).manhattanLength()
        if event.button() == Qt.MouseButton.LeftButton and moved < 4:
            open_link(self._address_at(event.position()))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Select the word under the pointer."""
        cursor = QTextCursor(self.text_document)
        cursor.setPosition(self.position_at(event.globalPosition().toPoint()))
        cursor.select(QTextCursor.SelectionType.WordUnderCursor)
        self.stage.selection.select(self, cursor.selectionStart(), cursor.selectionEnd())

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802 - Qt's name
        """Offer to copy."""
        menu = self.make_menu(QPointF(event.pos()))
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(event.globalPos())

    def make_menu(self, point: QPointF) -> QMenu:
        """Return the context menu for a point of the pane."""
        menu = QMenu(self)
        copy = menu.addAction("Copy")
        copy.setEnabled(bool(self.stage.selection.text()))
        copy.triggered.connect(self.stage.selection.copy)
        address = self._address_at(point)
        if address:
            clipboard = QGuiApplication.clipboard()
            menu.addAction("Copy link address").triggered.connect(lambda: clipboard.setText(address))
        everything = menu.addAction("Select the whole message")
        everything.triggered.connect(lambda: self.stage.selection.select_all(self))
        return menu

    def event(self, event: QEvent) -> bool:
        """Show where a link leads."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            address = self._address_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), address, self)
            return True
        return super().event(event)

    def _address_at(self, point: QPointF) -> str:
        if not self._links:
            return ""
        return self.text_document.documentLayout().anchorAt(point)

    # --- keyboard ---

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Copy, select everything, or open the link in focus."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.stage.selection.copy()
        elif event.matches(QKeySequence.StandardKey.SelectAll):
            self.stage.selection.select_all(self)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._link_in_focus >= 0:
            open_link(self._links[self._link_in_focus].address)
        else:
            super().keyPressEvent(event)

    def focusNextPrevChild(self, forward: bool) -> bool:  # noqa: N802 - Qt's name
        """Go through the links before leaving the text."""
        following = self._link_in_focus + (1 if forward else -1)
        if self._links and self.hasFocus() and 0 <= following < len(self._links):
            self._focus_link(following)
            return True
        return super().focusNextPrevChild(forward)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Go to the first link, or backwards to the last one."""
        super().focusInEvent(event)
        if event.reason() == Qt.FocusReason.TabFocusReason:
            self._focus_link(0)
        elif event.reason() == Qt.FocusReason.BacktabFocusReason:
            self._focus_link(len(self._links) - 1)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Let go of the link."""
        super().focusOutEvent(event)
        self._focus_link(-1)

    def _focus_link(self, index: int) -> None:
        self._link_in_focus = index
        self.update()


def open_link(address: str) -> None:
    """Hand `address` to the system's program for it, if it is of a kind that may be opened."""
    if address and is_openable(address):
        QDesktopServices.openUrl(QUrl(address))
