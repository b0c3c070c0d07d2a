"""Which models are on this computer, whether they are whole, and what their files say of themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from app.core.errors import DownloadError
from app.core.library import StoredModel, StoredState
from app.models.download import discard_download
from app.models.download_record import PART_SUFFIX, Record, map_path, part_path, read_record, record_path
from app.models.elsewhere import FoundModel, Surroundings, find_elsewhere
from app.models.gguf_parts import model_stem, split_group
from app.models.ledger import Ledger

_DEEPEST = 4


@dataclass(frozen=True, slots=True)
class _StoredFile:
    state: StoredState
    done_bytes: int
    total_bytes: int
    verified: bool


def list_models(folder: Path) -> tuple[StoredModel, ...]:
    """Return the models in `folder` and the folders in it, by name; projectors are not models."""
    found = dict(map(split_group, _gguf_files(folder)))
    return tuple(sorted((_look_at(first, files) for first, files in found.items()), key=lambda m: m.name.lower()))


def list_library(folder: Path, ledger: Ledger, where: Surroundings) -> tuple[StoredModel, ...]:
    """Return the models in Solo's `folder`, then those of other programs that do not lie in it."""
    own = [_remembered(model, ledger) for model in list_models(folder)]
    inside = folder.resolve()
    others = [
        _remembered(_from_elsewhere(model, ledger), ledger)
        for model in find_elsewhere(where)
        if not model.files[0].absolute().is_relative_to(folder.absolute())
        and not model.files[0].resolve().is_relative_to(inside)
    ]
    return (*own, *others)


def delete_model(model: StoredModel) -> int:
    """Delete a model of Solo's own folder with its unfinished parts and records; return the bytes that frees.

    A projector goes with the last model beside it. A file of another program raises ValueError: it is not
    offered. Raises DownloadError where the system refuses, DownloadInterrupted while it is being downloaded.
    """
    if model.program:
        raise ValueError(f"{model.path} belongs to {model.program}")
    everything = _everything_of(model)
    try:
        # A part that some program is writing just now is refused here, before anything is gone.
        parts = sum(discard_download(path) for path in _targets(model) if part_path(path).is_file())
        return parts + sum(_unlink(path) for path in everything if path.is_file() or path.is_symlink())
    except OSError as error:
        raise DownloadError(
            f"{model.name} could not be deleted ({error.strerror or error}). Close what uses it and try again."
        ) from error


def bytes_freed(model: StoredModel) -> int:
    """Return how many bytes `delete_model` would free; 0 for a model of another program."""
    return 0 if model.program else sum(map(_freed, _everything_of(model)))


def _from_elsewhere(found: FoundModel, ledger: Ledger) -> StoredModel:
    size = sum(map(_size, found.files))
    sound = all(_begins_well(path) for path in found.files)
    return StoredModel(
        path=found.files[0],
        name=found.name,
        state=StoredState.COMPLETE if sound else StoredState.DAMAGED,
        done_bytes=size,
        total_bytes=size,
        verified=all(ledger.is_whole(path) for path in found.files),
        files=found.files,
        projector=found.projector,
        program=found.program,
        checksum_known=set(found.files) <= set(found.sha256),
    )


def _remembered(model: StoredModel, ledger: Ledger) -> StoredModel:
    return replace(model, last_used=ledger.last_used(model.path), deletable_bytes=bytes_freed(model))


def _gguf_files(folder: Path) -> Iterator[Path]:
    """Yield finished and unfinished model files by their final names."""
    for where, folders, names in os.walk(folder):
        depth = len(Path(where).relative_to(folder).parts)
        folders[:] = sorted(f for f in folders if not f.startswith(".")) if depth < _DEEPEST else []
        for name in sorted(names):
            final = name.removesuffix(PART_SUFFIX)
            if final.lower().endswith(".gguf") and "mmproj" not in final.lower() and final[0] != ".":
                yield Path(where, final)


