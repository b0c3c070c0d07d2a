"""Pictures from files of strangers: checked, decoded, upright, RGB, and what they cost on the reference's grid."""

from __future__ import annotations

import io
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import cast

import pi_heif  # type: ignore[import-untyped]  # it ships no types
from PIL import Image, ImageOps, UnidentifiedImageError

from app.core.errors import PictureError, PictureTooLarge, PictureUnreadable

MAX_FILE_BYTES = 64 << 20
MAX_PIXELS = 100_000_000
LONGEST_SIDE = 1540
CELL = 28  # pixels a side that become one token: patches of 14, merged 2 x 2

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_READABLE = "PNG, JPEG, WebP, GIF, BMP, TIFF, HEIC or AVIF"
_HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """Describe a picture: its size in pixels when upright, and what it costs in the context."""

    width: int
    height: int
    media_type: str
    tokens: int


def inspect_picture(data: bytes) -> PictureInfo:
    """Decode a file's bytes once and say what they hold. Raises PictureError."""
    with opened(data) as image:
        media_type = Image.MIME[image.format or ""]
        _load_upright(image)
        width, height = image.size
    return PictureInfo(width, height, media_type, image_tokens(width, height))


def make_thumbnail(data: bytes, longest: int = 256) -> bytes:
    """Return a PNG of the picture whose longest side has at most `longest` pixels. Raises PictureError."""
    with opened(data) as image:
        image.draft(image.mode, (2 * longest, 2 * longest))  # lets JPEG decode at a fraction of its size
        small = to_upright_rgb(image)
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


def image_tokens(width: int, height: int, longest_side: int = LONGEST_SIDE) -> int:
    """Return what a picture costs in the context: one token per cell, and one at the end of every row."""
    columns, rows = image_grid(width, height, longest_side)
    return columns * rows + rows


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """Open `data` if its header is harmless; what goes wrong in the block is the picture's fault.

    Raises PictureError.
    """
    _check_bytes(data)
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata and of sizes that are judged here.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_formats_of(data)) as image:
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


def _too_many_pixels() -> PictureTooLarge:
    return PictureTooLarge(f"This picture has more than {MAX_PIXELS // 1_000_000} million pixels. Use a smaller one.")


def _formats_of(data: bytes) -> tuple[str, ...]:
    """Return the formats to try. HEIC and AVIF share a container: which codec is inside, its brands tell."""
    if data[4:8] != b"ftyp":
        return _FORMATS
    brands = data[8 : min(int.from_bytes(data[:4]), _HEAD_BYTES)]
    if b"avif" in brands or b"avis" in brands:
        return ("AVIF",)
    _know_heif()
    return ("HEIF",)


@cache
def _know_heif() -> None:
    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def _unknown_kind(data: bytes) -> str:
    head = _unpacked(data)[:_HEAD_BYTES]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "replace").encode()
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"<") and (b"<svg" in head or b":svg" in head):
        return "SVG drawings can’t be read. Export the drawing as PNG and attach that."
    if b"%PDF-" in head:
        return "PDF documents can’t be read. Export the page as PNG and attach that."
    return f"This is not a picture that can be read. Use {_READABLE}."


def _unpacked(data: bytes) -> bytes:
    """Return the beginning of what is packed in `data` (SVGZ is an SVG in gzip), or of `data` itself."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, _HEAD_BYTES)
    except zlib.error:
        return data


def to_upright_rgb(image: Image.Image) -> Image.Image:
    """Decode `image` and return it upright and in RGB."""
    _load_upright(image)
    return _to_rgb(image)


def _load_upright(image: Image.Image) -> None:
    image.load()
    _check_size(*image.size)  # HEIC headers may state less than the picture has
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
