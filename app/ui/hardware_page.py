"""What this computer has, what is in use, and where the model went."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from app.core.facts import Hardware, Plan
from app.ui.appearance import Appearance
from app.ui.bars import IN_USE, BarPart, BarRow, gpu_row
from app.ui.controls import make_button, make_label
from app.ui.page import Page, clear_layout, make_card
from app.ui.plan_card import PlanCard, make_sentences
from app.ui.units import UNBROKEN


class HardwarePage(Page):
    """Show devices as bars, the plan's words, and the facts about the model in use."""

    refresh_wanted = Signal()

    def __init__(self, appearance: Appearance) -> None:
        super().__init__("Hardware")
        self._appearance = appearance
        self._ram_bytes = 0
        machine, column = make_card()
        column.addWidget(make_label("In use now", "strong"))
        self._devices = QVBoxLayout()
        self._devices.setSpacing(12)
        self._devices.addWidget(make_label("Looking at this computer…", "secondary"))
        column.addLayout(self._devices)
        refresh = make_button("Measure again")
        refresh.clicked.connect(self.refresh_wanted)
        column.addSpacing(4)
        column.addWidget(refresh, 0, Qt.AlignmentFlag.AlignLeft)
        self.plan_card = PlanCard(appearance)
        self.details, details_column = make_card()
        details_column.addWidget(make_label("The model in use", "strong"))
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(24)
        self._grid.setColumnStretch(1, 1)
        details_column.addLayout(self._grid)
        self.details.hide()
        for card in (machine, self.plan_card, self.details):
            self.column.addWidget(card)

    @property
    def ram_bytes(self) -> int:
        """Return all of the system's RAM as last seen; 0 before that."""
        return self._ram_bytes

    def show_hardware(self, hardware: Hardware) -> None:
        """Show the devices and what is in use on each."""
        self._ram_bytes = hardware.ram_total_bytes
        self.plan_card.show_ram(self._ram_bytes)
        clear_layout(self._devices)
        for gpu in hardware.gpus:
            self._devices.addWidget(gpu_row(self._appearance, gpu))
        if not hardware.gpus:
            self._devices.addWidget(
                make_label("No GPU can be used; the model runs on the processor.", "secondary", wraps=True)
            )
        used = BarPart(*IN_USE, max(0, hardware.ram_total_bytes - hardware.ram_available_bytes))
        self._devices.addWidget(BarRow(self._appearance, "System RAM", (used,), hardware.ram_total_bytes))
        cpu = f"{hardware.cpu_name} · {hardware.cpu_cores}{UNBROKEN}cores"
        self._devices.addWidget(make_label(cpu, "secondary"))
        if hardware.notes:
            self._devices.addWidget(make_sentences(hardware.notes))

    def show_plan(self, name: str, plan: Plan) -> None:
        """Show where model `name` goes."""
        self.plan_card.show_plan(f"Where {name} goes", plan, self._ram_bytes)

    def show_details(self, details: tuple[tuple[str, str], ...]) -> None:
        """Show facts about the model in use."""
        clear_layout(self._grid)
        for row, (label, value) in enumerate(details):
            self._grid.addWidget(make_label(label, "secondary"), row, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(_selectable(value), row, 1)
        self.details.setVisible(bool(details))


def _selectable(text: str) -> QWidget:
    label = make_label(text, wraps=True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
