"""The settings, in force as soon as they are changed."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPlainTextEdit, QSpinBox, QWidget

from app.core.settings import Settings, Theme
from app.ui.controls import ElidedLabel, Segmented, make_button, make_label
from app.ui.page import Page, make_card
from app.ui.units import in_tokens

THEMES = (Theme.SYSTEM, Theme.LIGHT, Theme.DARK)
_CONTEXTS = (0, 4096, 8192, 16384, 32768, 65536, 131072, 262144)
_MOST_RESERVE_MIB = 16384
_PAUSE_MS = 500


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
        self.context = QComboBox()
        self.context.setAccessibleName("Context size")
        for size in _CONTEXTS:
            self.context.addItem(in_tokens(size) if size else "As large as fits", size)
        self.reserve = QSpinBox(maximum=_MOST_RESERVE_MIB, singleStep=256, suffix="\u202fMiB")
        self.reserve.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.reserve.setAccelerated(True)
        self.reserve.setAccessibleName("Memory to keep free on every GPU")
        self.folder = ElidedLabel("", "secondary")
        self.reload_button = make_button("Load the model again")
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._lay_out()
        self._connect()

    def show_settings(self, settings: Settings) -> None:
        """Show `settings` without telling anyone of a change."""
        self._settings = settings
        widgets = (self.theme, self.prompt, self.context, self.reserve)
        for widget in widgets:
            widget.blockSignals(True)
        self.theme.choose(THEMES.index(settings.theme))
        if self.prompt.toPlainText() != settings.system_prompt:
            self.prompt.setPlainText(settings.system_prompt)
        if self.context.findData(settings.context_tokens) < 0:
            self.context.addItem(in_tokens(settings.context_tokens), settings.context_tokens)
        self.context.setCurrentIndex(self.context.findData(settings.context_tokens))
        self.reserve.setValue(settings.reserve_mib)
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
        self.prompt.textChanged.connect(self._wait)
        self.reserve.valueChanged.connect(self._wait)
        self._pause.timeout.connect(self._tell)
        self.reload_button.clicked.connect(self.reload_wanted)

    def _wait(self) -> None:
        self._pause.start()

    def _tell(self) -> None:
        self._pause.stop()
        self._settings = replace(
            self._settings,
            theme=THEMES[self.theme.value],
            system_prompt=self.prompt.toPlainText(),
            context_tokens=int(self.context.currentData()),
            reserve_mib=self.reserve.value(),
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
        self.column.addWidget(self._make_memory_card())
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


def _row(label: str, control: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(16)
    text = make_label(label)
    row.addWidget(text)
    row.addStretch(0)
    if isinstance(control, QComboBox | QSpinBox):
        control.setMinimumWidth(180)
        row.addStretch(1)
    elif isinstance(control, Segmented):
        row.addStretch(1)
    row.addWidget(control)
    return row
