"""Pictures with known contents: one shape in one colour, or a mark at one side."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

Rgb = tuple[int, int, int]

COLORS: dict[str, Rgb] = {
    "red": (214, 39, 40),
    "green": (44, 150, 60),
    "blue": (40, 90, 210),
    "yellow": (245, 215, 50),
    "orange": (250, 135, 25),
    "purple": (130, 60, 170),
    "black": (20, 20, 22),
    "white": (250, 250, 250),
}
SHAPES = ("circle", "square", "triangle", "star", "cross")
SIDES = ("left", "right", "top", "bottom")
_GROUNDS: tuple[Rgb, ...] = ((255, 255, 255), (245, 245, 240), (128, 128, 128), (30, 30, 34))
_SHARPNESS = 3  # drawn this many times larger, then scaled down, for smooth edges


@dataclass(frozen=True)
class Scene:
    """Say what a picture shows; `side` is empty unless the shape is a small mark near one edge."""

    shape: str
    color: str
    side: str
    size: tuple[int, int]


def draw_scene(
    source: random.Random, size: tuple[int, int], *, with_side: bool, large: bool = False
) -> tuple[Image.Image, Scene]:
    """Draw a random scene of `size` pixels (width, height); a `large` shape fills most of it."""
    width, height = size
    shape, color = source.choice(SHAPES), source.choice(list(COLORS))
    side = source.choice(SIDES) if with_side else ""
    ground = _ground(source, COLORS[color])
    image = Image.new("RGB", (width * _SHARPNESS, height * _SHARPNESS), ground)
    center, radius = _place(source, width, height, side, large=large)
    _draw(ImageDraw.Draw(image), source, shape, _vary(source, COLORS[color], 12), center, radius)
    return image.resize(size, Image.Resampling.BOX), Scene(shape, color, side, size)


def _place(
    source: random.Random, width: int, height: int, side: str, *, large: bool
) -> tuple[tuple[float, float], float]:
    short = min(width, height)
    radius = short * (source.uniform(0.12, 0.2) if side else source.uniform(0.36 if large else 0.2, 0.46))
    left, right = radius, width - radius
    top, bottom = radius, height - radius
    x, y = source.uniform(left, right), source.uniform(top, bottom)
    if side in ("left", "right"):
        third = max(left, width / 3 - radius / 2)
        x = source.uniform(left, third) if side == "left" else width - source.uniform(left, third)
        y = height / 2 + source.uniform(-0.12, 0.12) * height
    elif side:
        third = max(top, height / 3 - radius / 2)
        y = source.uniform(top, third) if side == "top" else height - source.uniform(top, third)
        x = width / 2 + source.uniform(-0.12, 0.12) * width
    return (x * _SHARPNESS, y * _SHARPNESS), radius * _SHARPNESS


def _draw(
    draw: ImageDraw.ImageDraw,
    source: random.Random,
    shape: str,
    color: Rgb,
    center: tuple[float, float],
    radius: float,
) -> None:
    x, y = center
    turn = source.uniform(-0.12, 0.12)
    if shape == "circle":
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
        return
    corners: list[tuple[float, float]]  # (angle as a share of a full turn, distance)
    if shape == "square":
        corners = [(0.125 + 0.25 * n, 1.0) for n in range(4)]
    elif shape == "triangle":
        corners = [(n / 3 - 0.25, 1.0) for n in range(3)]
    elif shape == "star":
        corners = [(n / 10 - 0.25, 1.0 if n % 2 == 0 else 0.4) for n in range(10)]
    else:
        arm, inner = 0.06, 0.42
        corners = [
            corner for n in range(4) for corner in ((n / 4 - arm, 1.0), (n / 4 + arm, 1.0), (n / 4 + 0.125, inner))
        ]
    points = [
        (
            x + radius * distance * math.cos(2 * math.pi * share + turn),
            y + radius * distance * math.sin(2 * math.pi * share + turn),
        )
        for share, distance in corners
    ]
    draw.polygon(points, fill=color)


def _ground(source: random.Random, color: Rgb) -> Rgb:
    """Return a ground that is told apart from `color` by anyone."""
    for _ in range(100):
        ground = (
            source.choice(_GROUNDS)
            if source.random() < 0.6
            else (source.randrange(256), source.randrange(256), source.randrange(256))
        )
        if math.dist(ground, color) > 130:
            return ground
    return (255, 255, 255) if sum(color) < 384 else (0, 0, 0)


def _vary(source: random.Random, color: Rgb, by: int) -> Rgb:
    red, green, blue = (min(255, max(0, part + source.randint(-by, by))) for part in color)
    return red, green, blue
