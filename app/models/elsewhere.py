"""Find model files that other programs have on this computer, each by that program's own conventions.

Nothing is changed or copied there: the files are used where they lie. Where each program keeps models:

- Hugging Face cache: $HF_HUB_CACHE, $HF_HOME/hub or ~/.cache/huggingface/hub (on every system), see hub_cache.py
- LM Studio: ~/.lmstudio/models (formerly ~/.cache/lm-studio/models), as owner/name/file.gguf; another folder is
  named by `downloadsFolder` in settings.json, and another home by ~/.lmstudio-home-pointer
- Jan: <data>/llamacpp/models/<id>/model.yml; <data> is ~/.config/Jan/data, %APPDATA%/Jan/data or
  ~/Library/Application Support/Jan/data unless `data_folder` in settings.json beside it says otherwise
- Ollama: $OLLAMA_MODELS, ~/.ollama/models, or the Linux service's home, see ollama.py
- llama.cpp: $LLAMA_CACHE, ~/.cache/llama.cpp, %LOCALAPPDATA%/llama.cpp or ~/Library/Caches/llama.cpp, flat
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.models.gguf_parts import model_stem, split_group
from app.models.hub_cache import cached_files
from app.models.ollama import ollama_models

log = logging.getLogger(__name__)

_DEEPEST = 3  # owner/name/folder of a quantization
_MOST_FILES = 2000
_LARGEST_NOTE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FoundModel:
    """Name a model of another program: all its files, the first part first.

    `sha256` maps the files whose checksum that program knows to it.
    """

    program: str
    name: str
    files: tuple[Path, ...]
    projector: Path | None
    sha256: Mapping[Path, str]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Say where to look: the home folder, the environment and the kind of system ("linux", "win32", "darwin")."""

    home: Path
    environment: Mapping[str, str]
    platform: str

    def folder(self, variable: str, default: str) -> Path:
        """Return the folder an environment variable names, or `default` below the home folder."""
        given = self.environment.get(variable, "")
        return Path(given) if given else self.home / default

    @property
    def applications(self) -> Path:
        """Return where programs keep their data for this person."""
        if self.platform == "win32":
            return self.folder("APPDATA", "AppData/Roaming")
        if self.platform == "darwin":
            return self.home / "Library/Application Support"
        return self.folder("XDG_CONFIG_HOME", ".config")

    @property
    def caches(self) -> Path:
        """Return where programs keep what they can fetch again."""
        if self.platform == "win32":
            return self.folder("LOCALAPPDATA", "AppData/Local")
        if self.platform == "darwin":
            return self.home / "Library/Caches"
        return self.folder("XDG_CACHE_HOME", ".cache")


def this_computer() -> Surroundings:
    """Return the surroundings this program runs in."""
    return Surroundings(Path.home(), os.environ, sys.platform)


def find_elsewhere(where: Surroundings) -> tuple[FoundModel, ...]:
    """Return the models other programs have, each file once, by program and name. Never raises for what is there."""
    found: dict[Path, FoundModel] = {}
    for model in _all_models(where):
        found.setdefault(model.files[0].resolve(), model)
    return tuple(sorted(found.values(), key=lambda model: (model.program.lower(), model.name.lower())))


def _all_models(where: Surroundings) -> Iterator[FoundModel]:
    yield from _hugging_face(where)
    for folder in _lm_studio_folders(where):
        yield from _in_folder("LM Studio", folder)
    yield from _jan(where)
    yield from _ollama(where)
    for folder in (where.folder("LLAMA_CACHE", ""), where.caches / "llama.cpp"):
        if folder != where.home:
            yield from _in_folder("llama.cpp", folder, deepest=0)


def _hugging_face(where: Surroundings) -> Iterator[FoundModel]:
    home = where.folder("XDG_CACHE_HOME", ".cache") / "huggingface"
    hub = where.folder("HF_HUB_CACHE", "") if where.environment.get("HF_HUB_CACHE") else None
    cache = hub or where.folder("HF_HOME", str(home)) / "hub"
    for folder, files in cached_files(cache).items():
        yield from _grouped("Hugging Face cache", sorted(files), folder, files)


