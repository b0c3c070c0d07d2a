"""What travels between the program and the engine's process: framed JSON, one value of a dataclass each.

A frame is its length (4 bytes, little endian) and that many bytes of JSON: an object with the name of
the class under "is" and its fields. Both ends read strictly: a frame that does not fit the class it names
is a WireError, whoever wrote it.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, BinaryIO, get_args, get_origin, get_type_hints

from app.core import errors
from app.engine import protocol

PROTOCOL_VERSION = 1
EXIT_WITHOUT_LIBRARY = 3  # the child's exit code when llama.cpp itself can't be loaded
EXIT_STUCK = 4  # the child's exit code when it ends itself because its work gets no further
MAX_FRAME_BYTES = 64 << 20

_LENGTH = struct.Struct("<I")
_TAG = "is"


class WireError(ValueError):
    """Report bytes that are not a message of this protocol."""


class MessageTooLarge(WireError):
    """Report a message that is larger than MAX_FRAME_BYTES."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Open the conversation: the child's first message."""

    version: int
    pid: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask the child to stop one request; one that has ended already is not meant."""

    request_id: str


@dataclass(frozen=True, slots=True)
class AnswerNow:
    """Ask the child to end the reasoning of one request; one that has ended already is not meant."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Ask the child to keep nothing more of a chat; of None, to keep nothing on disk until the next load."""

    chat_id: str | None


@dataclass(frozen=True, slots=True)
class Goodbye:
    """Ask the child to end in order: it may use `patience_s` to save what it has read. Without it, it ends at once."""

    patience_s: float


@dataclass(frozen=True, slots=True)
class LastWords:
    """Carry what native code said when it gave up, just before its process ends."""

    text: str


@dataclass(frozen=True, slots=True)
class Beat:
    """Say that the child lives, and how much RAM it holds, can be had and is there; zeros where unknown."""

    memory_bytes: int
    available_bytes: int
    total_bytes: int


Message = protocol.Request | protocol.EngineEvent | Hello | Beat | Cancel | AnswerNow | Forget | Goodbye | LastWords

_MESSAGES: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Message)}
_ERRORS: dict[str, type[errors.AppError]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.AppError)
}


# --- frames -------------------------------------------------------------------------------------


def pack(message: Message) -> bytes:
    """Return `message` as one frame. Raises MessageTooLarge."""
    # Escaping everything that is not ASCII lets lone surrogates (from file names) survive.
    body = json.dumps(_to_json(message), separators=(",", ":"), allow_nan=False).encode("ascii")
    if len(body) > MAX_FRAME_BYTES:
        raise MessageTooLarge(f"a message of {len(body)} bytes is larger than {MAX_FRAME_BYTES}")
    return _LENGTH.pack(len(body)) + body


def read_messages(stream: BinaryIO) -> Iterator[Message]:
    """Yield messages until `stream` ends. Raises WireError for anything that is not a message.

    A stream that ends within a frame ends quietly: its writer died.
    """
    while len(head := stream.read(_LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        if length > MAX_FRAME_BYTES:
            raise WireError(f"a frame announces {length} bytes")
        body = stream.read(length)
        if len(body) < length:
            return
        yield unpack(body)


def unpack(body: bytes) -> Message:
    """Return the message in the body of a frame. Raises WireError."""
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as cause:
        raise WireError("a frame is not JSON") from cause
    name = raw.pop(_TAG, None) if isinstance(raw, dict) else None
    if not isinstance(name, str) or name not in _MESSAGES:
        raise WireError("a frame names no known message")
    message: Message = _from_fields(_MESSAGES[name], raw)
    return message


# --- values to JSON -----------------------------------------------------------------------------


def _to_json(value: Any) -> Any:
    if is_dataclass(value):
        body = {item.name: _to_json(getattr(value, item.name)) for item in fields(value)}
        return {_TAG: type(value).__name__, **body} if type(value).__name__ in _MESSAGES else body
    if isinstance(value, errors.AppError):
        return error_to_json(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    return value


def error_to_json(error: errors.AppError) -> dict[str, object]:
    """Return `error` as JSON has it."""
    return {"error": type(error).__name__, "sentence": str(error)}


# --- JSON to values -----------------------------------------------------------------------------


_field_types = cache(get_type_hints)


def _from_fields(kind: Any, raw: Any) -> Any:
    types = _field_types(kind)
    if not isinstance(raw, dict) or raw.keys() != types.keys():
        raise WireError(f"the fields of a {kind.__name__} are not as they should be")
    return kind(**{name: _from_json(types[name], raw[name]) for name in types})


def _from_json(kind: Any, raw: Any) -> Any:
    if isinstance(kind, UnionType):
        return _from_union(get_args(kind), raw)
    if get_origin(kind) is tuple:
        return _from_list(get_args(kind), raw)
    if is_dataclass(kind) and isinstance(kind, type):
        return _from_fields(kind, raw)
    if kind is errors.AppError:
        return error_from_json(raw)
    if kind is Path and isinstance(raw, str):
        return Path(raw)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _from_enum(kind, raw)
    return _from_plain(kind, raw)


def _from_plain(kind: Any, raw: Any) -> Any:
    if kind is float and type(raw) in {int, float} and math.isfinite(raw):
        return float(raw)
    if kind in {int, str, bool, NoneType} and type(raw) is kind:
        return raw
    raise WireError(f"a value is not a {kind}")


def _from_union(kinds: tuple[Any, ...], raw: Any) -> Any:
    # Exact kinds first, so that an int among int | float | bool | str stays an int.
    for kind in kinds:
        if type(raw) is kind:
            return _from_plain(kind, raw)
    for kind in kinds:
        if kind is not NoneType and raw is not None:
            return _from_json(kind, raw)
    raise WireError("a value is of none of its kinds")


def _from_list(kinds: tuple[Any, ...], raw: Any) -> tuple[Any, ...]:
    if not isinstance(raw, list):
        raise WireError("a list is missing")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_from_json(kinds[0], item) for item in raw)
    if len(raw) != len(kinds):
        raise WireError("a list has a wrong length")
    return tuple(_from_json(kind, item) for kind, item in zip(kinds, raw, strict=True))


def _from_enum(kind: type[Enum], raw: Any) -> Enum:
    try:
        return kind(raw)
    except ValueError as cause:
        raise WireError(f"a value is no {kind.__name__}") from cause


def error_from_json(raw: Any) -> errors.AppError:
    """Return the error that `error_to_json` wrote down. Raises WireError."""
    if not isinstance(raw, dict) or raw.keys() != {"error", "sentence"}:
        raise WireError("an error is not as it should be")
    if raw["error"] not in _ERRORS or not isinstance(raw["sentence"], str):
        raise WireError("an error is of no known kind")
    return _ERRORS[raw["error"]](raw["sentence"])
