"""Pictures as the model sees them: upright, RGB, on the reference's grid.

Source of the sizes: mistral-common, ImageEncoder. A picture whose longest side is beyond the limit is scaled down, none
is scaled up; then each side is stretched to the next multiple of 28 pixels (patch 14, 2 x 2 patches per token).
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image, ImageOps

from app.core.errors import PictureError, PictureTooLarge, PictureTooSmall, PictureUnreadable

MAX_FILE_BYTES = 64 << 20
MAX_PIXELS = 100_000_000
LONGEST_SIDE = 1540
GRID = 28
_SHORTEST_SIDE = 2  # llama.cpp aborts below
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_KINDS = "PNG, JPEG, WebP, GIF, BMP, TIFF and AVIF"


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """Describe a picture: upright size in pixels, and its cost in tokens at the largest size models take."""

    width: int
    height: int
    media_type: str
    tokens: int


@dataclass(frozen=True, slots=True)
class PreparedPicture:
    """Hold the pixels a model gets: `rgb` is height x width x 3 bytes; both sides are multiples of 28."""

    width: int
    height: int
    rgb: bytes
    tokens: int


def image_grid(width: int, height: int, longest_side: int = LONGEST_SIDE) -> tuple[int, int]:
    """Return how many tokens wide and high a picture of this size (pixels) becomes."""
    ratio = max(width / longest_side, height / longest_side)
    if ratio > 1:
        width, height = round(width / ratio), round(height / ratio)
    return (max(width, 1) - 1) // GRID + 1, (max(height, 1) - 1) // GRID + 1


def image_tokens(width: int, height: int, longest_side: int = LONGEST_SIDE) -> int:
    """Return what a picture costs in the context: its grid, a break after every row but the last, and an end."""
    columns, rows = image_grid(width, height, longest_side)
    return columns * rows + rows


def inspect_picture(data: bytes) -> PictureInfo:
    """Decode a picture to the end and describe it. Raises PictureError."""
    with _opened(data) as image:
        media_type = Image.MIME[image.format or ""]
        upright = ImageOps.exif_transpose(image)
        return PictureInfo(upright.width, upright.height, media_type, image_tokens(*upright.size))


def prepare_picture(data: bytes, longest_side: int = LONGEST_SIDE) -> PreparedPicture:
    """Return the pixels for the model. Raises PictureError."""
    with _opened(data) as image:
        upright = _to_rgb(ImageOps.exif_transpose(image))
        columns, rows = image_grid(*upright.size, longest_side)
        size = (columns * GRID, rows * GRID)
        if upright.size != size:
            upright = upright.resize(size, Image.Resampling.BICUBIC)
        return PreparedPicture(*size, upright.tobytes(), image_tokens(*size, longest_side))


def make_thumbnail(data: bytes, longest: int = 256) -> bytes:
    """Return a PNG of at most `longest` pixels a side. Raises PictureError."""
    with _opened(data) as image:
        upright = _to_rgb(ImageOps.exif_transpose(image))
        upright.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        upright.save(buffer, "PNG")
        return buffer.getvalue()


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """Open and decode the first frame; whatever Pillow raises on hostile bytes becomes a PictureError."""
    _check_bytes(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # decoders warn about odd files; sizes are checked below
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                _check_size(*image.size)
                image.load()
                yield image
    except PictureError:
        raise
    except MemoryError as error:
        raise PictureTooLarge("This picture is too large for the memory that is free.") from error
    except Image.DecompressionBombError as error:
        raise PictureTooLarge(_too_many_pixels()) from error
    # Pillow's decoders raise whatever they stumble over; hostile bytes reach them first and must end here.
    except Exception as error:  # noqa: BLE001
        raise PictureUnreadable(_unreadable(data)) from error


def _check_bytes(data: bytes) -> None:
    if len(data) > MAX_FILE_BYTES:
        raise PictureTooLarge(f"This picture is larger than {MAX_FILE_BYTES >> 20} MiB. Save it smaller and try again.")
    if not data:
        raise PictureUnreadable("This picture is an empty file.")


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PictureTooLarge(_too_many_pixels())
    if min(width, height) < _SHORTEST_SIDE:
        raise PictureTooSmall(
            f"This picture is only {width} x {height} pixels. At least {_SHORTEST_SIDE} x {_SHORTEST_SIDE} are needed."
        )


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return the picture in RGB, what is transparent over white."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):  # 16 or 32 bits of grey, which convert() would clip instead of scale
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    has_alpha = image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info
    if not has_alpha:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    ground = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(ground, layered).convert("RGB")


def _too_many_pixels() -> str:
    return f"This picture has more than {MAX_PIXELS // 1_000_000} million pixels. Save it smaller and try again."


def _unreadable(data: bytes) -> str:
    head = data[:1024].lstrip()
    if re.match(rb"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!DOCTYPE svg|<svg)", head, re.DOTALL | re.IGNORECASE):
        return "SVG drawings can’t be shown to the model. Save it as PNG and try again."
    if data[4:8] == b"ftyp" and data[8:12] in {b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis"}:
        return "HEIC photos can’t be opened. Save it as JPEG and try again."
    return f"This is not a picture that can be opened, or it is damaged. {_KINDS} work."
