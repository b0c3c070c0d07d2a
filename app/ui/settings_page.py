"""The settings, in force as soon as they are changed."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPlainTextEdit, QWidget

from app.core.messages import ReasoningEffort
from app.core.settings import Settings, Theme
from app.ui.controls import ElidedLabel, Segmented, make_button, make_label
from app.ui.page import Page, make_card
from app.ui.sampling_card import SamplingCard
from app.ui.states_card import StatesCard
from app.ui.units import in_memory, in_tokens

THEMES = (Theme.SYSTEM, Theme.LIGHT, Theme.DARK)
_CONTEXTS = (0, 4096, 8192, 16384, 32768, 65536, 131072, 262144)
_RESERVES_MIB = (0, 512, 1024, 1536, 2048, 3072, 4096, 6144, 8192)
_PAUSE_MS = 500
_MIB = 1024**2


class SettingsPage(Page):
    """Let the person change settings; `changed` carries all of them."""

    changed = Signal(object)
    folder_wanted = Signal()
    reload_wanted = Signal()

    def __init__(self) -> None:
        super().__init__("Settings")
        self._settings = Settings()
        self.theme = Segmented("Theme", ("System", "Light", "Dark"))
        self.prompt = QPlainTextEdit(placeholderText="For example: Answer briefly. I write Python and live in Lisbon.")
        self.prompt.setAccessibleName("What the model should always know")
        self.prompt.setTabChangesFocus(True)
        self.prompt.setFixedHeight(120)
        self.context = _make_choice("Context size")
        for size in _CONTEXTS:
            _offer(self.context, size, _context_words(size))
        self.reserve = _make_choice("Memory to keep free on every GPU")
        for size in _RESERVES_MIB:
            _offer(self.reserve, size, _reserve_words(size))
        self.attention = Segmented("Attention scale", ("As the file says", "Not scaled"))
        self.sampling = SamplingCard()
        self.states = StatesCard()
        self.folder = ElidedLabel("", "secondary")
        self.reload_button = make_button("Load the model again")
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._lay_out()
        self._connect()

    def show_settings(self, settings: Settings) -> None:
        """Show `settings` without telling anyone of a change."""
        self._settings = settings
        widgets = (self.theme, self.prompt, self.context, self.reserve, self.attention)
        for widget in widgets:
            widget.blockSignals(True)
        self.theme.choose(THEMES.index(settings.theme))
        if self.prompt.toPlainText() != settings.system_prompt:
            self.prompt.setPlainText(settings.system_prompt)
        _offer(self.context, settings.context_tokens, _context_words(settings.context_tokens))
        self.context.setCurrentIndex(self.context.findData(settings.context_tokens))
        _offer(self.reserve, settings.reserve_mib, _reserve_words(settings.reserve_mib))
        self.reserve.setCurrentIndex(self.reserve.findData(settings.reserve_mib))
        self.attention.choose(int(settings.unscaled_attention))
        self.sampling.show_settings(settings)
        self.states.show_settings(settings)
        self.folder.set_full_text(settings.models_folder or "Solo’s own folder")
        for widget in widgets:
            widget.blockSignals(False)

    def flush(self) -> None:
        """Hand over what was typed a moment ago."""
        if self._pause.isActive():
            self._tell()

    def _connect(self) -> None:
        self.theme.chosen.connect(self._tell)
        self.context.currentIndexChanged.connect(self._tell)
        self.prompt.textChanged.connect(self._pause.start)
        self.sampling.edited.connect(self._pause.start)
        self.reserve.currentIndexChanged.connect(self._tell)
        self.attention.chosen.connect(self._tell)
        self.states.edited.connect(self._tell)
        self._pause.timeout.connect(self._tell)
        self.reload_button.clicked.connect(self.reload_wanted)

    def _tell(self) -> None:
        self._pause.stop()
        self._settings = replace(
            self.states.applied_to(self._settings),
            theme=THEMES[self.theme.value],
            system_prompt=self.prompt.toPlainText(),
            context_tokens=int(self.context.currentData()),
            reserve_mib=int(self.reserve.currentData()),
            fast_sampling=self.sampling.choices(ReasoningEffort.NONE),
            think_sampling=self.sampling.choices(ReasoningEffort.HIGH),
            think_budget=self.sampling.think_budget,
            unscaled_attention=bool(self.attention.value),
        )
        self.changed.emit(self._settings)

    def _lay_out(self) -> None:
        look, column = make_card()
        column.addLayout(_row("Theme", self.theme))
        self.column.addWidget(look)
        prompt, column = make_card()
        column.addWidget(make_label("What the model should always know", "strong"))
        column.addWidget(
            make_label(
                "Stands before every chat as the system prompt, from the next message on.",
                "small",
                wraps=True,
            )
        )
        column.addWidget(self.prompt)
        self.column.addWidget(prompt)
        self.column.addWidget(self.sampling)
        self.column.addWidget(self._make_memory_card())
        self.column.addWidget(self.states)
        self.column.addWidget(self._make_attention_card())
        folder, column = make_card()
        change = make_button("Change…", "link")
        change.setAccessibleName("Change the folder for models")
        change.clicked.connect(self.folder_wanted)
        row = _row("Models folder", change)
        row.insertWidget(1, self.folder, 1)
        column.addLayout(row)
        self.column.addWidget(folder)

    def _make_memory_card(self) -> QWidget:
        card, column = make_card()
        column.addWidget(make_label("Memory", "strong"))
        column.addLayout(_row("Context size", self.context))
        column.addLayout(_row("Keep free on every GPU", self.reserve))
        foot = QHBoxLayout()
        foot.addWidget(make_label("In force when a model is loaded the next time.", "small", wraps=True), 1)
        foot.addWidget(self.reload_button)
        column.addLayout(foot)
        return card

    def _make_attention_card(self) -> QWidget:
        card, column = make_card()
        column.addLayout(_row("Attention scale", self.attention))
        column.addWidget(
            make_label(
                "Most files of Mistral Small 4 sharpen its attention more than its makers’ own configuration does. Try "
                "“Not scaled” where answers are worse than they should be. In force when a model is loaded the next "
                "time; the model’s details say which one is.",
                "small",
                wraps=True,
            )
        )
        return card


def _make_choice(name: str) -> QComboBox:
    choice = QComboBox()
    choice.setAccessibleName(name)
    choice.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return choice


def _offer(choice: QComboBox, value: int, words: str) -> None:
    """Let `value` be chosen, unless it can be already."""
    if choice.findData(value) < 0:
        choice.addItem(words, value)


def _context_words(tokens: int) -> str:
    return in_tokens(tokens) if tokens else "As large as fits"


def _reserve_words(mib: int) -> str:
    return in_memory(mib * _MIB) if mib else "Nothing"


def _row(label: str, control: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(16)
    text = make_label(label)
    row.addWidget(text)
    row.addStretch(0)
    if isinstance(control, QComboBox):
        control.setMinimumWidth(180)
        row.addStretch(1)
    elif isinstance(control, Segmented):
        row.addStretch(1)
    row.addWidget(control)
    return row
