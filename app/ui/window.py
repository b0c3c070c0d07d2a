"""The window: where things are. What they do is connected elsewhere."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, Qt, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QFrame, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from app.ui.actions import Actions
from app.ui.appearance import Appearance
from app.ui.chat_page import ChatPage
from app.ui.connections_page import ConnectionsPage
from app.ui.controls import make_label
from app.ui.drops import read_given
from app.ui.frame import Frame
from app.ui.hardware_page import HardwarePage
from app.ui.header import Header
from app.ui.models_page import ModelsPage
from app.ui.notices import NoticeArea, Toast
from app.ui.settings_page import SettingsPage
from app.ui.sidebar import Sidebar
from app.ui.transcript.view import TranscriptView

MINIMUM = (720, 520)
_USUAL = (1200, 800)
_TITLES = {"models": "Models", "hardware": "Hardware", "settings": "Settings", "connections": "Connections"}


class MainWindow(QMainWindow):
    """Hold the sidebar, the pages and what lies over them; `given` carries what was dropped."""

    given = Signal(object)
    closing = Signal()

    def __init__(self, appearance: Appearance, transcript: TranscriptView) -> None:
        super().__init__()
        self.setWindowTitle("Solo")
        self.setMinimumSize(*MINIMUM)
        self.resize(*_USUAL)
        self.setAcceptDrops(True)
        self.all_actions = Actions(self)
        self.frame = Frame()
        self.sidebar = Sidebar(appearance, self.frame)
        self.header = Header(appearance)
        self.notices = NoticeArea(appearance)
        self.chat = ChatPage(appearance, transcript)
        self.models = ModelsPage(appearance)
        self.hardware = HardwarePage(appearance)
        self.settings = SettingsPage()
        self.connections = ConnectionsPage()
        self._chat_title = "New chat"
        self._page = "chat"
        self._stack = QStackedWidget()
        self._lay_out()
        self.toast = Toast(self._content, self._toast_floor)
        self.hint = self._make_hint()
        self._connect()
        self.show_page("chat")

    @property
    def page(self) -> str:
        """Return the name of the page that is shown."""
        return self._page

    def show_page(self, name: str) -> None:
        """Show the page `name`: chat, models, hardware, settings or connections."""
        pages: dict[str, QWidget] = {
            "models": self.models,
            "hardware": self.hardware,
            "settings": self.settings,
            "connections": self.connections,
        }
        self._page = name
        self._stack.setCurrentWidget(pages.get(name, self.chat))
        self.sidebar.mark_page(name)
        self.header.show_title(_TITLES.get(name, self._chat_title), is_page=name in _TITLES)
        if name == "chat":
            self.chat.composer.input.setFocus()
        else:
            pages[name].setFocus()

    def show_chat_title(self, title: str) -> None:
        """Show the title of the chat, in the header and as the window's title."""
        self._chat_title = title
        self.setWindowTitle(f"{title} – Solo")
        if self._page == "chat":
            self.header.show_title(title)

    def restore_place(self, geometry: str) -> None:
        """Put the window where it was; anything unusable leaves it as it is."""
        if geometry.isascii():
            self.restoreGeometry(QByteArray.fromBase64(geometry.encode("ascii")))

    def place(self) -> str:
        """Return where the window is, for the next start."""
        return bytes(self.saveGeometry().toBase64().data()).decode("ascii")

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Let everything end in order, then close."""
        self.closing.emit()
        super().closeEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Keep the hint over everything."""
        super().resizeEvent(event)
        self.hint.setGeometry(self.frame.rect().adjusted(16, 16, -16, -16))

    # --- dropping ---

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Show where files can be dropped: anywhere."""
        if not read_given(event.mimeData()).is_empty:
            event.acceptProposedAction()
            self.hint.show()
            self.hint.raise_()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:  # noqa: N802 - Qt's name
        """Go on taking files."""
        event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Take the hint away."""
        self.hint.hide()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Hand over what was dropped."""
        self.hint.hide()
        given = read_given(event.mimeData())
        if not given.is_empty:
            event.acceptProposedAction()
            self.given.emit(given)

    # --- inside ---

    def _lay_out(self) -> None:
        self._content = QWidget()
        column = QVBoxLayout(self._content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.header)
        column.addWidget(self.notices)
        column.addWidget(self._stack, 1)
        for page in (self.chat, self.models, self.hardware, self.settings, self.connections):
            self._stack.addWidget(page)
        self.frame.fill(self.sidebar, self._content)
        self.setCentralWidget(self.frame)
        self.all_actions.fill(self.header.menu)

    def _toast_floor(self) -> int:
        composer = self.chat.composer
        if composer.isVisible():
            return composer.mapTo(self._content, composer.rect().topLeft()).y()
        return self._content.height()

    def _make_hint(self) -> QFrame:
        hint = QFrame(self.frame)
        hint.setObjectName("hint")
        hint.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        column = QVBoxLayout(hint)
        label = make_label(
            "Drop pictures to ask about them, a GGUF file to open it, or an exported chat to import it",
            "title",
            wraps=True,
        )
        label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addWidget(label)
        hint.hide()
        return hint

    def _connect(self) -> None:
        self.frame.folded.connect(lambda folded: self.header.show_folded(folded=folded))
        for button in (self.sidebar.fold_button, self.header.sidebar_button):
            button.clicked.connect(self.frame.toggle)
        self.all_actions["toggle_sidebar"].triggered.connect(self.frame.toggle)
        self.all_actions["search"].triggered.connect(self._search)
        self.all_actions["focus_input"].triggered.connect(lambda: self.show_page("chat"))
        self.all_actions["toggle_effort"].triggered.connect(self.chat.composer.switch.toggle)
        self.all_actions["quit"].triggered.connect(self.close)
        self.header.show_folded(folded=not self.frame.shows_sidebar)

    def _search(self) -> None:
        self.frame.reveal()
        self.sidebar.search.setFocus()
        self.sidebar.search.selectAll()
