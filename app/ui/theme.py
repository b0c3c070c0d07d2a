"""The two palettes and the measures every widget takes its looks from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Colors:
    """Name the colours by what they are for; values are `#RRGGBB`."""

    is_dark: bool
    window: str
    surface: str
    raised: str
    border: str
    text: str
    text_secondary: str
    accent: str
    on_accent: str
    think: str
    code_background: str
    success: str
    warning: str
    error: str


LIGHT = Colors(
    is_dark=False,
    window="#FAF9F7",
    surface="#F1EFEB",
    raised="#FFFFFF",
    border="#DAD6CF",
    text="#1F1E1C",
    text_secondary="#5E5A54",
    accent="#B5480F",
    on_accent="#FFFFFF",
    think="#5B4BC4",
    code_background="#F3F1EC",
    success="#1E7A3C",
    warning="#8A5A00",
    error="#B3261E",
)
DARK = Colors(
    is_dark=True,
    window="#1B1B1D",
    surface="#232326",
    raised="#2A2A2E",
    border="#3A3A40",
    text="#ECEBE8",
    text_secondary="#A9A6A0",
    accent="#F08A4B",
    on_accent="#1B1B1D",
    think="#A79BF5",
    code_background="#202024",
    success="#6CCB8B",
    warning="#E0B050",
    error="#F2857D",
)

SPACE = (4, 8, 12, 16, 24, 32)
RADIUS_CONTROL = 6
RADIUS_CARD = 10
COLUMN_WIDTH = 760
