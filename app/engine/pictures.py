"""Pictures as the model gets them: checked, upright, RGB, on the grid of Mistral's reference."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from PIL import Image, ImageOps, UnidentifiedImageError

from app.core.errors import PictureError, PictureTooLarge, PictureTooSmall, PictureUnreadable

MAX_FILE_BYTES = 64 << 20
MAX_PIXELS = 100_000_000
MIN_SIDE = 2  # llama.cpp ends the process below
LONGEST_SIDE = 1540
CELL = 28  # pixels a side that become one token: patches of 14, merged 2 x 2

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_READABLE = "PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF"
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """Describe a picture: its size in pixels when upright, and what it costs in the context."""

    width: int
    height: int
    media_type: str
    tokens: int


@dataclass(frozen=True, slots=True)
class PreparedPicture:
    """Hold a picture ready for the projector: 3 bytes per pixel, rows from the top."""

    width: int
    height: int
    rgb: bytes
    tokens: int


def inspect_picture(data: bytes) -> PictureInfo:
    """Decode a file's bytes once and say what they hold. Raises PictureError."""
    with _opened(data) as image:
        media_type = Image.MIME[image.format or ""]
        _load_upright(image)
        width, height = image.size
    return PictureInfo(width, height, media_type, image_tokens(width, height))


def prepare_picture(data: bytes, longest_side: int = LONGEST_SIDE) -> PreparedPicture:
    """Return the picture upright, over white, with sides that are whole numbers of cells. Raises PictureError.

    No side is longer than `longest_side` pixels. The first image of an animation counts.
    Source of the size: mistral-common, ImageEncoder.
    """
    with _opened(data) as image:
        _load_upright(image)
        upright = _to_rgb(image)
        columns, rows = image_grid(*upright.size, longest_side)
        size = (columns * CELL, rows * CELL)
        resized = upright if upright.size == size else upright.resize(size, Image.Resampling.BICUBIC)
        return PreparedPicture(*size, resized.tobytes(), _count_tokens(columns, rows))


def make_thumbnail(data: bytes, longest: int = 256) -> bytes:
    """Return a PNG of the picture whose longest side has at most `longest` pixels. Raises PictureError."""
    with _opened(data) as image:
        image.draft(image.mode, (2 * longest, 2 * longest))  # lets JPEG decode at a fraction of its size
        _load_upright(image)
        small = _to_rgb(image)
        small.thumbnail((longest, longest))
        target = io.BytesIO()
        small.save(target, "PNG")
    return target.getvalue()


def image_grid(width: int, height: int, longest_side: int = LONGEST_SIDE) -> tuple[int, int]:
    """Return how many columns and rows of tokens a picture of `width` x `height` pixels becomes."""
    ratio = max(height / longest_side, width / longest_side)
    if ratio > 1:
        width, height = max(round(width / ratio), 1), max(round(height / ratio), 1)
    return (width - 1) // CELL + 1, (height - 1) // CELL + 1


def image_tokens(width: int, height: int) -> int:
    """Return what a picture costs in the context: one token per cell, and one at the end of every row."""
    return _count_tokens(*image_grid(width, height))


def _count_tokens(columns: int, rows: int) -> int:
    return columns * rows + rows


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """Open `data` if its header is harmless; what goes wrong in the block is the picture's fault."""
    _check_bytes(data)
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata and of sizes that are judged here.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                _check_size(*image.size)
                yield image
    except PictureError:
        raise
    except Image.DecompressionBombError as cause:
        raise _too_many_pixels() from cause
    except MemoryError as cause:
        raise PictureTooLarge("There is not enough memory to open this picture. Use a smaller one.") from cause
    except UnidentifiedImageError as cause:
        raise PictureUnreadable(_unknown_kind(data)) from cause
    except Exception as cause:  # Pillow's decoders raise anything when the bytes are damaged
        raise PictureUnreadable("This picture is damaged or incomplete. Try to save it anew.") from cause


def _check_bytes(data: bytes) -> None:
    if not data:
        raise PictureUnreadable("This file is empty.")
    if len(data) > MAX_FILE_BYTES:
        raise PictureTooLarge(f"This picture is larger than {MAX_FILE_BYTES >> 20} MiB. Use a smaller one.")


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise _too_many_pixels()
    if min(width, height) < MIN_SIDE:
        raise PictureTooSmall(f"This picture has only {width} × {height} pixels; the model needs at least 2 × 2.")
    ratio = max(width, height) / LONGEST_SIDE
    if ratio > 1 and round(min(width, height) / ratio) < 1:
        raise PictureTooSmall(
            f"This picture of {width} × {height} pixels is too narrow: nothing would be left of its short side. "
            "Cut out the part that matters."
        )


def _too_many_pixels() -> PictureTooLarge:
    return PictureTooLarge(f"This picture has more than {MAX_PIXELS // 1_000_000} million pixels. Use a smaller one.")


def _unknown_kind(data: bytes) -> str:
    start = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith((b"<svg", b"<?xml", b"<!--", b"<!DOCTYPE svg")) and b"<svg" in start:
        return "SVG drawings can’t be read. Export the drawing as PNG and attach that."
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return "HEIC pictures can’t be read. Save the picture as JPEG or PNG and attach that."
    return f"This is not a picture that can be read. Use {_READABLE}."


def _load_upright(image: Image.Image) -> None:
    image.load()
    ImageOps.exif_transpose(image, in_place=True)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return `image` in RGB; what is transparent becomes white, as in the reference."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith(("I", "F")):
        return _to_8_bits(image).convert("RGB")
    if image.mode in {"L", "1", "CMYK", "YCbCr"} and "transparency" not in image.info:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    white = Image.new("RGB", layered.size, "white")
    white.paste(layered, mask=layered)
    return white


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Scale deep grey values down; Pillow's own conversion cuts off everything above 255.

    16-bit values have a known range; of others only the picture itself says what black and white are.
    """
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
        image = image.convert("I")
    else:
        low, high = cast("tuple[float, float]", image.getextrema())
    scale = 255 / (high - low) if high > low else 0.0
    return image.point(lambda value: value * scale - low * scale).convert("L")
