"""Model files for tests: made once per machine by scripts/make_model.py, whoever asks first."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "make_model.py"
TABLE = ROOT / "tests" / "data" / "small4-q4_k_m.json"
_UNUSED_AFTER_S = 7 * 24 * 3600


@cache
def recipe_hash() -> str:
    """Return a hash of everything that decides what the files hold."""
    digest = hashlib.sha256()
    for source in (SCRIPT, TABLE, *sorted((ROOT / "scripts" / "model_files").glob("*.py"))):
        digest.update(source.read_bytes())
    for package in ("gguf", "llama-cpp-python", "mistral-common", "numpy"):
        digest.update(f"{package} {version(package)}".encode())
    return digest.hexdigest()[:16]


def made(cache_folder: Path, *arguments: str) -> list[Path]:
    """Return the files that `make_model.py ARGUMENTS` writes, from the cache if they are there.

    Two processes may ask at once: each works in a folder of its own, and the first to rename it wins.
    """
    current = cache_folder / recipe_hash()
    target = current / "_".join(argument.strip("-") for argument in arguments)
    if not target.is_dir():
        current.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix="work-", dir=current))
        command = [sys.executable, str(SCRIPT), *arguments, str(work)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        try:
            work.rename(target)
        except OSError:
            if not target.is_dir():
                raise
            shutil.rmtree(work)
    current.touch()
    _forget_old(cache_folder, current)
    return sorted(target.iterdir())


def _forget_old(cache_folder: Path, current: Path) -> None:
    for folder in cache_folder.iterdir():
        if folder != current and time.time() - folder.stat().st_mtime > _UNUSED_AFTER_S:
            shutil.rmtree(folder, ignore_errors=True)
