"""Dress the application: follow the chosen theme and, where asked, the system's."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QFont, QFontDatabase
from PySide6.QtWidgets import QApplication

from app.core.settings import Theme
from app.ui.style import make_palette, make_style_sheet
from app.ui.theme import DARK, LIGHT, Colors

BODY_POINTS = 10.5


class Appearance(QObject):
    """Hold the colours in force; `changed` carries them when they become others."""

    changed = Signal(object)

    def __init__(self, application: QApplication, theme: Theme) -> None:
        super().__init__()
        self._application = application
        self._theme = theme
        self._hints = application.styleHints()
        application.setStyle("Fusion")
        application.setFont(_body_font())
        self._hint_scheme()
        self.colors = self._wanted()
        self._dress()
        self._hints.colorSchemeChanged.connect(self._follow)

    def set_theme(self, theme: Theme) -> None:
        """Use `theme` from now on."""
        self._theme = theme
        self._hint_scheme()
        self._follow()

    def _hint_scheme(self) -> None:
        """Let the system draw what it draws itself, like the title bar, in the same scheme."""
        if self._theme is Theme.SYSTEM:
            self._hints.unsetColorScheme()
        else:
            dark = self._theme is Theme.DARK
            self._hints.setColorScheme(Qt.ColorScheme.Dark if dark else Qt.ColorScheme.Light)

    def _follow(self) -> None:
        wanted = self._wanted()
        if wanted is not self.colors:
            self.colors = wanted
            self._dress()
            self.changed.emit(wanted)

    def _wanted(self) -> Colors:
        if self._theme is Theme.SYSTEM:
            return DARK if self._hints.colorScheme() is Qt.ColorScheme.Dark else LIGHT
        return DARK if self._theme is Theme.DARK else LIGHT

    def _dress(self) -> None:
        self._application.setPalette(make_palette(self.colors))
        self._application.setStyleSheet(make_style_sheet(self.colors))


def _body_font() -> QFont:
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    font.setPointSizeF(BODY_POINTS)
    return font
