"""The resizing of pictures against OpenCV, with which Mistral's reference does it."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mistral_common.protocol.instruct.chunk import ImageChunk
from mistral_common.tokens.tokenizers.image import (
    DATASET_MEAN,
    DATASET_STD,
    ImageConfig,
    ImageEncoder,
    SpecialImageIDs,
)
from PIL import Image

from app.engine.child.preparing import prepare_picture
from app.engine.child.resampling import resize_cubic

REFERENCE = ImageEncoder(ImageConfig(14, 1540, 2), SpecialImageIDs(10, 12, 13))
# The reference goes on with fractions of a level, llama.cpp takes whole ones: half a level is lost, and what
# OpenCV loses by computing places in 32 bits.
NEAREST = 0.52

sides = st.integers(1, 400)


def noise(width: int, height: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def levels_by_opencv(pixels: Any, width: int, height: int) -> Any:
    floats = cv2.resize(pixels.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return floats.clip(0, 255)


@settings(max_examples=300, deadline=None)
@given(old=st.tuples(sides, sides), new=st.tuples(sides, sides), seed=st.integers(0, 1000))
def test_every_level_is_the_one_nearest_to_opencvs(old: tuple[int, int], new: tuple[int, int], seed: int) -> None:
    pixels = noise(*old, seed)

    assert np.abs(resize_cubic(pixels, *new) - levels_by_opencv(pixels, *new)).max() < NEAREST


@pytest.mark.parametrize("size", [(4000, 3000), (1541, 1539), (1539, 2), (20_000, 700)])
def test_large_pictures_are_resized_as_by_opencv(size: tuple[int, int]) -> None:
    pixels = noise(*size)

    assert np.abs(resize_cubic(pixels, 1540, 1176) - levels_by_opencv(pixels, 1540, 1176)).max() < NEAREST


@pytest.mark.parametrize("size", [(1, 1), (30, 50), (333, 777), (1540, 1540), (2500, 900), (28, 1600)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L"])
def test_what_the_projector_gets_is_what_the_reference_computes(size: tuple[int, int], mode: str) -> None:
    image = Image.fromarray(np.dstack((noise(*size), noise(*size, 2)[:, :, :1])), "RGBA").convert(mode)
    file = io.BytesIO()
    image.save(file, "PNG")

    ours = prepare_picture(file.getvalue())

    theirs = REFERENCE(ImageChunk(image=image))
    levels = (theirs.image.transpose(1, 2, 0) * DATASET_STD + DATASET_MEAN) * 255
    pixels = np.frombuffer(ours.rgb, np.uint8).reshape(ours.height, ours.width, 3)
    assert ours.tokens == len(theirs.tokens)
    assert np.abs(pixels - levels.clip(0, 255)).max() < NEAREST


def test_a_projector_for_smaller_pictures_gets_them_smoothed() -> None:
    stripes = np.zeros((1120, 1120, 3), np.uint8)
    stripes[:, ::2] = 255
    file = io.BytesIO()
    Image.fromarray(stripes).save(file, "PNG")

    small = np.frombuffer(prepare_picture(file.getvalue(), 336).rgb, np.uint8)

    assert np.abs(small.astype(int) - 128).max() < 60  # grey, where picking single pixels leaves black and white
    assert np.ptp(resize_cubic(stripes, 336, 336)) > 200
