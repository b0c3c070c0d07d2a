"""What the palette makes of Qt's Fusion style: a QPalette and one style sheet."""

from __future__ import annotations

from string import Template

from PySide6.QtGui import QColor, QPalette

from app.core.paths import RESOURCES
from app.ui.theme import Colors, blend

SELECTION_SHARE = 0.25
_HOVER_SHARE = 0.07
_PRESSED_SHARE = 0.13


def make_palette(colors: Colors) -> QPalette:
    """Return the palette Fusion paints with."""
    palette = QPalette()
    role = QPalette.ColorRole
    pairs = {
        role.Window: colors.window,
        role.Base: colors.raised,
        role.AlternateBase: colors.surface,
        role.Button: colors.raised,
        role.ToolTipBase: colors.raised,
        role.WindowText: colors.text,
        role.Text: colors.text,
        role.ButtonText: colors.text,
        role.ToolTipText: colors.text,
        role.BrightText: colors.error,
        role.PlaceholderText: colors.text_secondary,
        role.Highlight: selection(colors),
        role.HighlightedText: colors.text,
        role.Accent: colors.accent,
        role.Link: colors.accent,
        role.LinkVisited: colors.think,
        role.Light: colors.raised,
        role.Midlight: colors.surface,
        role.Mid: colors.border,
        role.Dark: colors.border,
        role.Shadow: colors.border,
    }
    for name, value in pairs.items():
        palette.setColor(name, QColor(value))
    faded = QColor(disabled(colors))
    for name in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, name, faded)
    return palette


def selection(colors: Colors) -> str:
    """Return the background of selected text: the accent at 25 %."""
    return blend(colors.accent, colors.raised, SELECTION_SHARE)


def disabled(colors: Colors) -> str:
    """Return the colour of what can't be used now."""
    return blend(colors.text_secondary, colors.window, 0.55)


def hover(colors: Colors, under: str) -> str:
    """Return `under` as it looks with the pointer on it."""
    return blend(colors.text, under, _HOVER_SHARE)


def make_style_sheet(colors: Colors) -> str:
    """Return the style sheet of the whole window."""
    arrow = (RESOURCES / "icons" / "arrow-combo.svg").as_posix()
    return _TEMPLATE.substitute(
        window=colors.window,
        surface=colors.surface,
        raised=colors.raised,
        border=colors.border,
        text=colors.text,
        secondary=colors.text_secondary,
        accent=colors.accent,
        accent_hover=blend(colors.text, colors.accent, 0.12),
        on_accent=colors.on_accent,
        think=colors.think,
        think_soft=blend(colors.think, colors.raised, 0.12),
        accent_soft=blend(colors.accent, colors.raised, 0.10),
        error=colors.error,
        warning=colors.warning,
        success=colors.success,
        code=colors.code_background,
        disabled=disabled(colors),
        selection=selection(colors),
        hover=hover(colors, colors.surface),
        hover_raised=hover(colors, colors.raised),
        pressed=blend(colors.text, colors.surface, _PRESSED_SHARE),
        handle=blend(colors.text, colors.window, 0.22),
        handle_hover=blend(colors.text, colors.window, 0.40),
        veil=f"#EB{colors.window[1:]}",
        arrow=arrow,
    )


