"""Make the folder that PyInstaller fills: the program with a llama.cpp that runs on every machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==", re.MULTILINE)
# Of the build machine's own libraries only these go along. The rest (X, OpenGL, Vulkan, fonts, libstdc++,
# libgcc_s, libexpat) must be the target system's: newer there, and matching its drivers.
TAKEN_ALONG = re.compile(
    r"lib(bz2|crypt|crypto|ffi|gomp|lzma|mpdec|ncursesw?|python3|readline|sqlite3|ssl|tinfo|uuid|z)[-.]"
)
# Parts of Qt that nothing uses here, some of which bring Qt Quick or GTK with them.
UNUSED_QT = re.compile(
    r"PySide6/Qt/(lib/libQt6(Qml|Quick|VirtualKeyboard|Pdf)|translations/"
    r"|plugins/(platforminputcontexts/libqtvirtual|platformthemes/libqgtk|imageformats/libqpdf"
    r"|platforms/libq(eglfs|linuxfb|minimalegl|vkkhrdisplay|vnc)|egldeviceintegrations|generic"
    r"|qmltooling|networkinformation|tls))"
)
LICENSE_NAMES = ("LICEN", "COPYING", "NOTICE", "AUTHORS")


def make_bundle(root: Path, wheel: Path, work: Path) -> Path:
    """Return the finished bundle's folder; raises CalledProcessError when PyInstaller fails."""
    portable = work / "portable"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(portable)
    link_versions(portable / "llama_cpp" / "lib")
    # The path makes PyInstaller's own look-ups find this llama_cpp and not the environment's.
    env = os.environ | {
        "SOLO_PORTABLE": str(portable),
        "PYTHONPATH": os.pathsep.join([str(portable), str(root), str(root / "packaging")]),
    }
    spec = root / "packaging" / "solo.spec"
    places = ("--distpath", work / "dist", "--workpath", work / "work")
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", *places, spec]
    subprocess.run([str(part) for part in command], check=True, env=env, cwd=root)
    return work / "dist" / "solo"


def is_wanted(name: str) -> bool:
    """Return whether the file of this name in the bundle belongs there; system libraries lie at its top."""
    from_system = "/" not in name and name.startswith("lib")
    return not UNUSED_QT.match(name) and (not from_system or TAKEN_ALONG.match(name) is not None)


def link_versions(folder: Path) -> None:
    """Turn the copies of each library that a wheel holds into links to the one that is loaded by name.

    Two copies of libggml would also be two registries of backends, one of them empty.
    """
    for real in sorted(folder.glob("lib*.so.[0-9]")):
        plain = folder / real.name.rsplit(".", 1)[0]
        for copy in (plain, *folder.glob(f"{real.name}.*")):
            copy.unlink(missing_ok=True)
        plain.symlink_to(real.name)


def collect_licenses(lock: str) -> str:
    """Return the license texts of every installed package that this lock names."""
    return "\n\n".join(_describe(name) for name in PINNED.findall(lock) if _is_installed(name))


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        # A lock for every system also names packages of other systems.
        return False
    return True


def _describe(name: str) -> str:
    found = distribution(name)
    facts = found.metadata.json
    stated = str(facts.get("license_expression") or facts.get("license") or "see below")
    title = f"{found.metadata['Name']} {found.version}: {stated.splitlines()[0]}"
    files = (found.locate_file(path) for path in found.files or () if _is_license(path.name))
    texts = (Path(str(path)).read_text(encoding="utf-8", errors="replace").strip() for path in files)
    return "\n\n".join([title, "-" * len(title), *_unique(texts)])


def _is_license(name: str) -> bool:
    return name.upper().startswith(LICENSE_NAMES) and not name.endswith((".py", ".pyc"))


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def clean(folder: Path) -> None:
    """Make `folder` anew and empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
