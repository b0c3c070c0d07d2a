"""Resizing as Mistral's reference does it, which is OpenCV's cubic resize of 32-bit floats.

Each new pixel is mixed from 4 x 4 old ones, however much the picture shrinks: nothing is averaged away before,
and a model that was trained on such pictures should see such pictures.
Source: mistral-common, transform_image; OpenCV, modules/imgproc/src/resize.cpp, INTER_CUBIC.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

_TAPS = 4
_SHARPNESS = -0.75  # the cubic's slope at distance 1
_BAND_ROWS = 64  # new rows computed at once: what bounds the memory


def resize_cubic(pixels: Pixels, width: int, height: int) -> Pixels:
    """Return `pixels` [rows, columns, 3] as [height, width, 3].

    The reference goes on with floats; llama.cpp takes bytes, so each value is the byte nearest to it.
    """
    resized = np.empty((height, width, 3), np.uint8)
    columns, column_weights = _taps(pixels.shape[1], width)
    rows, row_weights = _taps(pixels.shape[0], height)
    for start in range(0, height, _BAND_ROWS):
        band = slice(start, start + _BAND_ROWS)
        needed, place = np.unique(rows[band], return_inverse=True)
        across = _mix_columns(pixels, needed, columns, column_weights)
        place = place.reshape(-1, _TAPS)
        mixed = sum(across[place[:, tap]] * row_weights[band, tap, None, None] for tap in range(_TAPS))
        resized[band] = np.rint(mixed).clip(0, 255)
    return resized


def _mix_columns(
    pixels: Pixels, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], weights: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    mixed = np.zeros((len(rows), len(columns), 3), np.float32)
    for tap in range(_TAPS):
        mixed += pixels[rows[:, None], columns[:, tap]] * weights[:, tap, None]
    return mixed


def _taps(old: int, new: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Return which old pixels of a line each new one is mixed from, [new, 4], and their weights.

    Beyond its ends a line goes on with its last pixel.
    """
    middle = (np.arange(new) + 0.5) * (old / new) - 0.5
    first = np.floor(middle)
    x, a = middle - first, _SHARPNESS
    weights = np.empty((new, _TAPS), np.float32)
    weights[:, 0] = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a
    weights[:, 1] = ((a + 2) * x - (a + 3)) * x * x + 1
    weights[:, 2] = ((a + 2) * (1 - x) - (a + 3)) * (1 - x) * (1 - x) + 1
    weights[:, 3] = 1 - weights[:, :3].sum(axis=1)
    indexes = first.astype(np.intp)[:, None] + np.arange(-1, _TAPS - 1)
    return indexes.clip(0, old - 1), weights
