"""Which models a repository of the Hub holds: quantizations, their parts, and projectors."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.core.errors import RepositoryMissing
from app.models.hub import Hub, RemoteFile, is_safe_name

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
_QUANTIZATION = re.compile(
    r"(?:^|[-_.])((?:UD-)?(?:IQ[1-4]_[A-Z]{1,3}|Q[1-8]_(?:K(?:_[A-Z]{1,2})?|[01](?:_\d_\d)?)|TQ[12]_0"
    r"|MXFP4(?:_MOE)?|BF16|F16|F32))(?:$|[-_.])",
    re.IGNORECASE,
)
_NO_MODELS = ("mmproj", "imatrix")
_MOST_PARTS = 1000


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """Name one model of a repository: one file, or all parts of one with the first part first."""

    name: str
    quantization: str
    files: tuple[RemoteFile, ...]

    @property
    def total_bytes(self) -> int:
        """Return the size of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class RepositoryListing:
    """Hold the models of one version of a repository, smallest first, and its projectors, best first."""

    repository: str
    revision: str
    models: tuple[RemoteModel, ...]
    projectors: tuple[RemoteFile, ...]

    def by_file(self, name: str) -> RemoteModel:
        """Return the model that the file `name` belongs to, with or without folders. Raises RepositoryMissing."""
        for model in self.models:
            if any(name in (file.name, file.local_name) for file in model.files):
                return model
        raise self._missing(f"“{self.repository}” holds no model file called {name}.")

    def by_quantization(self, quantization: str) -> RemoteModel:
        """Return the model quantized so; exact names win over those with a maker's prefix. Raises RepositoryMissing."""
        wanted = quantization.upper()
        found = {model.quantization.upper(): model for model in reversed(self.models)}
        chosen = found.get(wanted) or found.get(f"UD-{wanted}")
        if chosen is None:
            raise self._missing(f"“{self.repository}” holds no model in {quantization}.")
        return chosen

    def folder(self, models: Path) -> Path:
        """Return where in the models folder this repository's files go."""
        owner, name = self.repository.split("/")
        return models / owner / name

    def _missing(self, sentence: str) -> RepositoryMissing:
        offered = ", ".join(dict.fromkeys(model.quantization or model.name for model in self.models))
        return RepositoryMissing(f"{sentence} It offers: {offered}." if offered else f"{sentence} It offers none.")


def list_repository(repository: str, revision: str = "main", hub: Hub | None = None) -> RepositoryListing:
    """Ask the Hub which models `repository` holds.

    Raises RepositoryMissing also where it holds no GGUF, and what `Hub.list_files` raises.
    """
    files = (hub or Hub()).list_files(repository, revision)
    ggufs = [file for file in files if file.name.lower().endswith(".gguf")]
    models = tuple(sorted(group_models(ggufs), key=lambda model: (model.total_bytes, model.name)))
    if not models:
        raise RepositoryMissing(
            f"“{repository}” holds no whole model in GGUF form. Look for a repository whose name ends in GGUF."
        )
    commit = models[0].files[0].revision
    return RepositoryListing(repository, commit, models, _projectors(ggufs))


def repository_name(text: str) -> str:
    """Return `owner/name` from what a person wrote or pasted, an address included. Raises RepositoryMissing."""
    path = text.strip().split("://")[-1] if "://" in text else f"/{text.strip()}"
    segments = [segment for segment in re.split(r"[?#]", path)[0].split("/")[1:] if segment]
    if len(segments) > 2 and "://" not in text and "." in segments[0]:
        del segments[0]  # a server's name without https:// before it
    pair = segments[:2]
    if len(pair) != 2 or not all(_NAME.fullmatch(part) and is_safe_name(part) for part in pair):
        raise RepositoryMissing(f"“{text.strip()}” is not the name of a repository. Write it as owner/name.")
    return "/".join(pair)


def quantization_of(name: str) -> str:
    """Return the quantization that a file's path names, empty where it names none."""
    path = PurePosixPath(name)
    part = _PART.fullmatch(path.name)
    for text in (part["stem"] if part else path.stem, *map(str, path.parent.parts)):
        found = _QUANTIZATION.findall(text)
        if found:
            return str(found[-1]).upper()
    return ""


def group_models(files: Iterable[RemoteFile]) -> tuple[RemoteModel, ...]:
    """Return the whole models among `files`; projectors, tables and models that lack parts are left out."""
    groups: dict[tuple[str, int], list[RemoteFile]] = defaultdict(list)
    for file in files:
        if any(word in file.local_name.lower() for word in _NO_MODELS):
            continue
        part = _PART.fullmatch(file.name)
        groups[(part["stem"], int(part["count"])) if part else (file.name, 0)].append(file)
    return tuple(_model(stem, found) for (stem, count), found in groups.items() if _is_whole(found, count))


def _model(stem: str, files: Sequence[RemoteFile]) -> RemoteModel:
    ordered = tuple(sorted(files, key=lambda file: file.name))
    name = PurePosixPath(stem).name
    return RemoteModel(name.removesuffix(".gguf"), quantization_of(ordered[0].name), ordered)


def _is_whole(files: Sequence[RemoteFile], count: int) -> bool:
    if count == 0:
        return len(files) == 1 and not _PART.fullmatch(files[0].name)
    numbers = sorted(int(part["number"]) for file in files if (part := _PART.fullmatch(file.name)))
    return count <= _MOST_PARTS and numbers == list(range(1, count + 1))


def _projectors(files: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
    found = [file for file in files if "mmproj" in file.local_name.lower()]
    return tuple(sorted(found, key=lambda file: (_precision(file.local_name), file.name)))


def _precision(name: str) -> int:
    order = ("F16", "BF16", "Q8_0", "F32")
    found = quantization_of(name)
    return order.index(found) if found in order else len(order)
