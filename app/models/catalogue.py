"""What can be downloaded: entries that ship with the program, and what the Hub says about them now."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from app.core.errors import RepositoryMissing
from app.core.facts import Fit, Offer
from app.core.paths import RESOURCES
from app.models.hub import Hub, RemoteFile
from app.models.sketch import ModelSizes

CATALOGUE = RESOURCES / "catalogue.toml"
_ID = re.compile(r"[a-z0-9][a-z0-9.-]*[a-z0-9]")
_SPLIT = re.compile(r".*-(\d{5})-of-(\d{5})\.gguf")


@dataclass(frozen=True, slots=True)
class ProjectorSource:
    """Say where a model's projector comes from; `n_bytes` is rounded."""

    repository: str
    revision: str
    file: str
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Entry:
    """Describe a model that can be downloaded; all byte counts are rounded.

    `files` are names or patterns inside the repository. `expert_bytes` is the part of `weight_bytes` that may
    lie in system RAM, 0 for a dense model. `kv_bytes_per_token` is for an f16 cache over all layers. `arch` is
    llama.cpp's name of the family.
    """

    id: str
    title: str
    repository: str
    revision: str
    quantization: str
    files: tuple[str, ...]
    projector: ProjectorSource | None
    licence: str
    description: str
    weight_bytes: int
    expert_bytes: int
    n_layers: int
    kv_bytes_per_token: int
    context_tokens: int
    arch: str
    embedding_length: int

    @property
    def sizes(self) -> ModelSizes:
        """Return what the planner can judge the model by."""
        return ModelSizes(
            self.arch,
            self.weight_bytes,
            self.expert_bytes,
            self.n_layers,
            self.embedding_length,
            self.kv_bytes_per_token,
            self.context_tokens,
        )

    @property
    def projector_bytes(self) -> int:
        """Return the projector's rounded size, 0 without one."""
        return self.projector.n_bytes if self.projector is not None else 0

    @property
    def total_bytes(self) -> int:
        """Return the rounded size of everything that is downloaded."""
        return self.weight_bytes + self.projector_bytes

    def folder(self, models: Path) -> Path:
        """Return where in the models folder the entry's files go: model and projector side by side."""
        return models / self.id


@dataclass(frozen=True, slots=True)
class ResolvedOffer:
    """Name the very files of an entry, with exact sizes and checksums; `model` has its first part first."""

    entry: Entry
    model: tuple[RemoteFile, ...]
    projector: RemoteFile | None

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """Return everything to download: the small projector first, so that the model's end is the end."""
        return (self.projector, *self.model) if self.projector is not None else self.model

    @property
    def total_bytes(self) -> int:
        """Return the exact size of everything that is downloaded."""
        return sum(file.size for file in self.files)


def load_catalogue(path: Path = CATALOGUE) -> tuple[Entry, ...]:
    """Read the catalogue. It ships with the program: what is wrong in it raises ValueError, a bug."""
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        entries = tuple(_read_entry(model) for model in raw["model"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: an entry lacks {error}") from error
    if len({entry.id for entry in entries}) != len(entries):
        raise ValueError(f"{path}: two entries have the same id")
    return entries


def _read_entry(raw: dict[str, Any]) -> Entry:
    if not _ID.fullmatch(raw["id"]):
        raise ValueError(f"{raw['id']!r} can't name a folder")
    return Entry(
        id=raw["id"],
        title=raw["title"],
        repository=raw["repository"],
        revision=raw["revision"],
        quantization=raw["quantization"],
        files=tuple(raw["files"]),
        projector=_read_projector(raw),
        licence=raw["licence"],
        description=raw["description"],
        weight_bytes=int(raw["weight_bytes"]),
        expert_bytes=int(raw["expert_bytes"]),
        n_layers=int(raw["layers"]),
        kv_bytes_per_token=int(raw["kv_bytes_per_token"]),
        context_tokens=int(raw["context_tokens"]),
        arch=raw["arch"],
        embedding_length=int(raw["embedding_length"]),
    )


def _read_projector(raw: dict[str, Any]) -> ProjectorSource | None:
    found = raw.get("projector")
    if found is None:
        return None
    return ProjectorSource(
        repository=found.get("repository", raw["repository"]),
        revision=found.get("revision", raw["revision"]),
        file=found["file"],
        n_bytes=int(found["bytes"]),
    )


def make_offers(catalogue: Sequence[Entry], fit: Callable[[Entry], Fit]) -> tuple[Offer, ...]:
    """Return every entry as an offer; `fit` gives the verdict on this machine."""
    return tuple(make_offer(entry, fit(entry)) for entry in catalogue)


def make_offer(entry: Entry, fit: Fit, resolved: ResolvedOffer | None = None) -> Offer:
    """Return one entry as an offer, with exact sizes once it is resolved."""
    projector = (entry.projector.file,) if entry.projector is not None else ()
    return Offer(
        id=entry.id,
        title=entry.title,
        repository=entry.repository,
        revision=entry.revision,
        quantization=entry.quantization,
        description=entry.description,
        licence=entry.licence,
        files=tuple(file.name for file in resolved.files) if resolved else (*entry.files, *projector),
        total_bytes=resolved.total_bytes if resolved else entry.total_bytes,
        exact=resolved is not None,
        fits=fit.fits,
        fit=fit.sentence,
        tokens_per_second=fit.tokens_per_second,
    )


def resolve_offer(entry: Entry, hub: Hub | None = None) -> ResolvedOffer:
    """Ask the Hub for the entry's files.

    Raises NoNetwork, RepositoryMissing, AccessDenied or DownloadInterrupted.
    """
    hub = hub or Hub()
    listed = hub.list_files(entry.repository, entry.revision)
    model = tuple(
        sorted(
            (file for file in listed if any(fnmatchcase(file.name, pattern) for pattern in entry.files)),
            key=lambda file: file.name,
        )
    )
    if not _is_whole_model(model):
        raise RepositoryMissing(
            f"“{entry.repository}” does not hold {entry.title} as {entry.quantization} any more. "
            "Choose another download."
        )
    source = entry.projector
    projector = hub.find_file(source.repository, source.revision, source.file) if source is not None else None
    return ResolvedOffer(entry, model, projector)


def _is_whole_model(files: Sequence[RemoteFile]) -> bool:
    """Tell whether `files`, in order, are one model: one file, or all parts of one."""
    parts = [_SPLIT.fullmatch(file.local_name) for file in files]
    if len(files) == 1 and parts[0] is None:
        return True
    if not files or any(part is None for part in parts):
        return False
    numbers = [(int(part[1]), int(part[2])) for part in parts if part is not None]
    return numbers == [(number, len(files)) for number in range(1, len(files) + 1)]
