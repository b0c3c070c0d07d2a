"""Which models lie in the models folder, and whether they are whole."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.core.errors import Cancelled, ModelError, ModelFileDamaged, ModelFileMissing
from app.models.download_part import PART_SUFFIX, hash_file, map_path, part_path, read_record, record_path
from app.models.gguf_parts import model_stem, part_name

_COUNT = re.compile(r".+-\d{5}-of-(\d{5})\.gguf")
_DEEPEST = 4
_MOST_PARTS = 1000


class State(StrEnum):
    """How much of a model is there."""

    COMPLETE = "complete"
    PARTIAL = "partial"  # parts are missing or a download is unfinished
    DAMAGED = "damaged"  # a file does not have the size or the beginning it must have


@dataclass(frozen=True, slots=True)
class StoredModel:
    """Describe a model on disk. `path` is its first file, which may not be there yet.

    `total_bytes` counts what is known: a missing part of which nothing arrived counts as 0. `verified` says
    that every file once matched its SHA-256.
    """

    path: Path
    name: str
    state: State
    done_bytes: int
    total_bytes: int
    verified: bool


@dataclass(frozen=True, slots=True)
class _StoredFile:
    state: State
    done_bytes: int
    total_bytes: int
    verified: bool


def list_models(folder: Path) -> tuple[StoredModel, ...]:
    """Return the models in `folder` and the folders in it, by name; projectors are not models."""
    found = dict(map(_group, _gguf_files(folder)))
    return tuple(sorted((_look_at(first, files) for first, files in found.items()), key=lambda m: m.name.lower()))


def verify_file(path: Path, on_bytes: Callable[[int], None], cancel: threading.Event) -> None:
    """Compare a file with the SHA-256 it was downloaded with; `on_bytes` gets each count of bytes read.

    Raises ModelFileDamaged when it differs, ModelFileMissing without the file, ModelError when no SHA-256
    was ever recorded, Cancelled.
    """
    record = read_record(record_path(path))
    if record is None:
        raise ModelError(
            f"{path.name} was not downloaded by this program, so its checksum is not known. "
            "Download it under Models to have it checked."
        )

    def tick(count: int) -> None:
        if cancel.is_set():
            raise Cancelled("The check was stopped.")
        on_bytes(count)

    try:
        digest = hash_file(path, tick)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelFileMissing(f"{path.name} can't be read ({reason}). Download it again.") from error
    if digest != record.file.sha256:
        raise ModelFileDamaged(f"{path.name} is damaged: its checksum is wrong. Delete it and download it again.")


def _gguf_files(folder: Path) -> Iterator[Path]:
    """Yield finished and unfinished model files by their final names."""
    for where, folders, names in os.walk(folder):
        depth = len(Path(where).relative_to(folder).parts)
        folders[:] = sorted(f for f in folders if not f.startswith(".")) if depth < _DEEPEST else []
        for name in sorted(names):
            final = name.removesuffix(PART_SUFFIX)
            if final.lower().endswith(".gguf") and "mmproj" not in final.lower() and final[0] != ".":
                yield Path(where, final)


def _group(path: Path) -> tuple[Path, tuple[Path, ...]]:
    """Return the first file and all files of the model that `path` belongs to."""
    found = _COUNT.fullmatch(path.name)
    count = int(found[1]) if found else 0
    if not 1 <= count <= _MOST_PARTS:
        return path, (path,)
    stem = model_stem(path)
    files = tuple(path.with_name(part_name(stem, number, count)) for number in range(1, count + 1))
    return files[0], files


def _look_at(first: Path, files: tuple[Path, ...]) -> StoredModel:
    seen = [_look_at_file(path) for path in files]
    states = {file.state for file in seen}
    state = next((s for s in (State.DAMAGED, State.PARTIAL) if s in states), State.COMPLETE)
    return StoredModel(
        path=first,
        name=model_stem(first),
        state=state,
        done_bytes=sum(file.done_bytes for file in seen),
        total_bytes=sum(file.total_bytes for file in seen),
        verified=all(file.verified for file in seen),
    )


def _look_at_file(path: Path) -> _StoredFile:
    if not path.is_file():
        unfinished = read_record(map_path(path)) if part_path(path).is_file() else None
        if unfinished is None:
            return _StoredFile(State.PARTIAL, 0, 0, verified=False)
        return _StoredFile(State.PARTIAL, unfinished.done_bytes, unfinished.file.size, verified=False)
    size = path.stat().st_size
    record = read_record(record_path(path))
    expected = record.file.size if record is not None else size
    if size != expected or not _begins_well(path):
        return _StoredFile(State.DAMAGED, size, expected, verified=False)
    return _StoredFile(State.COMPLETE, size, size, verified=record is not None)


def _begins_well(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(4) == b"GGUF"
    except OSError:  # not readable, so not usable
        return False
