"""Wrap Solo's bundle in a Debian package: build_deb.py WHEEL-OF-LLAMA-CPP."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

from bundle import clean, collect_licenses, make_bundle
from PySide6.QtGui import QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

from scripts.bootstrap.system import NEEDS

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "packaging"
ICON = ROOT / "resources" / "icons" / "solo.svg"
ICON_SIZES = (16, 24, 32, 48, 64, 128, 256, 512)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# Without these Solo runs, but on the processor alone and through X.
RECOMMENDED = ("libvulkan1", "mesa-vulkan-drivers", "libwayland-client0", "libwayland-cursor0", "libwayland-egl1")
# What the bundle leaves to the system, besides what the set-up asks for.
BASE_PACKAGES = ("libstdc++6", "libgcc-s1", "libexpat1")


def main(wheel: Path) -> int:
    """Build the package and print where it is."""
    work = ROOT / "build" / "package"
    clean(work)
    tree = work / "tree"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    architecture = ARCHITECTURES[platform.machine()]
    print("Bundling ...", flush=True)
    lay_out(tree, make_bundle(ROOT, wheel, work))
    control = make_control(project["version"], architecture, project["description"], measure_kib(tree))
    write(tree / "DEBIAN" / "control", control)
    target = ROOT / "dist" / f"solo_{project['version']}_{architecture}.deb"
    target.parent.mkdir(exist_ok=True)
    print("Compressing ...", flush=True)
    # xz and not zstd, which Debian 12's tools refuse.
    command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(tree), str(target)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    print(f"{target} ({target.stat().st_size / 1e6:.0f} MB)")
    return 0


def lay_out(tree: Path, bundle: Path) -> None:
    """Put everything where it will be installed."""
    usr = tree / "usr"
    (usr / "lib").mkdir(parents=True)
    bundle.rename(usr / "lib" / "solo")
    (usr / "bin").mkdir()
    (usr / "bin" / "solo").symlink_to("../lib/solo/solo")
    copy(HERE / "solo.desktop", usr / "share" / "applications" / "solo.desktop")
    icons = usr / "share" / "icons" / "hicolor"
    copy(ICON, icons / "scalable" / "apps" / "solo.svg")
    for size in ICON_SIZES:
        draw_icon(ICON, size, icons / f"{size}x{size}" / "apps" / "solo.png")
    docs = usr / "share" / "doc" / "solo"
    copy(HERE / "copyright", docs / "copyright")
    lock = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    write(docs / "third-party-licenses.txt", collect_licenses(lock))
    set_modes(tree)


def make_control(version: str, architecture: str, description: str, installed_kib: int) -> str:
    """Return the package's control file."""
    return (
        "Package: solo\n"
        f"Version: {version}\n"
        f"Architecture: {architecture}\n"
        "Section: misc\n"
        "Priority: optional\n"
        "Maintainer: The authors of Solo <solo@localhost>\n"
        f"Installed-Size: {installed_kib}\n"
        f"Depends: {', '.join(depends())}\n"
        f"Recommends: {', '.join(RECOMMENDED)}\n"
        "Description: chat with one local model on your own machine\n"
        f" {description}\n"
    )


def depends() -> list[str]:
    """Return the packages whose libraries the bundle leaves to the system."""
    libraries = (need.package for need in NEEDS["runtime"] if need.kind in {"library", "file"})
    # The bundle runs with the C library it was made with, or a newer one.
    return [f"libc6 (>= {platform.libc_ver()[1]})", *sorted({*BASE_PACKAGES, *libraries})]


def measure_kib(tree: Path) -> int:
    """Return the tree's size in KiB, each file rounded up, as Debian counts it."""
    sizes = (path.lstat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(-(-size // 1024) for size in sizes)


def draw_icon(source: Path, size: int, target: Path) -> None:
    """Render the drawing at `size` pixels."""
    image = QImage(size, size, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(0)
    painter = QPainter(image)
    QSvgRenderer(str(source)).render(painter)
    painter.end()
    target.parent.mkdir(parents=True, exist_ok=True)
    if not image.save(str(target)):
        raise OSError(f"could not write {target}")


def set_modes(tree: Path) -> None:
    """Give everything the rights that installed files have, whatever the umask was."""
    for path in paths(tree):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)


def paths(tree: Path) -> Iterable[Path]:
    """Return `tree` and everything below it."""
    return (tree, *tree.rglob("*"))


def copy(source: Path, target: Path) -> None:
    """Copy one file, making its folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def write(path: Path, text: str) -> None:
    """Write one file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    os.umask(0o022)
    raise SystemExit(main(Path(sys.argv[1])))
