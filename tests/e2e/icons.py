"""Find buttons by their icons, which look the same whatever fonts a system has."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image
from PySide6.QtCore import QByteArray, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

from tests.e2e.desktop import ROOT

SIZE = 16
GROUND = (0xFA, 0xF9, 0xF7)  # the page's colour in the light theme
QUIET = (0x5E, 0x5A, 0x54)  # of icons below a message
THINK = (0x5B, 0x4B, 0xC4)  # of all that has to do with reasoning
_TOLERANCE = 24


def find_icon(picture: Image.Image, name: str, color: tuple[int, int, int] = QUIET) -> list[tuple[int, int]]:
    """Return the middles of all places where icon `name` stands on the page, from top to bottom."""
    ink = _ink(name)
    expected = np.array(GROUND) * (1 - ink[..., None]) + np.array(color) * ink[..., None]
    pixels = np.asarray(picture.convert("RGB")).astype(np.int16)
    height, width = pixels.shape[0] - SIZE, pixels.shape[1] - SIZE
    # Where the icon's strongest pixel may stand is quickly found, and there the rest is looked at.
    y, x = np.unravel_index(np.argmax(ink), ink.shape)
    fits = (np.abs(pixels[y : y + height, x : x + width] - expected[y, x]) <= _TOLERANCE).all(axis=2)
    places = [(int(left), int(top)) for top, left in zip(*np.nonzero(fits), strict=True)]
    found = [place for place in places if _is_there(pixels, place, expected)]
    return [(left + SIZE // 2, top + SIZE // 2) for left, top in found]


def _is_there(pixels: npt.NDArray[np.int16], place: tuple[int, int], expected: npt.NDArray[np.float64]) -> bool:
    left, top = place
    here = pixels[top : top + SIZE, left : left + SIZE]
    return bool((np.abs(here - expected) <= _TOLERANCE).all(axis=2).mean() > 0.97)


@cache
def _ink(name: str) -> npt.NDArray[np.float64]:
    """Draw an icon as the program does; return how much of each pixel it covers, 0 to 1."""
    source = (ROOT / "resources" / "icons" / f"{name}.svg").read_text(encoding="utf-8")
    source = source.replace("currentColor", "#000000").replace('stroke-width="2"', 'stroke-width="1.5"')
    image = QImage(SIZE, SIZE, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(QByteArray(source.encode())).render(painter)
    painter.end()
    return np.array([[image.pixelColor(x, y).alphaF() for x in range(SIZE)] for y in range(SIZE)])
