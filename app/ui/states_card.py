"""The settings of how much is kept of recent chats, so that they go on at once."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout

from app.core.settings import Settings
from app.ui.controls import Segmented, make_label
from app.ui.units import in_memory

_DISK_MIB = (0, 2048, 8192, 32768)
_RAM_MIB = (0, 512, 1024, 4096)
_MIB = 1024**2
_ABOUT = (
    "What the model has read of a chat is kept, so that it need not read it again when you come back to it or switch "
    "between fast and think. The files lie on this machine, readable by you alone, and go with their chat; “Off” "
    "removes them at once. Anything else is in force when a model is loaded the next time."
)


class StatesCard(QFrame):
    """Let the person choose how much is kept on disk and in memory; `edited` after every choice."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("card")
        self._shown = (0, 0)
        self.disk = Segmented("Recent chats on disk", [_words(mib) for mib in _DISK_MIB])
        self.memory = Segmented("Recent chats in memory", [_words(mib) for mib in _RAM_MIB])
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(8)
        column.addWidget(make_label("Recent chats", "strong"))
        for name, choice in (("On disk", self.disk), ("In memory", self.memory)):
            row = QHBoxLayout()
            row.addWidget(make_label(name))
            row.addStretch(1)
            row.addWidget(choice)
            column.addLayout(row)
            choice.chosen.connect(self.edited)
        column.addWidget(make_label(_ABOUT, "small", wraps=True))

    def show_settings(self, settings: Settings) -> None:
        """Show `settings`, or what comes next to them, without telling anyone of a change."""
        disk = _nearest(_DISK_MIB, settings.state_disk_mib) if settings.keep_states else 0
        self._shown = disk, _nearest(_RAM_MIB, settings.state_ram_mib)
        for choice, number in zip((self.disk, self.memory), self._shown, strict=True):
            choice.blockSignals(True)
            choice.choose(number)
            choice.blockSignals(False)

    def applied_to(self, settings: Settings) -> Settings:
        """Return `settings` with what was chosen here; what was not touched stays as it was."""
        disk, memory = self.disk.value, self.memory.value
        if disk != self._shown[0]:
            settings = replace(
                settings, keep_states=disk > 0, state_disk_mib=_DISK_MIB[disk] or settings.state_disk_mib
            )
        if memory != self._shown[1]:
            settings = replace(settings, state_ram_mib=_RAM_MIB[memory])
        self._shown = disk, memory
        return settings


def _words(mib: int) -> str:
    return in_memory(mib * _MIB) if mib else "Off"


def _nearest(choices: tuple[int, ...], mib: int) -> int:
    return min(range(len(choices)), key=lambda number: abs(choices[number] - mib))
