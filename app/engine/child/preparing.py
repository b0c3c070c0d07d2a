"""Pictures as the projector gets them: upright, RGB, resized to the grid of Mistral's reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from app.engine.child.resampling import resize_cubic
from app.engine.pictures import CELL, LONGEST_SIDE, image_grid, opened, to_upright_rgb


@dataclass(frozen=True, slots=True)
class PreparedPicture:
    """Hold a picture ready for the projector: 3 bytes per pixel, rows from the top."""

    width: int
    height: int
    rgb: bytes
    tokens: int


def prepare_picture(data: bytes, longest_side: int = LONGEST_SIDE) -> PreparedPicture:
    """Return the picture upright, over white, with sides that are whole numbers of cells. Raises PictureError.

    No side is longer than `longest_side` pixels. The first image of an animation counts.
    Source of the size: mistral-common, ImageEncoder.
    """
    with opened(data) as image:
        upright = to_upright_rgb(image)
        columns, rows = image_grid(*upright.size, longest_side)
        rgb = _resized(upright, columns * CELL, rows * CELL, longest_side)
    return PreparedPicture(columns * CELL, rows * CELL, rgb, columns * rows + rows)


def _resized(image: Image.Image, width: int, height: int, longest_side: int) -> bytes:
    """Return the pixels of `image` in another size.

    A projector for pictures as large as the reference's saw the reference's own resizing. One for smaller
    pictures is another make: there, shrinking much without averaging would leave chance pixels of the picture.
    """
    if image.size == (width, height):
        return image.tobytes()
    if longest_side < LONGEST_SIDE:
        return image.resize((width, height), Image.Resampling.BICUBIC).tobytes()
    return resize_cubic(np.asarray(image), width, height).tobytes()
