from __future__ import annotations

import gzip
import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mistral_common.tokens.tokenizers.image import ImageConfig, ImageEncoder, SpecialImageIDs
from PIL import Image, ImageChops, ImageDraw

from app.core.errors import PictureError, PictureTooLarge, PictureUnreadable
from app.engine import pictures
from app.engine.child import preparing
from app.engine.child.preparing import prepare_picture
from app.engine.pictures import image_grid, image_tokens, inspect_picture, make_thumbnail

HEIC = Path(__file__).parents[1] / "data" / "pictures"  # `drawing` and plain colours, as written by libheif
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
REFERENCE = ImageEncoder(ImageConfig(14, 1540, 2), SpecialImageIDs(10, 12, 13))
ORIENTATION = 0x0112

sides = st.integers(1, 20000) | st.sampled_from([28, 29, 1539, 1540, 1541, 3080, 9999])


class FakeImage:
    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size


def drawing(width: int = 84, height: int = 56) -> Image.Image:
    """Red above left, green above right, blue below left, white below right."""
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, width // 2 - 1, height // 2 - 1), "red")
    pen.rectangle((width // 2, 0, width, height // 2 - 1), (0, 255, 0))
    pen.rectangle((0, height // 2, width // 2 - 1, height), "blue")
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def pixels(data: bytes) -> Image.Image:
    prepared = prepare_picture(data)
    return Image.frombytes("RGB", (prepared.width, prepared.height), prepared.rgb)


def distance(first: Image.Image, second: Image.Image) -> int:
    """Return the largest difference of any value."""
    extrema = ImageChops.difference(first, second).getextrema()
    return max(high for _low, high in extrema)


def row(colors: list[Any]) -> Image.Image:
    image = Image.new("RGB", (len(colors), 1))
    image.putdata(colors)
    return image


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@settings(max_examples=1000)
@given(width=sides, height=sides)
@example(width=1540, height=1540)
@example(width=20000, height=1)
@example(width=1, height=1)
def test_grid_is_that_of_the_reference(width: int, height: int) -> None:
    columns, rows = REFERENCE._image_to_num_tokens(FakeImage((width, height)))  # type: ignore[arg-type] # reads size only
    assert image_grid(width, height) == (columns, rows)
    assert image_tokens(width, height) == columns * rows + (rows - 1) + 1


def test_the_largest_picture_costs_what_the_model_card_says() -> None:
    assert image_tokens(1540, 1540) == 3025 + 54 + 1


@pytest.mark.parametrize("kind", FORMATS)
def test_every_kind_is_read(kind: str) -> None:
    data = encoded(drawing(100, 60), kind)
    info = inspect_picture(data)
    assert (info.width, info.height, info.media_type) == (100, 60, f"image/{kind.lower()}")
    prepared = prepare_picture(data)
    assert (prepared.width, prepared.height) == (112, 84)
    assert len(prepared.rgb) == 112 * 84 * 3
    assert prepared.tokens == info.tokens == 4 * 3 + 3
    with Image.open(io.BytesIO(make_thumbnail(data))) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("PNG", (100, 60))


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_a_picture_may_be_as_small_as_one_pixel(size: tuple[int, int]) -> None:
    prepared = prepare_picture(encoded(Image.new("RGB", size, "red"), "PNG"))
    assert (prepared.width, prepared.height) == tuple(28 * cells for cells in image_grid(*size))
    assert set(zip(*[iter(prepared.rgb)] * 3, strict=True)) == {(255, 0, 0)}


def test_a_heic_picture_is_read() -> None:
    data = (HEIC / "plain.heic").read_bytes()
    info = inspect_picture(data)
    assert (info.width, info.height, info.media_type) == (100, 60, "image/heif")
    assert info.tokens == prepare_picture(data).tokens == 4 * 3 + 3
    with Image.open(io.BytesIO(make_thumbnail(data))) as thumbnail:
        assert thumbnail.size == (100, 60)
        assert distance(thumbnail, drawing(100, 60)) < 90  # it blurs at edges
        assert distance(thumbnail.crop((5, 5, 45, 25)), drawing(100, 60).crop((5, 5, 45, 25))) < 12


def test_a_heic_picture_is_turned_upright() -> None:
    data = (HEIC / "turned.heic").read_bytes()
    assert (inspect_picture(data).width, inspect_picture(data).height) == (84, 56)
    found = [pixels(data).getpixel(place) for place in ((10, 10), (70, 10), (10, 45))]
    assert distance(row(found), row([(255, 0, 0), (0, 255, 0), (0, 0, 255)])) < 40


def test_a_transparent_heic_picture_lies_on_white() -> None:
    data = (HEIC / "transparent.heic").read_bytes()
    assert distance(pixels(data), Image.new("RGB", (56, 56), "white")) < 4


def test_the_main_image_of_several_in_heic_counts() -> None:
    red, _, blue = pixels((HEIC / "several.heic").read_bytes()).getpixel((9, 9))  # type: ignore[misc]
    assert red > 230
    assert blue < 25


def test_containers_of_heic_and_avif_are_told_apart_by_their_brands() -> None:
    heic, avif = (HEIC / "plain.heic").read_bytes(), encoded(drawing(100, 60), "AVIF")
    for data, kind in ((heic, "image/heif"), (avif, "image/avif")):
        relabelled = data[:8] + b"mif1" + data[12:]  # the common brand first, as some cameras write it
        assert inspect_picture(relabelled).media_type == kind


def test_whole_cells_are_not_resampled() -> None:
    assert pixels(encoded(drawing(), "PNG")).tobytes() == drawing().tobytes()


def test_large_pictures_shrink_to_the_longest_side() -> None:
    prepared = prepare_picture(encoded(drawing(3080, 1000), "PNG"))
    assert (prepared.width, prepared.height) == (1540, 504)
    assert prepared.tokens == image_tokens(3080, 1000) == 55 * 18 + 18


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(kind: str, orientation: int) -> None:
    as_the_camera_was_held = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    turn = as_the_camera_was_held.get(orientation)
    stored = drawing() if turn is None else drawing().transpose(turn)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = encoded(stored, kind, exif=exif)
    info = inspect_picture(data)
    assert (info.width, info.height) == (84, 56)
    upright = pixels(data)
    found = [upright.getpixel(place) for place in ((10, 10), (70, 10), (10, 45))]
    wanted = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert distance(row(found), row(wanted)) < 40
    with Image.open(io.BytesIO(make_thumbnail(data))) as thumbnail:
        assert thumbnail.size == (84, 56)


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("RGBA", "WEBP"), ("LA", "PNG"), ("PA", "TIFF")])
def test_transparency_becomes_white(mode: str, kind: str) -> None:
    image = drawing().convert("L" if mode in {"LA", "PA"} else "RGB").convert("RGBA")
    image.putalpha(0)
    data = encoded(image.convert(mode), kind)
    assert distance(pixels(data), Image.new("RGB", (84, 56), "white")) == 0


def test_a_transparent_gif_color_becomes_white() -> None:
    data = encoded(Image.new("P", (56, 56), 1), "GIF", transparency=1)
    assert distance(pixels(data), Image.new("RGB", (56, 56), "white")) == 0


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("1", "PNG"), ("L", "PNG"), ("P", "PNG"), ("CMYK", "TIFF"), ("CMYK", "JPEG"), ("YCbCr", "TIFF"), ("L", "JPEG")],
)
def test_other_modes_look_the_same(mode: str, kind: str) -> None:
    plain = Image.new("RGB", (56, 56), "black")
    plain.paste("white", (0, 0, 28, 56))
    found = pixels(encoded(plain.convert(mode), kind))
    assert distance(found, plain) < 24


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled(kind: str) -> None:
    deep = Image.new("I;16", (28, 28), 128 * 257)
    assert pixels(encoded(deep, kind)).getpixel((5, 5)) == (128, 128, 128)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_deeper_grey_is_stretched(mode: str) -> None:
    deep = Image.new(mode, (28, 28), -1000)
    deep.paste(1_000_000, (0, 0, 14, 28))
    found = pixels(encoded(deep, "TIFF"))
    assert (found.getpixel((3, 3)), found.getpixel((20, 3))) == ((255,) * 3, (0,) * 3)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_image_of_several_counts(kind: str) -> None:
    first, second = Image.new("RGB", (56, 56), "red"), Image.new("RGB", (56, 56), "blue")
    red, _, blue = pixels(encoded(first, kind, save_all=True, append_images=[second])).getpixel((9, 9))  # type: ignore[misc]
    assert red > 230
    assert blue < 25


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", PictureUnreadable, "empty"),
        (b"hello", PictureUnreadable, "not a picture"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<svg xmlns="x"/>', PictureUnreadable, "SVG"),
        (b"<svg/>", PictureUnreadable, "SVG"),
        (b"<!-- drawn --><svg:svg/>", PictureUnreadable, "SVG"),
        ('<svg xmlns="x"/>'.encode("utf-16"), PictureUnreadable, "SVG"),
        (gzip.compress(b"<svg>" + bytes(1 << 20)), PictureUnreadable, "SVG"),
        (gzip.compress(b"<svg/>")[:12], PictureUnreadable, "not a picture"),
        (b"\x1f\x8b\xff\xff", PictureUnreadable, "not a picture"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", PictureUnreadable, "not a picture"),
        (b"%PDF-1.7\n", PictureUnreadable, "PDF"),
        (b"<html>", PictureUnreadable, "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", PictureUnreadable, "not a picture"),
        (png_header(10001, 10000), PictureTooLarge, "100 million"),
        (png_header(50000, 50000), PictureTooLarge, "100 million"),
        (png_header(10000, 10000), PictureUnreadable, "damaged"),
    ],
)
def test_what_can_not_be_used_is_refused_in_a_sentence(data: bytes, error: type[PictureError], words: str) -> None:
    for read in (inspect_picture, prepare_picture, make_thumbnail):
        with pytest.raises(error, match=words) as caught:
            read(data)
        assert str(caught.value).endswith(".")


