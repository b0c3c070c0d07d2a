"""How text looks in the column: fonts, colours and the style sheet of its documents."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from PySide6.QtGui import QColor, QFont, QFontDatabase, QFontInfo, QPalette
from PySide6.QtWidgets import QApplication

from app.ui.style import selection
from app.ui.theme import Colors, blend

_MONO_SHARE = 0.95
_HEADING_SHARES = (1.5, 1.28, 1.12, 1.0, 1.0, 1.0)
_LINE_SHARE = 1.6  # of the font's size
_SMALL_POINTS = 9.0


@dataclass(frozen=True, slots=True)
class Look:
    """Hold what the column is painted with, made from a palette and the application's font."""

    colors: Colors
    body_font: QFont = field(default_factory=QApplication.font)

    @property
    def code_font(self) -> QFont:
        """Return the system's monospaced font, a little smaller than the text."""
        code_font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        code_font.setPointSizeF(self.body_font.pointSizeF() * _MONO_SHARE)
        return code_font

    @property
    def small_font(self) -> QFont:
        """Return the font of secondary text."""
        small_font = QFont(self.body_font)
        small_font.setPointSizeF(_SMALL_POINTS)
        return small_font

    def ink(self, *, muted: bool) -> QColor:
        """Return the colour of text; `muted` for reasoning."""
        return QColor(self.colors.text_secondary if muted else self.colors.text)

    def palette(self, *, muted: bool) -> QPalette:
        """Return what a text document is painted with."""
        return _make_palette(self.ink(muted=muted).name(), selection(self.colors))

    def style_sheet(self) -> str:
        """Return the style sheet of text documents."""
        points = self.body_font.pointSizeF()
        line = round(QFontInfo(self.body_font).pixelSize() * _LINE_SHARE)
        headings = "".join(
            f"p.h{level} {{ font-size: {points * share:.2f}pt; font-weight: 600; margin: 0;"
            f" line-height: {round(line * share)}px; -qt-line-height-type: minimum; }}"
            for level, share in enumerate(_HEADING_SHARES, start=1)
        )
        code_font = self.code_font
        inline = blend(self.colors.text, self.colors.window, 0.07)
        return f"""
            p, li {{ margin: 0; line-height: {line}px; -qt-line-height-type: minimum; }}
            ol {{ margin: 0; }}
            ul {{ margin: 0; list-style-type: none; }}
            li {{ margin-bottom: 3px; }}
            b {{ font-weight: 600; }}
            a {{ color: {self.colors.accent}; text-decoration: underline; }}
            code {{ font-family: "{code_font.family()}"; font-size: {code_font.pointSizeF():.2f}pt;
                background-color: {inline}; }}
            table {{ border-collapse: collapse; margin: 0; border: 0px; }}
            th {{ font-weight: 600; padding: 6px 14px 6px 2px; border: 0px;
                border-bottom: 1px solid {blend(self.colors.text, self.colors.window, 0.45)}; }}
            td {{ padding: 6px 14px 6px 2px; border: 0px; border-bottom: 1px solid {self.colors.border}; }}
            {headings}"""


@lru_cache(maxsize=8)
def _make_palette(ink: str, marked: str) -> QPalette:
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Text, QColor(ink))
    palette.setColor(QPalette.ColorRole.Highlight, QColor(marked))
    palette.setColor(QPalette.ColorRole.HighlightedText, QColor(ink))
    return palette
