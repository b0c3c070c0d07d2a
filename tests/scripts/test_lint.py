"""Show that lint turns red: each check runs on a small tree, once clean and once with a fault planted."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.check_sizes import find_excesses
from scripts.check_tracked import find_addresses, find_lock_faults, find_own_paths

ROOT = Path(__file__).resolve().parents[2]
LONG_FUNCTION = 'def too_long() -> int:\n    """Count."""\n    n = 0\n' + "    n += 1\n" * 40 + "    return n\n"
# In two pieces, so that the check on this very file stays green.
HOST = "pypi" + ".org"
PLANTS = {
    "format": ("app/core/planted.py", '"""Plant."""\n\nx = {  "a":1 }\n'),
    "style": ("app/core/planted.py", '"""Plant."""\n\nimport os\n'),
    "types": ("app/core/planted.py", '"""Plant."""\n\ncount: int = "three"\n'),
    "types of scripts": ("scripts/bootstrap/planted.py", '"""Plant."""\n\ncount: int = "three"\n'),
    "types of packaging": ("packaging/planted.py", '"""Plant."""\n\ncount: int = "three"\n'),
    "imports": ("app/core/planted.py", '"""Plant."""\n\nimport app.ui as window\n\n__all__ = ["window"]\n'),
    "sizes": ("scripts/planted.py", f'"""Plant."""\n\n\n{LONG_FUNCTION}'),
    "tracked files": ("docs/planted.md", f"Get it from {HOST}.\n"),
}


@pytest.fixture(scope="module")
def clean_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with the real rules and the real packages' names, but almost nothing in them."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", tree)
    for init in sorted((ROOT / "app").glob("*/__init__.py")):
        write(tree / init.relative_to(ROOT), f'"""Stand for {init.parent.name}."""\n')
    write(tree / "app" / "__init__.py", '"""Stand for Solo."""\n')
    write(tree / "app" / "__main__.py", '"""Stand for the start."""\n')
    for name in ("bootstrap/one", "lint", "check_sizes", "check_tracked"):
        write(tree / "scripts" / f"{name}.py", '"""Stand for a script."""\n')
    write(tree / "packaging" / "two.py", '"""Stand for a script."""\n')
    subprocess.run(["git", "init", "-q", tree], check=True)
    write(tree / ".gitignore", "__pycache__/\n.*_cache/\n")
    return tree


@pytest.mark.parametrize("check", PLANTS)
def test_a_planted_fault_turns_the_check_red(clean_tree: Path, tmp_path: Path, check: str) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(clean_tree, tree)
    before = lint(tree, check)
    assert before.returncode == 0, before.stdout + before.stderr
    name, content = PLANTS[check]
    write(tree / name, content)
    after = lint(tree, check)
    assert after.returncode == 1, after.stdout + after.stderr
    assert f"Lint failed: {check}" in after.stdout


def test_too_long_functions_classes_and_files_are_found() -> None:
    assert list(find_excesses(LONG_FUNCTION)) == ["line 1: too_long has 44 lines; at most 40"]
    long_class = "class Big:\n" + "    a = 1\n" * 200
    assert list(find_excesses(long_class)) == ["line 1: Big has 201 lines; at most 200"]
    assert list(find_excesses("a = 1\n" * 401)) == ["the file has 401 lines; at most 400"]
    assert list(find_excesses("a = 1\n" * 400)) == []


def test_the_own_folders_are_found_but_not_their_likes() -> None:
    own = find_own_paths(Path("/srv/checkout"), Path("/"))
    assert len(list(find_addresses("see /srv/checkout/app\n", own))) == 1
    assert list(find_addresses("see /srv/checkouts or ./srv/checkout-old\n", own)) == []


def test_a_lock_needs_hashes_and_no_addresses() -> None:
    good = "one==1.0 ; sys_platform == 'linux' \\\n    --hash=sha256:" + "a" * 64 + "\n"
    assert list(find_lock_faults(good)) == []
    assert len(list(find_lock_faults("one==1.0\n"))) == 1
    assert len(list(find_lock_faults("one>=1.0 --hash=sha256:" + "a" * 64))) == 1
    assert len(list(find_lock_faults("--index-url https://example.invalid/simple\n"))) == 1
    assert len(list(find_lock_faults("one @ https://example.invalid/one.whl\n"))) == 1


def lint(tree: Path, check: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "scripts" / "lint.py", "--root", tree, "--only", check]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
