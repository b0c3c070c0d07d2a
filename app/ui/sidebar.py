"""The sidebar: search, new chat, the chats, and the doors to the other pages."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from app.core.messages import ConversationSummary
from app.ui.appearance import Appearance
from app.ui.controls import IconButton, IconPushButton, make_label
from app.ui.conversation_list import ConversationList
from app.ui.icons import draw_icon

SIDEBAR_WIDTH = 264
PAGES = (("models", "box", "Models"), ("hardware", "cpu", "Hardware"), ("settings", "settings", "Settings"))
_SEARCH_PAUSE_MS = 200


class Sidebar(QWidget):
    """Hold the list of chats; `search_changed` carries what is looked for, `page_wanted` a page's name."""

    search_changed = Signal(str)
    page_wanted = Signal(str)

    def __init__(self, appearance: Appearance, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("sidebar")
        self._appearance = appearance
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(SIDEBAR_WIDTH)
        self.fold_button = IconButton(appearance, "panel-left", "Hide the sidebar")
        self.new_button = IconButton(appearance, "square-pen", "New chat", "accent")
        self.search = self._make_search()
        self.chats = ConversationList(appearance)
        self._nothing = make_label("", "small", wraps=True)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self._nothing.setContentsMargins(16, 16, 16, 0)
        self._nothing.hide()
        self._pause = QTimer(self, singleShot=True, interval=_SEARCH_PAUSE_MS)
        self._pause.timeout.connect(lambda: self.search_changed.emit(self.query))
        self._doors = QButtonGroup(self)
        self._lay_out()
        self._paint_icons()
        appearance.changed.connect(self._paint_icons)

    @property
    def query(self) -> str:
        """Return what is being looked for."""
        return self.search.text().strip()

    def show_conversations(self, summaries: Sequence[ConversationSummary]) -> None:
        """Show the chats that answer the search."""
        self.chats.show_conversations(summaries)
        self.chats.setVisible(bool(summaries))
        self._nothing.setVisible(not summaries)
        self._nothing.setText(f"No chat contains “{self.query}”." if self.query else "Your chats will appear here.")

    @property
    def empty_words(self) -> str:
        """Return what is said in place of an empty list."""
        return self._nothing.text()

    def mark_page(self, name: str) -> None:
        """Show which page is open; any other name than a door's shows none."""
        self._doors.setExclusive(False)
        for button in self._doors.buttons():
            button.setChecked(button.objectName() == name)
        self._doors.setExclusive(True)

    def door(self, name: str) -> IconPushButton:
        """Return the button that leads to page `name`."""
        button = self.findChild(IconPushButton, name)
        assert button is not None
        return button

    def _make_search(self) -> QLineEdit:
        search = QLineEdit(placeholderText="Search…", clearButtonEnabled=False)
        search.setProperty("look", "search")
        search.setAccessibleName("Search all chats")
        search.textChanged.connect(self._wait)
        self._search_icon = search.addAction(QIcon(), QLineEdit.ActionPosition.LeadingPosition)
        return search

    def _wait(self) -> None:
        self._pause.start()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 8)
        column.setSpacing(8)
        top = QHBoxLayout()
        top.setContentsMargins(16, 4, 8, 0)
        top.addWidget(make_label("Solo", "title"), 1)
        top.addWidget(self.new_button)
        top.addWidget(self.fold_button)
        column.addLayout(top)
        searching = QHBoxLayout()
        searching.setContentsMargins(8, 0, 8, 0)
        searching.addWidget(self.search)
        column.addLayout(searching)
        column.addWidget(self.chats, 1)
        column.addWidget(self._nothing, 1)
        doors = QVBoxLayout()
        doors.setContentsMargins(8, 4, 8, 0)
        doors.setSpacing(2)
        for name, icon, text in PAGES:
            doors.addWidget(self._make_door(name, icon, text))
        column.addLayout(doors)

    def _make_door(self, name: str, icon: str, text: str) -> IconPushButton:
        button = IconPushButton(self._appearance, icon, text, "nav")
        button.setObjectName(name)
        button.setCheckable(True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.page_wanted.emit(name))
        self._doors.addButton(button)
        return button

    def _paint_icons(self) -> None:
        self._search_icon.setIcon(draw_icon("search", self._appearance.colors.text_secondary, size=16))
