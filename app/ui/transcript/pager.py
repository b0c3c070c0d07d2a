"""Leads from one version of a message to the others."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from app.ui.transcript.icon_button import IconButton
from app.ui.transcript.stage import Stage


class Pager(QWidget):
    """Say which version of a message is shown; `chosen` carries the id of the one to show instead."""

    chosen = Signal(str)

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._ids: tuple[str, ...] = ()
        self._place = 0
        self.previous_button = IconButton(stage, "chevron-left", "Previous version")
        self.next_button = IconButton(stage, "chevron-right", "Next version")
        self.label = QLabel()
        self.label.setProperty("look", "small")
        self.previous_button.clicked.connect(lambda: self.chosen.emit(self._ids[self._place - 1]))
        self.next_button.clicked.connect(lambda: self.chosen.emit(self._ids[self._place + 1]))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        for part in (self.previous_button, self.label, self.next_button):
            row.addWidget(part)
        self.hide()

    def show_versions(self, message_id: str, version_ids: Sequence[str]) -> None:
        """Show the place of `message_id` among its versions; nothing where there are no others."""
        self._ids = tuple(version_ids)
        is_one_of_many = len(self._ids) > 1 and message_id in self._ids
        if is_one_of_many:
            self._place = self._ids.index(message_id)
            self.label.setText(f"{self._place + 1} / {len(self._ids)}")
            self.label.setAccessibleName(self.spoken_place)
            for button in (self.previous_button, self.next_button):
                button.setAccessibleDescription(self.spoken_place)
            self.previous_button.setEnabled(self._place > 0)
            self.next_button.setEnabled(self._place + 1 < len(self._ids))
        self.setVisible(is_one_of_many)

    @property
    def spoken_place(self) -> str:
        """Return what a screen reader says, like `Version 2 of 3`."""
        return f"Version {self._place + 1} of {len(self._ids)}"

    @property
    def has_focus(self) -> bool:
        """Say whether the keyboard is here."""
        return self.previous_button.hasFocus() or self.next_button.hasFocus()

    def take_focus(self, *, forward: bool) -> None:
        """Give the keyboard to the button that leads on, or at the last version to the other one."""
        wanted, other = self.previous_button, self.next_button
        if forward:
            wanted, other = other, wanted
        (wanted if wanted.isEnabled() else other).setFocus(Qt.FocusReason.TabFocusReason)

    def restyle(self) -> None:
        """Take over the stage's present look."""
        self.previous_button.restyle()
        self.next_button.restyle()