_TEMPLATE = Template("""
QToolTip { background: $raised; color: $text; border: 1px solid $border; padding: 4px 6px; font-size: 9pt; }
QMainWindow, QDialog, QWidget#page { background: $window; }
QWidget#sidebar { background: $surface; border: none; border-right: 1px solid $border; }
QFrame#card { background: $surface; border: 1px solid $border; border-radius: 10px; }
QFrame#header { border: none; border-bottom: 1px solid $border; background: $window; }

QLabel { background: transparent; color: $text; }
QLabel[look="title"] { font-size: 13pt; font-weight: 600; }
QLabel[look="display"] { font-size: 19pt; font-weight: 600; }
QLabel[look="strong"] { font-weight: 600; }
QLabel[look="secondary"] { color: $secondary; }
QLabel[look="small"] { color: $secondary; font-size: 9pt; }
QLabel[look="error"] { color: $error; }
QLabel[look="good"] { color: $success; font-size: 9pt; }
QLabel[look="bad"] { color: $warning; font-size: 9pt; }

QPushButton { background: $raised; color: $text; border: 1px solid $border; border-radius: 6px;
  padding: 6px 14px; min-height: 18px; }
QPushButton:hover { background: $hover_raised; }
QPushButton:pressed { background: $pressed; }
QPushButton:focus { border: 2px solid $accent; padding: 5px 13px; }
QPushButton:disabled { color: $disabled; background: $surface; }
QPushButton[look="primary"] { background: $accent; color: $on_accent; border: 1px solid $accent;
  font-weight: 600; }
QPushButton[look="primary"]:hover { background: $accent_hover; border-color: $accent_hover; }
QPushButton[look="primary"]:focus { border: 2px solid $text; }
QPushButton[look="primary"]:disabled { background: $surface; border-color: $border; color: $disabled; }
QPushButton[look="link"] { background: transparent; border: 2px solid transparent; color: $accent;
  padding: 3px 6px; font-weight: 600; }
QPushButton[look="link"]:hover { text-decoration: underline; background: transparent; }
QPushButton[look="link"]:focus { border-color: $accent; }
QPushButton[look="nav"] { background: transparent; border: 2px solid transparent; text-align: left;
  padding: 5px 8px; font-weight: 400; }
QPushButton[look="nav"]:hover { background: $hover; }
QPushButton[look="nav"]:checked { background: $pressed; font-weight: 600; }
QPushButton[look="nav"]:focus { border-color: $accent; }
QPushButton[look="tile"] { background: $raised; border: 1px solid $border; border-radius: 10px;
  text-align: left; padding: 12px 14px; }
QPushButton[look="tile"]:hover { background: $hover_raised; }
QPushButton[look="tile"]:focus { border: 2px solid $accent; padding: 11px 13px; }

QToolButton { background: transparent; color: $text; border: 2px solid transparent; border-radius: 6px;
  padding: 4px; }
QToolButton:hover { background: $hover; }
QToolButton:pressed, QToolButton:open { background: $pressed; }
QToolButton:focus { border-color: $accent; }
QToolButton:disabled { color: $disabled; }
QToolButton::menu-indicator { image: none; width: 0; }
QToolButton[look="send"] { background: $accent; border-color: $accent; border-radius: 8px; }
QToolButton[look="send"]:hover { background: $accent_hover; border-color: $accent_hover; }
QToolButton[look="send"]:focus { border-color: $text; }
QToolButton[look="send"]:disabled { background: $hover; border-color: $hover; }

QFrame#segmented { background: $surface; border: 1px solid $border; border-radius: 8px; }
QFrame#segmented QPushButton { background: transparent; border: 2px solid transparent; border-radius: 6px;
  padding: 2px 10px; color: $secondary; font-size: 9.5pt; min-height: 18px; }
QFrame#segmented QPushButton:hover { color: $text; }
QFrame#segmented QPushButton:focus { border-color: $accent; }
QFrame#segmented QPushButton:checked { background: $raised; color: $text; }
QFrame#segmented QPushButton[look="think"]:checked { background: $think_soft; color: $think; }
QFrame#segmented QPushButton:disabled { color: $disabled; }

QLineEdit, QComboBox { background: $raised; color: $text; border: 1px solid $border;
  border-radius: 6px; padding: 5px 8px; min-height: 20px; selection-background-color: $selection;
  selection-color: $text; }
QLineEdit:focus, QComboBox:focus { border: 2px solid $accent; padding: 4px 7px; }
QLineEdit[look="search"] { background: $window; }
QLineEdit#rename { padding: 0 5px; min-height: 24px; border: 2px solid $accent; }
QComboBox::drop-down { border: none; width: 26px; }
QComboBox::down-arrow { image: url("$arrow"); width: 14px; height: 14px; }
QComboBox QAbstractItemView { background: $raised; color: $text; border: 1px solid $border;
  selection-background-color: $selection; selection-color: $text; padding: 4px; outline: none; }
QPlainTextEdit { background: $raised; color: $text; border: 1px solid $border; border-radius: 6px;
  padding: 6px; selection-background-color: $selection; selection-color: $text; }
QPlainTextEdit:focus { border: 2px solid $accent; padding: 5px; }
QPlainTextEdit#message { background: transparent; border: none; padding: 0; }
QFrame#composer { background: $raised; border: 1px solid $border; border-radius: 12px; }
QFrame#composer[active="true"] { border: 1px solid $accent; }
QFrame#picture { background: $surface; border: 1px solid $border; border-radius: 8px; }
QFrame#picture[refused="true"] { border-color: $error; }

QListView { background: transparent; border: none; outline: none; color: $text; }
QScrollArea, QScrollArea > QWidget > QWidget#page { background: transparent; border: none; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 0; }
QScrollBar::handle { background: $handle; border-radius: 3px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 32px; }
QScrollBar::handle:horizontal { min-width: 32px; }
QScrollBar::handle:hover { background: $handle_hover; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QMenu { background: $raised; color: $text; border: 1px solid $border; padding: 4px; }
QMenu::item { padding: 6px 24px 6px 12px; border-radius: 4px; }
QMenu::item:selected { background: $hover_raised; }
QMenu::item:disabled { color: $disabled; }
QMenu::separator { height: 1px; background: $border; margin: 4px 8px; }
QMenu::icon { padding-left: 8px; }

QProgressBar { background: $border; border: none; border-radius: 2px; }
QProgressBar::chunk { background: $accent; border-radius: 2px; }
QProgressBar[look="line"] { border-radius: 0; background: transparent; }
QProgressBar[look="line"]::chunk { border-radius: 0; }

QFrame#banner { background: $surface; border: 1px solid $border; border-left: 3px solid $warning;
  border-radius: 6px; }
QFrame#banner[kind="error"] { border-left-color: $error; }
QFrame#toast { background: $text; border: none; border-radius: 8px; }
QFrame#toast QLabel { color: $window; }
QFrame#toast QPushButton { background: transparent; border: 2px solid transparent; color: $window;
  font-weight: 600; padding: 3px 8px; text-decoration: underline; }
QFrame#toast QPushButton:focus { border-color: $window; }
QFrame#hint { background: $veil; border: 2px dashed $accent; border-radius: 12px; }
""")
