"""Read the Hugging Face cache: models--OWNER--NAME/snapshots/COMMIT/PATH, links to blobs named by their hash.

Where the system allows no links (Windows without the right to make them) the files lie in the snapshot itself.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

log = logging.getLogger(__name__)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_FILES = 2000


def cached_files(cache: Path) -> dict[Path, dict[Path, str]]:
    """Return the GGUF files of each folder below `cache`, with their SHA-256 where the cache knows it, or "".

    Links that lead out of their repository's folder, or nowhere, are left out.
    """
    found: dict[Path, dict[Path, str]] = {}
    count = 0
    for repository in _folders(cache, "models--"):
        for snapshot in _folders(repository / "snapshots", ""):
            for path in _files_in(snapshot):
                digest = _digest(path, repository)
                if digest is not None and count < _MOST_FILES:
                    found.setdefault(path.parent, {})[path] = digest
                    count += 1
    return found


def _folders(folder: Path, prefix: str) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name.startswith(prefix) and path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:
        log.info("%s can't be looked through", folder, exc_info=True)
        return []


def _files_in(snapshot: Path) -> list[Path]:
    return [
        Path(place, name)
        for place, _, names in sorted(os.walk(snapshot))
        for name in sorted(names)
        if name.lower().endswith(".gguf")
    ]


def _digest(path: Path, repository: Path) -> str | None:
    """Return the SHA-256 a link's target is named by, "" where it has no such name, None where it is no good."""
    target = path.resolve()
    if not target.is_relative_to(repository.resolve()) or not target.is_file():
        return None
    return target.name if target.parent.name == "blobs" and _SHA256.fullmatch(target.name) else ""
