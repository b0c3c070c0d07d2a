"""Read the header of one GGUF file within fixed bounds of time and memory, whatever the file holds.

The format is described in llama.cpp's docs and `ggml/src/gguf.cpp`, whose checks are repeated here so that a
file accepted by this reader is not refused by llama.cpp for its structure.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gguf.constants import (
    GGML_QUANT_SIZES,
    GGUF_DEFAULT_ALIGNMENT,
    GGUF_VERSION,
    GGMLQuantizationType,
    GGUFValueType,
)

from app.core.errors import ModelFileDamaged, ModelFileMissing, ModelNotSupported
from app.models.gguf_cursor import Cursor, HeaderDamaged, HeaderTooLarge

Scalar = int | float | bool | str
Value = Scalar | tuple[Scalar, ...]

MAX_KEYS = 1 << 16
MAX_TENSORS = 1 << 17
MAX_KEPT_BYTES = 1 << 24
KEPT_ARRAY_ITEMS = 512  # llama.cpp's limit of layers; longer arrays (vocabularies) are counted and skipped
MAX_KEY_BYTES = (1 << 16) - 1
MAX_NAME_BYTES = 63  # ggml's GGML_MAX_NAME less its terminator
MAX_DIMENSIONS = 4
MAX_TENSOR_BYTES = 1 << 62

_CODES = {
    GGUFValueType.UINT8: "B",
    GGUFValueType.INT8: "b",
    GGUFValueType.UINT16: "H",
    GGUFValueType.INT16: "h",
    GGUFValueType.UINT32: "I",
    GGUFValueType.INT32: "i",
    GGUFValueType.FLOAT32: "f",
    GGUFValueType.BOOL: "?",
    GGUFValueType.UINT64: "Q",
    GGUFValueType.INT64: "q",
    GGUFValueType.FLOAT64: "d",
}
_SCALAR_CODES = {int(kind): code for kind, code in _CODES.items()}
_STRING, _ARRAY = int(GGUFValueType.STRING), int(GGUFValueType.ARRAY)
_TENSOR_TYPES = {int(kind): (kind.name, *GGML_QUANT_SIZES[kind]) for kind in GGMLQuantizationType}


@dataclass(frozen=True, slots=True)
class HeaderTensor:
    """Hold a tensor's entry; `shape` is innermost dimension first, `offset` counts from the data's start."""

    name: str
    shape: tuple[int, ...]
    type_name: str
    n_bytes: int
    offset: int


@dataclass(frozen=True, slots=True)
class Header:
    """Hold what one file says about itself.

    `metadata` lacks arrays of more than KEPT_ARRAY_ITEMS items; `array_lengths` counts every array.
    """

    path: Path
    file_bytes: int
    metadata: Mapping[str, Value]
    array_lengths: Mapping[str, int]
    tensors: tuple[HeaderTensor, ...]


def read_header(path: Path) -> Header:
    """Read and check the header of the GGUF at `path`, never its tensor data.

    Raises ModelFileMissing, ModelFileDamaged or ModelNotSupported.
    """
    try:
        # Non-blocking, because the name may belong to a pipe nobody writes to.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb", buffering=0) as stream:
            return _read_stream(path, stream)
    except FileNotFoundError as cause:
        raise ModelFileMissing(
            f"The file {path.name} is not in {path.parent} any more. Choose it again or download it."
        ) from cause
    except (OSError, ValueError) as cause:  # ValueError: a name with a NUL in it
        reason = getattr(cause, "strerror", None) or str(cause)
        raise ModelFileMissing(
            f"The file {path.name} can't be opened ({reason}). Check that it is a file you may read."
        ) from cause


def _read_stream(path: Path, stream: BinaryIO) -> Header:
    status = os.fstat(stream.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise ModelFileMissing(f"{path.name} is not a file. Choose the model's .gguf file.")
    _check_magic(path, stream.read(8), status.st_size)
    cursor = Cursor(stream, status.st_size, start=8)
    try:
        return _read_body(path, cursor, status.st_size)
    except HeaderTooLarge as cause:
        raise ModelFileDamaged(
            f"The description at the start of {path.name} is larger than any real model's. "
            "The file is damaged; download it again."
        ) from cause
    except HeaderDamaged as cause:
        raise ModelFileDamaged(
            f"The file {path.name} is damaged or was not copied completely ({cause}). Download it again."
        ) from cause


def _check_magic(path: Path, start: bytes, file_bytes: int) -> None:
    if file_bytes == 0:
        raise ModelFileDamaged(f"The file {path.name} is empty. Download it again.")
    if start[:4] != b"GGUF" or len(start) < 8:
        raise ModelFileDamaged(f"{path.name} is not a model in GGUF form. Choose a .gguf file, or download it again.")
    version = int.from_bytes(start[4:8], "little")
    if version & 0xFFFF == 0 and version:
        raise ModelNotSupported(
            f"{path.name} was made for big-endian computers and can't be used here. Get the usual version."
        )
    if version == 1:
        raise ModelNotSupported(
            f"{path.name} is in the oldest GGUF form, which is no longer supported. Get a newer file of the model."
        )
    if version > GGUF_VERSION:
        raise ModelNotSupported(
            f"{path.name} is in a newer GGUF form than this version of the program knows. Update the program."
        )
    if version == 0:
        raise ModelFileDamaged(f"The file {path.name} is damaged. Download it again.")


def _read_body(path: Path, cursor: Cursor, file_bytes: int) -> Header:
    n_tensors, n_keys = cursor.u64(), cursor.u64()
    if n_keys > MAX_KEYS or n_tensors > MAX_TENSORS:
        raise HeaderDamaged("it announces more entries than a model can have")
    metadata: dict[str, Value] = {}
    array_lengths: dict[str, int] = {}
    kept = 0
    for _ in range(n_keys):
        before = cursor.position
        key = cursor.text(MAX_KEY_BYTES)
        if not key or key in metadata or key in array_lengths:
            raise HeaderDamaged("an entry has no name or is there twice")
        value, length = _read_value(cursor)
        if length is not None:
            array_lengths[key] = length
        if value is not None:
            metadata[key] = value
            kept += cursor.position - before
            if kept > MAX_KEPT_BYTES:
                raise HeaderTooLarge
    tensors = tuple(_read_tensor(cursor) for _ in range(n_tensors))
    _check_data(path, metadata, tensors, cursor.position, file_bytes)
    return Header(path, file_bytes, metadata, array_lengths, tensors)


def _read_value(cursor: Cursor) -> tuple[Value | None, int | None]:
    """Return a value and, for arrays, the length; a skipped array's value is None."""
    kind = cursor.u32()
    if kind != _ARRAY:
        return _read_items(cursor, kind, 1)[0], None
    kind, count = cursor.u32(), cursor.u64()
    if count <= KEPT_ARRAY_ITEMS:
        return _read_items(cursor, kind, count), count
    if kind == _STRING:
        cursor.skip_strings(count)
    else:
        cursor.skip(count * struct.calcsize(_scalar_code(kind)))
    return None, count


