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

RADIUS_CONTROL = 6
RADIUS_CARD = 10
COLUMN_WIDTH = 760


def blend(over: str, under: str, share: float) -> str:
    """Return the opaque colour that `over` gives on `under` when it covers `share` (0 to 1) of it."""
    pairs = zip(_channels(over), _channels(under), strict=True)
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02X}" for a, b in pairs)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in _channels(color))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
