"""Everything the window can be told by key or by menu."""

from __future__ import annotations

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

# name, text, keys
_ACTIONS = (
    ("new_chat", "New chat", "Ctrl+N"),
    ("search", "Search", "Ctrl+F"),
    ("focus_input", "Write a message", "Ctrl+L"),
    ("toggle_effort", "Fast or Think", "Ctrl+T"),
    ("answer_now", "Answer now, without more thinking", "Ctrl+Shift+A"),
    ("escape", "Stop, or back to the chat", "Esc"),
    ("rename", "Rename chat", "F2"),
    ("export_markdown", "Export as Markdown…", "Ctrl+E"),
    ("export_json", "Export as JSON…", "Ctrl+Shift+E"),
    ("import", "Import…", "Ctrl+I"),
    ("delete", "Delete chat", "Ctrl+Shift+Backspace"),
    ("open_model", "Open a model file…", "Ctrl+O"),
    ("toggle_sidebar", "Show or hide the sidebar", "Ctrl+B"),
    ("shortcuts", "Keyboard shortcuts", "F1"),
    ("quit", "Quit", "Ctrl+Q"),
)
_MENU = (
    ("new_chat", "rename", "delete"),
    ("export_markdown", "export_json", "import"),
    ("open_model",),
    ("shortcuts", "quit"),
)


class Actions:
    """Hold the window's actions by name."""

    def __init__(self, window: QWidget) -> None:
        self._by_name: dict[str, QAction] = {}
        for name, text, keys in _ACTIONS:
            action = QAction(text, window)
            action.setObjectName(name)
            action.setShortcut(QKeySequence(keys))
            window.addAction(action)
            self._by_name[name] = action

    def __getitem__(self, name: str) -> QAction:
        return self._by_name[name]

    def all(self) -> tuple[QAction, ...]:
        """Return every action, in the order they are listed in."""
        return tuple(self._by_name.values())

    def fill(self, menu: QMenu) -> None:
        """Put the actions a menu offers into `menu`."""
        for group in _MENU:
            for name in group:
                menu.addAction(self._by_name[name])
            if group is not _MENU[-1]:
                menu.addSeparator()

    def allow_chat_actions(self, *, allowed: bool) -> None:
        """Let the actions that need a saved chat be used, or not."""
        for name in ("rename", "delete", "export_markdown", "export_json"):
            self._by_name[name].setEnabled(allowed)
