"""The line below a message: its versions, and on hover and focus its actions and what it took."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from app.ui.transcript.icon_button import IconButton
from app.ui.transcript.pager import Pager
from app.ui.transcript.stage import Stage

_HEIGHT = 30


class Footer(QWidget):
    """Keep the room of one line; the pager stays, the rest shows while the pointer or the focus is near."""

    def __init__(self, stage: Stage, *, at_right: bool = False) -> None:
        super().__init__()
        self._stage = stage
        self._hovered = False
        self._at_right = at_right
        self._buttons: list[IconButton] = []
        self._stats = QLabel()
        self._stats.setProperty("look", "small")
        self.pager = Pager(stage)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 2, 0, 0)
        self._row.setSpacing(2)
        if at_right:
            self._row.addStretch()
            self._row.addWidget(self.pager)
        else:
            self._row.addWidget(self.pager)
            self._row.addWidget(self._stats)
            self._row.addStretch()
        self.restyle()

    def add_button(self, icon_name: str, label: str) -> IconButton:
        """Add an action."""
        button = IconButton(self._stage, icon_name, label)
        button.hush(True)
        button.installEventFilter(self)
        self._row.insertWidget(len(self._buttons) + 1, button)  # after the pager or the stretch
        self._buttons.append(button)
        return button

    def set_stats(self, text: str, note: str = "") -> None:
        """Say what the message took; `note` goes into the tooltip."""
        self._stats.setText(f"  {text}" if text else "")
        self._stats.setToolTip(note)
        self._reveal()

    def stats_text(self) -> str:
        """Return what the line says."""
        return self._stats.text().strip()

    def set_hovered(self, hovered: bool) -> None:
        """Show or hide, as the pointer comes and goes."""
        self._hovered = hovered
        self._reveal()

    def is_revealed(self) -> bool:
        """Tell whether the line can be seen."""
        return self._hovered or any(button.hasFocus() for button in self._buttons)

    def restyle(self) -> None:
        """Take over the stage's present look."""
        self.pager.restyle()
        for button in self._buttons:
            button.restyle()
        self._reveal()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the size of one line."""
        return QSize(100, _HEIGHT)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Follow the focus of the buttons."""
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self._reveal()
        return super().eventFilter(watched, event)

    def _reveal(self) -> None:
        revealed = self.is_revealed()
        for button in self._buttons:
            button.hush(not revealed)
        self._stats.setVisible(revealed and not self._at_right)
