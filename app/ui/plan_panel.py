"""Move a model's plan by hand: how long the context is, and how much of each GPU stays free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QSlider, QVBoxLayout

from app.core.facts import Gpu, Hardware, ModelFacts, Plan, ProjectorFacts
from app.hardware.planner import plan_placement
from app.hardware.wishes import Wishes
from app.hardware.wording import card_label
from app.ui.controls import make_button, make_label
from app.ui.page import clear_layout
from app.ui.units import in_memory, in_tokens

CONTEXTS = (4096, 6144, 8192, 12288, 16384, 24576, 32768, 49152, 65536, 98304, 131072, 196608, 262144)
_MIB = 1 << 20
_STEP_BYTES = 256 * _MIB
_MOST_STEPS = 32  # 8 GiB


class PlanPanel(QFrame):
    """Plan again while the person moves a slider; nothing is loaded before the button is pressed.

    `planned` carries the plan of the moment, `load_wanted` the wishes to load the model with.
    """

    planned = Signal(object)
    load_wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("card")
        self._task: tuple[ModelFacts, ProjectorFacts | None, Hardware] | None = None
        self._wishes = Wishes()
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(10)
        column.addWidget(make_label("Try another plan", "strong"))
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(12)
        self._grid.setColumnStretch(1, 1)
        column.addLayout(self._grid)
        self.load_button = make_button("Load with this plan")
        self.load_button.clicked.connect(lambda: self.load_wanted.emit(self._wishes))
        column.addWidget(self.load_button, 0, Qt.AlignmentFlag.AlignLeft)
        self._values: list[QLabel] = []
        self.context = QSlider(Qt.Orientation.Horizontal)
        self.reserves: tuple[QSlider, ...] = ()
        self.hide()

    @property
    def wishes(self) -> Wishes:
        """Return what the sliders say."""
        return self._wishes

    def offer(self, model: ModelFacts, projector: ProjectorFacts | None, hardware: Hardware, plan: Plan) -> None:
        """Let the person move `plan`, which was made for these facts."""
        self._task = (model, projector, hardware)
        self._wishes = Wishes(
            context_tokens=plan.context_tokens,
            kv_type=plan.kv_type,
            reserves={device.bus_id: device.reserve_bytes for device in plan.devices},
        )
        clear_layout(self._grid)
        self._values = []
        contexts = [size for size in CONTEXTS if size <= model.training_context] or [model.training_context]
        at = max((index for index, size in enumerate(contexts) if size <= plan.context_tokens), default=0)
        self.context = self._add_slider("Context", len(contexts) - 1, at)
        self.context.valueChanged.connect(lambda step: self._change(context_tokens=contexts[step]))
        self.reserves = tuple(
            self._add_reserve(gpu, card_label(hardware, number)) for number, gpu in enumerate(hardware.gpus)
        )
        self._show_values()
        self.show()

    def _add_reserve(self, gpu: Gpu, name: str) -> QSlider:
        steps = round(self._wishes.reserve_for(gpu) / _STEP_BYTES)
        most = min(_MOST_STEPS, gpu.free_bytes // _STEP_BYTES)
        slider = self._add_slider(f"Keep free on {name}", most, min(steps, most))
        slider.valueChanged.connect(
            lambda step: self._change(reserves={**self._wishes.reserves, gpu.bus_id: step * _STEP_BYTES})
        )
        return slider

    def _add_slider(self, name: str, most: int, value: int) -> QSlider:
        row = self._grid.rowCount()
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(0, most)
        slider.setValue(value)
        slider.setPageStep(max(1, most // 4))
        slider.setAccessibleName(name)
        shown = make_label("", "secondary")
        self._values.append(shown)
        self._grid.addWidget(make_label(name), row, 0)
        self._grid.addWidget(slider, row, 1)
        self._grid.addWidget(shown, row, 2, Qt.AlignmentFlag.AlignRight)
        return slider

    def _change(self, **values: object) -> None:
        self._wishes = replace(self._wishes, **values)  # type: ignore[arg-type]  # fields by name
        self._show_values()
        if self._task is not None:
            self.planned.emit(plan_placement(*self._task, self._wishes))

    def _show_values(self) -> None:
        gpus: Sequence[Gpu] = self._task[2].gpus if self._task else ()
        words = [in_tokens(self._wishes.context_tokens), *(in_memory(self._wishes.reserve_for(gpu)) for gpu in gpus)]
        for label, text in zip(self._values, words, strict=True):
            label.setText(text)