def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_FILE_BYTES", 1 << 20)
    with pytest.raises(PictureTooLarge, match="1 MiB"):
        inspect_picture(encoded(drawing(), "PNG") + bytes(1 << 20))


def test_sizes_between_pillows_limit_and_ours_are_read_without_a_warning() -> None:
    info = inspect_picture(encoded(Image.new("1", (9900, 9900)), "PNG"))
    assert (info.width, info.tokens) == (9900, 55 * 55 + 55)


def test_missing_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise MemoryError

    data = encoded(drawing(30, 30), "PNG")
    monkeypatch.setattr(preparing, "resize_cubic", fail)
    with pytest.raises(PictureTooLarge, match="memory"):
        prepare_picture(data)


def test_thumbnails_keep_the_proportions() -> None:
    data = encoded(drawing(2000, 500), "JPEG")
    with Image.open(io.BytesIO(make_thumbnail(data, 100))) as thumbnail:
        assert thumbnail.size == (100, 25)


SAMPLES = {kind: encoded(drawing(90, 70), kind) for kind in FORMATS} | {
    "HEIC": (HEIC / "plain.heic").read_bytes(),
    "HEIC, several": (HEIC / "several.heic").read_bytes(),
    "TIFF, compressed": encoded(drawing(90, 70), "TIFF", compression="tiff_lzw"),
    "PNG, palette": encoded(drawing(90, 70).convert("P"), "PNG"),
    "GIF, animated": encoded(drawing(90, 70), "GIF", save_all=True, append_images=[drawing(90, 70).convert("L")]),
    "JPEG, progressive": encoded(drawing(90, 70), "JPEG", progressive=True),
}


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_pictures_raise_nothing_but_picture_errors(
    name: str, data: st.DataObject, expected_warnings: Any
) -> None:
    expected_warnings.allow("PIL.TiffImagePlugin: More samples per pixel")
    broken = bytearray(SAMPLES[name])
    for _ in range(data.draw(st.integers(0, 6))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    del broken[data.draw(st.integers(0, len(broken)) | st.just(len(broken))) :]
    for read in (inspect_picture, prepare_picture, make_thumbnail):
        with suppress(PictureError):
            read(bytes(broken))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_refused_when_only_its_first_half_is_there(name: str) -> None:
    with pytest.raises(PictureError):
        inspect_picture(SAMPLES[name][: len(SAMPLES[name]) // 2])


def test_no_file_is_left_open(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    path.write_bytes(SAMPLES["TIFF"])
    prepare_picture(path.read_bytes())  # an open handle would be a ResourceWarning, which fails the test
    path.unlink()