def _read_items(cursor: Cursor, kind: int, count: int) -> tuple[Scalar, ...]:
    if kind == _STRING:
        return tuple(cursor.text(MAX_KEPT_BYTES) for _ in range(count))
    return cursor.unpack(struct.Struct(f"<{count}{_scalar_code(kind)}"))


def _scalar_code(kind: int) -> str:
    code = _SCALAR_CODES.get(kind)
    if code is None:
        raise HeaderDamaged("an entry is of an unknown kind")
    return code


def _read_tensor(cursor: Cursor) -> HeaderTensor:
    name = cursor.text(MAX_NAME_BYTES)
    n_dimensions = cursor.u32()
    if n_dimensions > MAX_DIMENSIONS:
        raise HeaderDamaged("a tensor has too many dimensions")
    shape = tuple(cursor.u64() for _ in range(n_dimensions))
    kind = _TENSOR_TYPES.get(cursor.u32())
    if kind is None:
        raise HeaderDamaged("a tensor is of an unknown type")
    type_name, block_items, block_bytes = kind
    row_items = shape[0] if shape else 1
    if row_items % block_items or 0 in shape:
        raise HeaderDamaged("a tensor has an impossible shape")
    n_bytes = row_items // block_items * block_bytes
    for size in shape[1:]:
        n_bytes *= size
    if n_bytes > MAX_TENSOR_BYTES:
        raise HeaderDamaged("a tensor has an impossible shape")
    return HeaderTensor(name, shape, type_name, n_bytes, cursor.u64())


def _check_data(
    path: Path, metadata: Mapping[str, Value], tensors: tuple[HeaderTensor, ...], end: int, file_bytes: int
) -> None:
    alignment = metadata.get("general.alignment", GGUF_DEFAULT_ALIGNMENT)
    if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1) or alignment > 1 << 30:
        raise HeaderDamaged("its alignment is impossible")
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise HeaderDamaged("a tensor is there twice")
    expected = needed = 0
    for tensor in tensors:
        if tensor.offset != expected:
            raise HeaderDamaged("a tensor does not lie where it should")
        needed = expected + tensor.n_bytes
        expected = _padded(needed, alignment)
    missing = _padded(end, alignment) + needed - file_bytes if tensors else 0
    if missing > 0:
        raise ModelFileDamaged(
            f"The file {path.name} is incomplete: {missing:,} bytes are missing at its end. "
            "Let the download finish, or download it again."
        )


def _padded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
