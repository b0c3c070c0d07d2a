"""Bars that show what fills a device's memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from app.core.facts import BufferUse, DevicePlan, Gpu, Plan
from app.ui.appearance import Appearance
from app.ui.controls import StateDot, make_label
from app.ui.units import THIN, in_memory

# What a bar's parts are called, and the colour each has.
WEIGHTS = ("Weights", "accent")
CACHE = ("Conversation (KV cache)", "think")
COMPUTE = ("Working memory", "warning")
PROJECTOR = ("Vision", "success")
IN_USE = ("In use", "text_secondary")
OTHERS = ("Other programs", "text_secondary")
RESERVE = ("Kept free", "text_secondary")


@dataclass(frozen=True, slots=True)
class BarPart:
    """Hold one part of a bar: its name, the field of Colors it is painted in, its size, and whether it is hatched."""

    name: str
    tone: str
    n_bytes: int
    is_hatched: bool = False


class MemoryBar(QWidget):
    """Paint parts side by side on a track as long as `capacity_bytes`."""

    def __init__(self, appearance: Appearance, label: str, parts: Sequence[BarPart], capacity_bytes: int) -> None:
        super().__init__()
        self._appearance = appearance
        self._parts = tuple(parts)
        self._capacity_bytes = max(1, capacity_bytes, sum(part.n_bytes for part in parts))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(f"{label}: {self._in_words()}")
        self.setToolTip(self._in_words())
        appearance.changed.connect(self.update)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for a low, long bar."""
        return QSize(200, 10)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's signature
        """Paint the track and the parts."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.rect())
        outline = QPainterPath()
        outline.addRoundedRect(area, area.height() / 2, area.height() / 2)
        painter.setClipPath(outline)
        painter.fillRect(area, QColor(self._appearance.colors.border))
        left = 0.0
        for part in self._parts:
            width = area.width() * part.n_bytes / self._capacity_bytes
            color = QColor(getattr(self._appearance.colors, part.tone))
            pattern = Qt.BrushStyle.BDiagPattern if part.is_hatched else Qt.BrushStyle.SolidPattern
            painter.fillRect(QRectF(left, 0, width, area.height()), QBrush(color, pattern))
            left += width

    def _in_words(self) -> str:
        listed = [f"{part.name} {in_memory(part.n_bytes)}" for part in self._parts if part.n_bytes]
        free = self._capacity_bytes - sum(part.n_bytes for part in self._parts)
        return ", ".join([*listed, f"{in_memory(free)} left"])


class BarRow(QWidget):
    """Show a device's name, its numbers and its bar; a capacity of 0 is unknown."""

    def __init__(self, appearance: Appearance, name: str, parts: Sequence[BarPart], capacity_bytes: int) -> None:
        super().__init__()
        used = sum(part.n_bytes for part in parts if not part.is_hatched)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(4)
        words = f"{in_memory(used)} of {in_memory(capacity_bytes)}" if capacity_bytes else in_memory(used)
        numbers = make_label(words, "small")
        grid.addWidget(make_label(name), 0, 0)
        grid.addWidget(numbers, 0, 1, Qt.AlignmentFlag.AlignRight)
        grid.addWidget(MemoryBar(appearance, name, parts, capacity_bytes), 1, 0, 1, 2)


class Legend(QWidget):
    """Explain the colours of the bars."""

    def __init__(self, appearance: Appearance, entries: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for name, tone in entries:
            row.addWidget(StateDot(appearance, tone))
            row.addWidget(make_label(name, "small"))
            row.addSpacing(8)
        row.addStretch(1)


class PlanBars(QWidget):
    """Show where a model goes: one bar per GPU and one for the system's RAM, each with what was measured below it."""

    def __init__(self, appearance: Appearance, plan: Plan, ram_bytes: int, measured: Sequence[BufferUse] = ()) -> None:
        super().__init__()
        found = {use.device: use for use in measured}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        for device in plan.devices:
            capacity = device.capacity_bytes or max(device.budget_bytes, 1)
            column.addWidget(BarRow(appearance, device.name, device_parts(device), capacity))
            if use := found.get(device.bus_id):
                parts = (BarPart(*OTHERS, device.occupied_bytes), *measured_parts(use, device.projector_bytes))
                column.addWidget(BarRow(appearance, f"{device.name}, measured", parts, capacity))
        other = max(0, plan.host.total_bytes - plan.host.weights_bytes)
        parts = (BarPart(*WEIGHTS, plan.host.weights_bytes), BarPart(*COMPUTE, other))
        column.addWidget(BarRow(appearance, "System RAM", parts, ram_bytes))
        if use := found.get("CPU"):
            column.addWidget(BarRow(appearance, "System RAM, measured", measured_parts(use), ram_bytes))
        column.addWidget(Legend(appearance, (WEIGHTS, CACHE, COMPUTE, PROJECTOR, OTHERS)))


def device_parts(device: DevicePlan) -> tuple[BarPart, ...]:
    """Return what fills a device once a plan is carried out, as the parts of its bar."""
    return (
        BarPart(*OTHERS, device.occupied_bytes),
        BarPart(*WEIGHTS, device.weights_bytes),
        BarPart(*CACHE, device.kv_bytes),
        BarPart(*COMPUTE, device.compute_bytes),
        BarPart(*PROJECTOR, device.projector_bytes),
        BarPart(*RESERVE, device.reserve_bytes, is_hatched=True),
    )


def measured_parts(use: BufferUse, projector_bytes: int = 0) -> tuple[BarPart, ...]:
    """Return what was found on a device as the parts of its bar; `projector_bytes` of it are for pictures."""
    return (
        BarPart(*WEIGHTS, use.weights_bytes),
        BarPart(*CACHE, use.kv_bytes),
        BarPart(*COMPUTE, max(0, use.compute_bytes - projector_bytes)),
        BarPart(*PROJECTOR, min(projector_bytes, use.compute_bytes)),
    )


def gpu_row(appearance: Appearance, gpu: Gpu) -> BarRow:
    """Return the bar of a GPU's memory as it is used now, with its load and temperature where they are known."""
    name = f"{gpu.name} · drives the display" if gpu.drives_display else gpu.name
    used = BarPart(*IN_USE, max(0, gpu.total_bytes - gpu.free_bytes))
    return BarRow(appearance, " · ".join([name, *meter_words(gpu)]), (used,), gpu.total_bytes)


def meter_words(gpu: Gpu) -> list[str]:
    """Return a GPU's load and temperature in words, as far as they are known."""
    load = [f"{gpu.load_percent}{THIN}% busy"] if gpu.load_percent is not None else []
    return [*load, *([f"{gpu.temperature_c}{THIN}°C"] if gpu.temperature_c is not None else [])]


def holder_words(gpu: Gpu) -> str:
    """Return who holds memory on a GPU, the largest three first; empty where the driver names nobody."""
    named = [process for process in gpu.processes if process.name][:3]
    listed = ", ".join(
        f"{process.name} {in_memory(process.used_bytes)}" if process.used_bytes else process.name for process in named
    )
    return f"In use by {listed}." if listed else ""
