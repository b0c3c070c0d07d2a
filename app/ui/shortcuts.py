"""The list of keyboard shortcuts."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QVBoxLayout, QWidget

from app.ui.controls import make_label

_ALWAYS = (("Send", "Enter"), ("New line", "Shift+Enter"), ("Delete the chosen chat", "Del"))


class ShortcutsDialog(QDialog):
    """Show what the keys do."""

    def __init__(self, parent: QWidget, actions: Sequence[QAction]) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        grid = QGridLayout()
        grid.setHorizontalSpacing(32)
        grid.setVerticalSpacing(8)
        for row, (name, keys) in enumerate((*_ALWAYS, *_listed(actions))):
            grid.addWidget(make_label(name), row, 0)
            grid.addWidget(make_label(keys, "secondary"), row, 1)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 20, 24, 16)
        column.setSpacing(16)
        column.addWidget(make_label("Keyboard shortcuts", "title"))
        column.addLayout(grid)
        column.addWidget(buttons)


def _listed(actions: Sequence[QAction]) -> list[tuple[str, str]]:
    return [
        (action.text(), action.shortcut().toString(QKeySequence.SequenceFormat.NativeText))
        for action in actions
        if not action.shortcut().isEmpty()
    ]
