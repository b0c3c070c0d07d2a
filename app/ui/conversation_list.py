"""The list of conversations: choose, rename in place, and what the menu of a row offers."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemDelegate, QAbstractItemView, QListView, QMenu, QWidget

from app.chat.protocol import ExportKind
from app.core.messages import ConversationSummary
from app.ui.appearance import Appearance
from app.ui.conversation_model import ConversationDelegate, ConversationModel


class ConversationList(QListView):
    """Show conversations in groups; each signal carries the id of the one that is meant."""

    chosen = Signal(str)
    renamed = Signal(str, str)
    delete_wanted = Signal(str)
    pin_wanted = Signal(str, bool)
    export_wanted = Signal(str, object)

    def __init__(self, appearance: Appearance) -> None:
        super().__init__()
        self.conversations = ConversationModel()
        self._delegate = ConversationDelegate(appearance, self)
        self._waiting: Sequence[ConversationSummary] | None = None
        self._shown_id: str | None = None
        self.setAccessibleName("Chats")
        self.setModel(self.conversations)
        self.setItemDelegate(self._delegate)
        self.setMouseTracking(True)
        self.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed | QAbstractItemView.EditTrigger.DoubleClicked)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._open_menu)
        self.conversations.renamed.connect(self.renamed)
        self.clicked.connect(self._choose)
        appearance.changed.connect(self.viewport().update)

    def show_conversations(self, summaries: Sequence[ConversationSummary]) -> None:
        """Show `summaries`; while a title is being edited, afterwards."""
        if self.state() == QAbstractItemView.State.EditingState:
            self._waiting = summaries
            return
        place = self.verticalScrollBar().value()
        if self.conversations.show(summaries):
            self.verticalScrollBar().setValue(place)
            self.mark(self._shown_id)

    def mark(self, conversation_id: str | None) -> None:
        """Show which conversation is open."""
        self._shown_id = conversation_id
        row = self.conversations.row_of(conversation_id)
        self.setCurrentIndex(self.conversations.index(row) if row >= 0 else QModelIndex())

    def mark_busy(self, conversation_id: str | None) -> None:
        """Show which conversation is being answered."""
        self._delegate.busy_id = conversation_id
        self.viewport().update()

    def rename(self, conversation_id: str) -> None:
        """Let the person edit a title in place."""
        row = self.conversations.row_of(conversation_id)
        if row >= 0:
            self.scrollTo(self.conversations.index(row))
            self.edit(self.conversations.index(row))

    def make_menu(self, summary: ConversationSummary) -> QMenu:
        """Return the menu of a conversation."""
        menu = QMenu(self)
        menu.addAction("Rename", lambda: self.rename(summary.id))
        pin = "Unpin" if summary.pinned else "Pin"
        menu.addAction(pin, lambda: self.pin_wanted.emit(summary.id, not summary.pinned))
        menu.addSeparator()
        menu.addAction("Export as Markdown…", lambda: self.export_wanted.emit(summary.id, ExportKind.MARKDOWN))
        menu.addAction("Export as JSON…", lambda: self.export_wanted.emit(summary.id, ExportKind.JSON))
        menu.addSeparator()
        menu.addAction("Delete", lambda: self.delete_wanted.emit(summary.id))
        return menu

    def closeEditor(  # noqa: N802 - Qt's name
        self, editor: QWidget, hint: QAbstractItemDelegate.EndEditHint
    ) -> None:
        """Close the title's editor and show what was listed meanwhile."""
        super().closeEditor(editor, hint)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.show_conversations(waiting)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Open with Enter, delete with Delete."""
        summary = self.conversations.summary_at(self.currentIndex())
        editing = self.state() == QAbstractItemView.State.EditingState
        if summary is None or editing:
            super().keyPressEvent(event)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.chosen.emit(summary.id)
        elif event.key() == Qt.Key.Key_Delete:
            self.delete_wanted.emit(summary.id)
        else:
            super().keyPressEvent(event)

    def _choose(self, index: QModelIndex) -> None:
        summary = self.conversations.summary_at(index)
        if summary is not None:
            self.chosen.emit(summary.id)

    def _open_menu(self, place: QPoint) -> None:
        summary = self.conversations.summary_at(self.indexAt(place))
        if summary is not None:
            menu = self.make_menu(summary)
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(self.viewport().mapToGlobal(place))
