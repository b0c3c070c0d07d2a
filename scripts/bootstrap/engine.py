"""Compile llama-cpp-python once per kind of machine and keep the wheel."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

from scripts.bootstrap.backend import Build
from scripts.bootstrap.places import ON_WINDOWS, Places, SetupFailed
from scripts.bootstrap.steps import run_step

BUILDING = "building-"
ABANDONED_S = 24 * 3600
NOTICE = "Compiling llama.cpp for this machine; it takes a few minutes, and only the first time."


def engine_key(lock: bytes, build: Build) -> str:
    """Return the name under which this build is cached.

    The lock holds the version and the hash of the source; the C library counts because a wheel
    made against a newer one does not load on an older system that shares the home folder.
    """
    facts = [
        lock.decode(),
        build.options,
        build.tied_to,
        sys.platform,
        platform.machine(),
        platform.libc_ver(),
    ]
    return f"{build.backend}-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}"


def provide_wheel(places: Places, build: Build) -> Path:
    """Return the built wheel, from the cache or newly compiled.

    Needs the build tools in the environment. Raises SetupFailed when compiling fails.
    """
    shelf = places.wheels / engine_key(places.lock("engine").read_bytes(), build)
    if (wheel := _find_intact(shelf)) is not None:
        return wheel
    print(NOTICE, flush=True)
    if build.hint:
        print(build.hint, flush=True)
    _compile(places, build, shelf)
    if (wheel := _find_intact(shelf)) is None:
        raise SetupFailed(f"The build of llama.cpp ended without a wheel in {shelf}.")
    return wheel


def _compile(places: Places, build: Build, shelf: Path) -> None:
    """Build into a folder beside `shelf`, then move it there whole."""
    places.wheels.mkdir(parents=True, exist_ok=True)
    _clear_abandoned(places.wheels)
    # Beside the cache and not in /tmp, which is often memory and too small for a build.
    work = Path(tempfile.mkdtemp(prefix=BUILDING, dir=places.wheels))
    try:
        fresh = work / "wheel"
        temporary = work / "tmp"
        temporary.mkdir()
        title = f"Compiling llama.cpp ({build.backend})"
        run_step(title, _pip_wheel(places, fresh), places.logs / "engine.log", _env(places, build, temporary))
        _seal(fresh)
        if shelf.exists():
            shutil.rmtree(shelf)
        fresh.replace(shelf)
    except SetupFailed as failure:
        if build.backend in {"cuda", "vulkan"}:
            way_out = "Set SOLO_BACKEND=cpu to build without the GPU."
            raise SetupFailed(f"{failure}\n{way_out}") from failure
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _clear_abandoned(wheels: Path) -> None:
    """Remove what builds that were killed have left behind."""
    for folder in wheels.glob(f"{BUILDING}*"):
        if time.time() - folder.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(folder, ignore_errors=True)


def _pip_wheel(places: Places, target: Path) -> list[str | Path]:
    gently = [] if ON_WINDOWS else ["nice", "-n", "10"]
    # Without --no-cache-dir pip hands out a wheel it built earlier with other options.
    options = ("--no-deps", "--require-hashes", "--no-build-isolation", "--no-cache-dir")
    source = ("--no-binary", "llama-cpp-python", "-r", places.lock("engine"))
    return [*gently, places.python, "-m", "pip", "wheel", "-v", *options, *source, "-w", target]


def _env(places: Places, build: Build, temporary: Path) -> dict[str, str]:
    """Return the build's environment: only our options, and the environment's own cmake and ninja."""
    env = os.environ | {
        "CMAKE_ARGS": " ".join(build.options),
        "TMPDIR": str(temporary),
        "PATH": os.pathsep.join([str(places.scripts), os.environ.get("PATH", "")]),
    }
    if not ON_WINDOWS:
        env["CMAKE_GENERATOR"] = "Ninja"
    return env


def _seal(folder: Path) -> None:
    """Write each wheel's hash beside it, so that a damaged one is never installed."""
    for wheel in folder.glob("*.whl"):
        wheel.with_suffix(".sha256").write_text(_hash(wheel), encoding="ascii")


def _find_intact(shelf: Path) -> Path | None:
    """Return the wheel on this shelf when its hash is right."""
    for wheel in shelf.glob("*.whl"):
        seal = wheel.with_suffix(".sha256")
        if seal.is_file() and seal.read_text(encoding="ascii") == _hash(wheel):
            return wheel
    return None


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