def _lm_studio_folders(where: Surroundings) -> Iterator[Path]:
    pointer = _text(where.home / ".lmstudio-home-pointer").strip()
    homes = [Path(pointer)] if pointer else []
    for home in [*homes, where.home / ".lmstudio", where.home / ".cache/lm-studio"]:
        named = _json(home / "settings.json").get("downloadsFolder")
        if isinstance(named, str) and named:
            yield Path(named)
        yield home / "models"


def _jan(where: Surroundings) -> Iterator[FoundModel]:
    home = where.applications / "Jan"
    named = _json(home / "settings.json").get("data_folder")
    folders = [Path(named)] if isinstance(named, str) and named else []
    for data in dict.fromkeys([*folders, home / "data", where.home / "jan"]):
        for note in _sorted_glob(data / "llamacpp" / "models", "**/model.yml"):
            model = _jan_model(data, note)
            if model is not None:
                yield model


def _jan_model(data: Path, note: Path) -> FoundModel | None:
    fields = {key.strip(): value.strip().strip("'\"") for key, _, value in _pairs(_text(note)) if value.strip()}
    path = fields.get("model_path", "")
    model = data / path  # an absolute path stands alone
    if not path or not model.is_file():
        return None
    projector = data / fields["mmproj_path"] if fields.get("mmproj_path") else None
    name = fields.get("name") or note.parent.name
    digest = fields.get("model_sha256", "").lower()
    return FoundModel(
        "Jan",
        name,
        split_group(model)[1],
        projector if projector is not None and projector.is_file() else None,
        {model: digest} if len(digest) == 64 else {},
    )


def _pairs(text: str) -> Iterator[tuple[str, str, str]]:
    return (line.partition(":") for line in text.splitlines() if not line.startswith((" ", "#", "-")))


def _ollama(where: Surroundings) -> Iterator[FoundModel]:
    folders = [where.folder("OLLAMA_MODELS", ".ollama/models"), where.home / ".ollama/models"]
    if where.platform == "linux":
        folders.append(Path("/usr/share/ollama/.ollama/models"))
    for folder in dict.fromkeys(folders):
        for model in ollama_models(folder):
            yield FoundModel("Ollama", model.name, (model.model,), model.projector, model.sha256)


def _in_folder(program: str, folder: Path, deepest: int = _DEEPEST) -> Iterator[FoundModel]:
    by_folder: dict[Path, dict[Path, str]] = {}
    for path in _ggufs(folder, deepest):
        by_folder.setdefault(path.parent, {})[path] = ""
    for parent, files in by_folder.items():
        yield from _grouped(program, sorted(files), parent, files)


def _grouped(program: str, files: list[Path], folder: Path, sha256: Mapping[Path, str]) -> Iterator[FoundModel]:
    """Yield the models among the files of one folder; what lacks a part is left to its program."""
    present = set(files)
    projectors = [path for path in files if "mmproj" in path.name.lower()]
    only = projectors[0] if len(projectors) == 1 and folder == projectors[0].parent else None
    for first, parts in dict.fromkeys(split_group(path) for path in files if path not in projectors):
        if present.issuperset(parts):
            known = {part: sha256[part] for part in parts if sha256.get(part)}
            yield FoundModel(program, model_stem(first), parts, only, known)


def _ggufs(folder: Path, deepest: int) -> Iterator[Path]:
    count = 0
    for place, folders, names in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < deepest else []
        for name in sorted(names):
            if name.lower().endswith(".gguf") and not name.startswith("."):
                yield Path(place, name)
                count += 1
                if count >= _MOST_FILES:
                    return


def _sorted_glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        log.info("%s can't be looked through", folder, exc_info=True)
        return []


def _json(path: Path) -> dict[str, object]:
    try:
        found = json.loads(_text(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_NOTE_BYTES:
            return ""
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:  # not there or not for us: it says nothing
        return ""
