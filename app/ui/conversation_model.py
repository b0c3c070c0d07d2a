"""The rows of the sidebar's list and how one is painted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QPainter
from PySide6.QtWidgets import QLineEdit, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from app.core.messages import ConversationSummary
from app.ui.appearance import Appearance
from app.ui.grouping import with_headings
from app.ui.icons import draw_pixmap
from app.ui.style import hover
from app.ui.theme import blend

SUMMARY_ROLE = Qt.ItemDataRole.UserRole
_ROW_HEIGHT = 34
_HEADING_HEIGHT = 32
_TITLE_LIMIT = 200

Index = QModelIndex | QPersistentModelIndex


class ConversationModel(QAbstractListModel):
    """Hold conversations under their headings; `renamed` carries an id and the new title."""

    renamed = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[str | ConversationSummary, ...] = ()

    def show(self, summaries: Sequence[ConversationSummary]) -> bool:
        """Show `summaries`; say whether anything changed."""
        rows = with_headings(summaries, datetime.now().astimezone().date())
        if rows == self.rows:
            return False
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()
        return True

    def row_of(self, conversation_id: str | None) -> int:
        """Return the row of a conversation, or -1."""
        for number, row in enumerate(self.rows):
            if isinstance(row, ConversationSummary) and row.id == conversation_id:
                return number
        return -1

    def summary_at(self, index: Index) -> ConversationSummary | None:
        """Return the conversation at `index`; None for a heading or nothing."""
        row = self.rows[index.row()] if index.isValid() else None
        return row if isinstance(row, ConversationSummary) else None

    def rowCount(self, parent: Index | None = None) -> int:  # noqa: N802 - Qt's name
        """Return the number of rows."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a row shows, says to a screen reader, or holds."""
        if not index.isValid():
            return None
        row = self.rows[index.row()]
        if role == SUMMARY_ROLE:
            return row
        heading = isinstance(row, str)
        title = row if isinstance(row, str) else row.title
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return title
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{title}, heading" if heading else f"Chat: {title}"
        if role == Qt.ItemDataRole.ToolTipRole and isinstance(row, ConversationSummary):
            return f"{title}\n{row.updated_at.astimezone():%x %H:%M}"
        return None

    def setData(  # noqa: N802 - Qt's name
        self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        """Take a new title from the editor; an empty or unchanged one is dropped."""
        summary = self.summary_at(index)
        title = " ".join(str(value).split())
        if role != Qt.ItemDataRole.EditRole or summary is None or title in {"", summary.title}:
            return False
        self.renamed.emit(summary.id, title)
        return True

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Let conversations, not headings, be chosen and renamed."""
        if self.summary_at(index) is None:
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsEditable


class ConversationDelegate(QStyledItemDelegate):
    """Paint a heading or a conversation, and edit a title in place."""

    def __init__(self, appearance: Appearance, parent: QWidget) -> None:
        super().__init__(parent)
        self._appearance = appearance
        self.busy_id: str | None = None

    def sizeHint(  # noqa: N802 - Qt's name
        self,
        option: QStyleOptionViewItem,  # noqa: ARG002 - Qt's signature
        index: Index,
    ) -> QSize:
        """Return a row's height."""
        heading = isinstance(index.data(SUMMARY_ROLE), str)
        return QSize(100, _HEADING_HEIGHT if heading else _ROW_HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint one row."""
        row = index.data(SUMMARY_ROLE)
        area: QRect = option.rect
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if isinstance(row, ConversationSummary):
            self._paint_conversation(painter, option, area, row)
        else:
            self._paint_heading(painter, option, area, str(row))
        painter.restore()

    def createEditor(  # noqa: N802 - Qt's name
        self,
        parent: QWidget,
        option: QStyleOptionViewItem,  # noqa: ARG002 - Qt's signature
        index: Index,  # noqa: ARG002 - Qt's signature
    ) -> QWidget:
        """Return the line in which a title is changed."""
        editor = QLineEdit(parent)
        editor.setObjectName("rename")
        editor.setMaxLength(_TITLE_LIMIT)
        editor.setAccessibleName("New title")
        return editor

    def updateEditorGeometry(  # noqa: N802 - Qt's name
        self,
        editor: QWidget,
        option: QStyleOptionViewItem,
        index: Index,  # noqa: ARG002 - Qt's signature
    ) -> None:
        """Cover the row."""
        area: QRect = option.rect
        editor.setGeometry(area.adjusted(6, 1, -6, -1))

    def setModelData(  # noqa: N802 - Qt's name
        self, editor: QWidget, model: QAbstractItemModel, index: Index
    ) -> None:
        """Hand the new title to the model."""
        assert isinstance(editor, QLineEdit)
        model.setData(index, editor.text(), Qt.ItemDataRole.EditRole)

    def _paint_heading(self, painter: QPainter, option: QStyleOptionViewItem, area: QRect, text: str) -> None:
        font = QFont(option.font)
        font.setPointSizeF(9)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(self._appearance.colors.text_secondary))
        painter.drawText(area.adjusted(16, 8, -8, -2), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)

    def _paint_conversation(
        self, painter: QPainter, option: QStyleOptionViewItem, area: QRect, summary: ConversationSummary
    ) -> None:
        colors = self._appearance.colors
        state: QStyle.StateFlag = option.state
        box = area.adjusted(8, 1, -8, -1)
        if state & QStyle.StateFlag.State_Selected:
            self._paint_box(painter, box, blend(colors.text, colors.surface, 0.10))
        elif state & QStyle.StateFlag.State_MouseOver:
            self._paint_box(painter, box, hover(colors, colors.surface))
        if state & QStyle.StateFlag.State_HasFocus and state & QStyle.StateFlag.State_KeyboardFocusChange:
            painter.setPen(QColor(colors.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box, 6, 6)
        text_box = box.adjusted(8, 0, -8, 0)
        if summary.id == self.busy_id:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.accent))
            painter.drawEllipse(text_box.right() - 6, text_box.center().y() - 3, 7, 7)
            text_box.adjust(0, 0, -14, 0)
        elif summary.pinned:
            ratio = painter.device().devicePixelRatioF()
            pixmap = draw_pixmap("pin", colors.text_secondary, 14, ratio)
            painter.drawPixmap(text_box.right() - 13, text_box.center().y() - 6, pixmap)
            text_box.adjust(0, 0, -20, 0)
        painter.setPen(QColor(colors.text))
        title = painter.fontMetrics().elidedText(summary.title, Qt.TextElideMode.ElideRight, text_box.width())
        painter.drawText(text_box, Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine, title)

    def _paint_box(self, painter: QPainter, box: QRect, color: str) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(color))
        painter.drawRoundedRect(box, 6, 6)
