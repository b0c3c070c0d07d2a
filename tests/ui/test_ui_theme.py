from __future__ import annotations

import itertools

import pytest
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.core.settings import Theme
from app.ui.appearance import BODY_POINTS, Appearance
from app.ui.style import hover, make_palette, make_style_sheet, selection
from app.ui.theme import DARK, LIGHT, Colors, blend, contrast

LEAST_CONTRAST = 4.5
THEMES = pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])


def backgrounds(colors: Colors) -> dict[str, str]:
    return {
        "window": colors.window,
        "surface": colors.surface,
        "raised": colors.raised,
        "code": colors.code_background,
    }


@THEMES
def test_text_can_be_read_on_every_background(colors: Colors) -> None:
    tones = ("text", "text_secondary", "accent", "think", "success", "warning", "error")
    for tone, (name, under) in itertools.product(tones, backgrounds(colors).items()):
        ratio = contrast(getattr(colors, tone), under)
        assert ratio >= LEAST_CONTRAST, f"{tone} on {name}: {ratio:.2f}"


@THEMES
def test_text_can_be_read_where_it_is_pointed_at_selected_or_inverted(colors: Colors) -> None:
    pairs = {
        "on accent": (colors.on_accent, colors.accent),
        "on accent, pointed at": (colors.on_accent, blend(colors.text, colors.accent, 0.12)),
        "selected": (colors.text, selection(colors)),
        "button, pointed at": (colors.text_secondary, hover(colors, colors.surface)),
        "toast": (colors.window, colors.text),
        "think, chosen": (colors.think, blend(colors.think, colors.raised, 0.12)),
        "open chat": (colors.text, blend(colors.text, colors.surface, 0.13)),
    }
    for name, (over, under) in pairs.items():
        assert contrast(over, under) >= LEAST_CONTRAST, f"{name}: {contrast(over, under):.2f}"


def test_contrast_knows_its_ends() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#777777") == pytest.approx(1)


def test_blend_covers_nothing_or_everything() -> None:
    assert blend("#102030", "#FFFFFF", 0) == "#FFFFFF"
    assert blend("#102030", "#FFFFFF", 1) == "#102030"
    assert blend("#000000", "#FFFFFF", 0.5) == "#808080"


@THEMES
def test_palette_and_style_sheet_hold_the_tokens(colors: Colors) -> None:
    palette = make_palette(colors)
    assert palette.color(QPalette.ColorRole.Window).name().upper() == colors.window
    assert palette.color(QPalette.ColorRole.Accent).name().upper() == colors.accent
    sheet = make_style_sheet(colors)
    assert colors.accent in sheet
    assert "$" not in sheet


def test_the_theme_changes_while_the_window_is_open(qtbot: QtBot, qapp: QApplication) -> None:
    appearance = Appearance(qapp, Theme.LIGHT)
    assert qapp.palette().color(QPalette.ColorRole.Window).name().upper() == LIGHT.window
    with qtbot.waitSignal(appearance.changed) as changed:
        appearance.set_theme(Theme.DARK)
    assert changed.args == [DARK]
    assert qapp.palette().color(QPalette.ColorRole.Window).name().upper() == DARK.window
    assert DARK.accent in qapp.styleSheet()
    assert qapp.font().pointSizeF() == pytest.approx(BODY_POINTS)


def test_the_same_theme_again_changes_nothing(qtbot: QtBot, qapp: QApplication) -> None:
    appearance = Appearance(qapp, Theme.DARK)
    with qtbot.assertNotEmitted(appearance.changed):
        appearance.set_theme(Theme.DARK)