def _look_at(first: Path, files: tuple[Path, ...]) -> StoredModel:
    seen = [_look_at_file(path) for path in files]
    states = {file.state for file in seen}
    state = next((s for s in (StoredState.DAMAGED, StoredState.PARTIAL) if s in states), StoredState.COMPLETE)
    return StoredModel(
        path=first,
        name=model_stem(first),
        state=state,
        done_bytes=sum(file.done_bytes for file in seen),
        total_bytes=sum(file.total_bytes for file in seen),
        verified=all(file.verified for file in seen),
        files=tuple(path for path in files if path.is_file()),
        checksum_known=all(read_record(record_path(path)) is not None for path in files),
    )


def _look_at_file(path: Path) -> _StoredFile:
    if not path.is_file():
        unfinished = read_record(map_path(path)) if part_path(path).is_file() else None
        if unfinished is None:
            return _StoredFile(StoredState.PARTIAL, 0, 0, verified=False)
        return _StoredFile(StoredState.PARTIAL, unfinished.done_bytes, unfinished.file.size, verified=False)
    size = path.stat().st_size
    record = read_record(record_path(path))
    expected = record.file.size if record is not None else size
    if size != expected or not _begins_well(path):
        return _StoredFile(StoredState.DAMAGED, size, expected, verified=False)
    return _StoredFile(StoredState.COMPLETE, size, size, verified=record is not None)


def _begins_well(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(4) == b"GGUF"
    except OSError:  # not readable, so not usable
        return False


def _everything_of(model: StoredModel) -> tuple[Path, ...]:
    """Return every file to delete with a model: its parts and projectors, finished or not, and their records."""
    related = [form(path) for path in _targets(model) for form in (Path, part_path, map_path, record_path)]
    return tuple(path for path in related if path.is_file() or path.is_symlink())


def _targets(model: StoredModel) -> tuple[Path, ...]:
    """Return the final names of a model's parts, and of downloaded projectors that no other model needs."""
    parts = split_group(model.path)[1]
    folder = model.path.parent
    if any(path not in parts for path in _gguf_files_beside(folder)):
        return parts
    # What a person put there stays.
    return (*parts, *sorted(path for path in _projectors_beside(folder) if _came_by_download(path)))


def _gguf_files_beside(folder: Path) -> set[Path]:
    return {path.parent / path.name.removesuffix(PART_SUFFIX) for path in _named(folder) if not _is_projector(path)}


def _projectors_beside(folder: Path) -> set[Path]:
    return {path.parent / path.name.removesuffix(PART_SUFFIX) for path in _named(folder) if _is_projector(path)}


def _named(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.name.removesuffix(PART_SUFFIX).lower().endswith(".gguf")]


def _is_projector(path: Path) -> bool:
    return "mmproj" in path.name.lower()


def _came_by_download(path: Path) -> bool:
    return record_path(path).is_file() or map_path(path).is_file()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone meanwhile
        return 0


def _freed(path: Path) -> int:
    if path.is_symlink():  # the bytes are another name's
        return 0
    status = path.stat()
    # A part has holes where chunks are missing; Windows does not say.
    return min(status.st_size, status.st_blocks * 512) if hasattr(status, "st_blocks") else status.st_size


def _unlink(path: Path) -> int:
    freed = _freed(path)
    path.unlink()
    return freed


@dataclass(frozen=True, slots=True)
class Origin:
    """Say where a model was downloaded from: the files to ask for again, its projector last."""

    repository: str
    revision: str
    names: tuple[str, ...]


def origin_of(model: StoredModel) -> Origin | None:
    """Return where the files of a model came from, None where that is not on record."""
    paths = split_group(model.path)[1]
    records = [record for path in paths if (record := _record(path)) is not None]
    if not records:
        return None
    remote = records[0].file
    folder = remote.name.removesuffix(remote.local_name)
    projectors = [record for path in _projectors_beside(model.path.parent) if (record := _record(path)) is not None]
    own = [record.file.name for record in projectors if record.file.repository == remote.repository]
    return Origin(remote.repository, remote.revision, (*(folder + path.name for path in paths), *sorted(own)[:1]))


def _record(path: Path) -> Record | None:
    return read_record(record_path(path)) or read_record(map_path(path))
