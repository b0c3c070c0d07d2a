"""Pictures with known contents: one shape in one colour, a mark at one side, or a clutter that nobody could name."""

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
_SMALLEST, _LARGEST = 0.22, 0.47  # radius of a shape as a share of the shorter side


@dataclass(frozen=True)
class Scene:
    """Say what a picture shows.

    `side` is empty unless the shape is a small mark near one edge; `shape` and `color` are empty for a clutter.
    `center` and `radius` are shares of the width and the height: (x, y) and (across, up).
    """

    shape: str
    color: str
    side: str = ""
    center: tuple[float, float] = (0.5, 0.5)
    radius: tuple[float, float] = (0.5, 0.5)


@dataclass(frozen=True)
class Drawing:
    """Hold a picture, what it shows, and the mask of its shape (8-bit grey, the size of the picture)."""

    image: Image.Image
    scene: Scene
    mask: Image.Image


def draw_scene(
    source: random.Random, size: tuple[int, int], *, with_side: bool, final: tuple[int, int] | None = None
) -> Drawing:
    """Draw a random shape in a picture of `size` pixels (width, height), scaled to `final` if that is given."""
    width, height = size
    final = final or size
    shape, color = source.choice(SHAPES), source.choice(list(COLORS))
    side = source.choice(SIDES) if with_side else ""
    (x, y), radius = _place(source, width, height, side)
    corners = _corners(source, shape, (x, y), radius)
    sharpness = _SHARPNESS if max(size) < 600 else 1
    mask = Image.new("L", (width * sharpness, height * sharpness))
    draw = ImageDraw.Draw(mask)
    if corners:
        draw.polygon([(px * sharpness, py * sharpness) for px, py in corners], fill=255)
    else:
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(tuple(edge * sharpness for edge in box), fill=255)
    mask = mask.resize(final, Image.Resampling.BOX)
    ground = Image.new("RGB", final, _ground(source, COLORS[color]))
    image = Image.composite(Image.new("RGB", final, _vary(source, COLORS[color], 12)), ground, mask)
    scene = Scene(shape, color, side, (x / width, y / height), (radius / width, radius / height))
    return Drawing(image, scene, mask)


def draw_clutter(source: random.Random, size: tuple[int, int]) -> Drawing:
    """Draw what is not one plain shape: noise, stripes, or many things at once."""
    width, height = size
    image = Image.new("RGB", size, _any_color(source))
    draw = ImageDraw.Draw(image)
    style = source.choice(("things", "things", "stripes", "noise", "plain"))
    if style == "things":
        for _ in range(source.randint(6, 30)):
            x, y, radius = source.uniform(0, width), source.uniform(0, height), source.uniform(3, min(size) / 3)
            box = (x - radius, y - radius, x + radius * source.uniform(0.3, 1), y + radius * source.uniform(0.3, 1))
            source.choice((draw.ellipse, draw.rectangle))(box, fill=_any_color(source))
    elif style == "stripes":
        step, slope = source.randint(5, 30), source.uniform(-0.6, 0.6)
        for x in range(-height, width + height, 2 * step):
            draw.line((x, 0, x + slope * height, height), fill=_any_color(source), width=step)
    elif style == "noise":
        grain = source.choice((1, 2, 4, 8))
        small = (max(1, width // grain), max(1, height // grain))
        noise = Image.frombytes("RGB", small, source.randbytes(small[0] * small[1] * 3))
        image = Image.blend(image, noise.resize(size, Image.Resampling.BICUBIC), source.uniform(0.4, 1))
    return Drawing(image, Scene("", ""), Image.new("L", size))


def _place(source: random.Random, width: int, height: int, side: str) -> tuple[tuple[float, float], float]:
    short = min(width, height)
    radius = short * (source.uniform(0.12, 0.2) if side else source.uniform(_SMALLEST, _LARGEST))
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
    return (x, y), radius


def _corners(
    source: random.Random, shape: str, center: tuple[float, float], radius: float
) -> list[tuple[float, float]]:
    """Return the corners of a shape that stands nearly upright; none for a circle."""
    x, y = center
    turn = source.uniform(-0.12, 0.12)
    corners: list[tuple[float, float]] = []  # (angle as a share of a full turn, distance)
    if shape == "square":
        corners = [(0.125 + 0.25 * n, 1.0) for n in range(4)]
    elif shape == "triangle":
        corners = [(n / 3 - 0.25, 1.0) for n in range(3)]
    elif shape == "star":
        corners = [(n / 10 - 0.25, 1.0 if n % 2 == 0 else 0.4) for n in range(10)]
    elif shape == "cross":
        arm, inner = 0.06, 0.42
        corners = [
            corner for n in range(4) for corner in ((n / 4 - arm, 1.0), (n / 4 + arm, 1.0), (n / 4 + 0.125, inner))
        ]
    angles = [(2 * math.pi * share + turn, radius * distance) for share, distance in corners]
    return [(x + distance * math.cos(angle), y + distance * math.sin(angle)) for angle, distance in angles]


def _ground(source: random.Random, color: Rgb) -> Rgb:
    """Return a ground that is told apart from `color` by anyone."""
    for _ in range(100):
        ground = source.choice(_GROUNDS) if source.random() < 0.6 else _any_color(source)
        if math.dist(ground, color) > 130:
            return ground
    return (255, 255, 255) if sum(color) < 384 else (0, 0, 0)


def _any_color(source: random.Random) -> Rgb:
    return source.randrange(256), source.randrange(256), source.randrange(256)


def _vary(source: random.Random, color: Rgb, by: int) -> Rgb:
    red, green, blue = (min(255, max(0, part + source.randint(-by, by))) for part in color)
    return red, green, blue
