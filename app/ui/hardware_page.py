"""What this computer has, what is in use, and where the model went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from app.core.cpu import cores_in_words
from app.core.events import ModelPlanned
from app.core.facts import BufferUse, Gpu, Hardware, Plan
from app.ui.appearance import Appearance
from app.ui.bars import IN_USE, BarPart, BarRow, gpu_row, holder_words
from app.ui.controls import make_button, make_label
from app.ui.gpu_meter import GpuMeter
from app.ui.page import Page, clear_layout, make_card
from app.ui.plan_card import PlanCard, make_sentences
from app.ui.plan_panel import PlanPanel
from app.ui.units import UNBROKEN, in_speed


class HardwarePage(Page):
    """Show devices as bars, the plan's words, and the facts about the model in use."""

    refresh_wanted = Signal()

    def __init__(self, appearance: Appearance) -> None:
        super().__init__("Hardware")
        self._appearance = appearance
        self._ram_bytes = 0
        self._hardware: Hardware | None = None
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
        self._meter = GpuMeter()
        self._meter.measured.connect(self._show_meters)
        self.plan_card = PlanCard(appearance)
        self.speed = make_label("", "secondary", wraps=True)
        self.speed.hide()
        self.panel = PlanPanel()
        self.panel.planned.connect(self._show_trial)
        self._name = ""
        self.details, details_column = make_card()
        details_column.addWidget(make_label("The model in use", "strong"))
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(24)
        self._grid.setColumnStretch(1, 1)
        details_column.addLayout(self._grid)
        self.details.hide()
        column.addWidget(self.speed)
        for card in (machine, self.plan_card, self.panel, self.details):
            self.column.addWidget(card)

    @property
    def ram_bytes(self) -> int:
        """Return all of the system's RAM as last seen; 0 before that."""
        return self._ram_bytes

    def show_hardware(self, hardware: Hardware) -> None:
        """Show the devices and what is in use on each."""
        self._ram_bytes = hardware.ram_total_bytes
        self.plan_card.show_ram(self._ram_bytes)
        self._hardware = hardware
        clear_layout(self._devices)
        for gpu in hardware.gpus:
            self._devices.addWidget(gpu_row(self._appearance, gpu))
            if words := holder_words(gpu):
                self._devices.addWidget(make_label(words, "secondary", wraps=True))
        if not hardware.gpus:
            self._devices.addWidget(
                make_label("No GPU can be used; the model runs on the processor.", "secondary", wraps=True)
            )
        used = BarPart(*IN_USE, max(0, hardware.ram_total_bytes - hardware.ram_available_bytes))
        self._devices.addWidget(BarRow(self._appearance, "System RAM", (used,), hardware.ram_total_bytes))
        cpu = f"{hardware.cpu_name} · {cores_in_words(hardware.cpu_cores, UNBROKEN)}"
        self._devices.addWidget(make_label(cpu, "secondary"))
        if hardware.notes:
            self._devices.addWidget(make_sentences(hardware.notes))

    def show_plan(self, event: ModelPlanned) -> None:
        """Show where a model goes, and let the person try other plans for it."""
        self._name = event.name
        self.plan_card.show_plan(f"Where {event.name} goes", event.plan, self._ram_bytes)
        if event.facts is not None and event.hardware is not None:
            self.panel.offer(event.facts, event.projector_facts, event.hardware, event.plan)
        else:
            self.panel.hide()

    def show_measured(self, measured: Sequence[BufferUse]) -> None:
        """Show beside the plan what the devices really hold."""
        self.plan_card.show_measured(measured, self._ram_bytes)

    def show_speed(self, tokens_per_second: float) -> None:
        """Say how fast the last answer was written."""
        self.speed.setText(f"The last answer was written at {in_speed(tokens_per_second)}.")
        self.speed.setVisible(tokens_per_second > 0)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Follow load and temperature while the page is looked at."""
        super().showEvent(event)
        self._meter.start()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Look no more."""
        self._meter.stop()
        super().hideEvent(event)

    def _show_meters(self, gpus: tuple[Gpu, ...]) -> None:
        if self._hardware is not None:
            seen = {gpu.bus_id: gpu for gpu in gpus}
            kept = tuple(seen.get(gpu.bus_id, gpu) for gpu in self._hardware.gpus)
            self.show_hardware(replace(self._hardware, gpus=kept))

    def _show_trial(self, plan: Plan) -> None:
        self.plan_card.show_plan(f"Where {self._name} would go", plan, self._ram_bytes)

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
