from __future__ import annotations

from pathlib import Path

import pytest

from app.core.paths import RESOURCES, Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(*(tmp_path / "Über" / name for name in ("data", "config", "cache", "logs", "models")))


def test_every_folder_is_created_and_again_without_harm(paths: Paths) -> None:
    paths.create()
    paths.settings.write_text("{}")
    paths.create()
    for folder in (paths.data, paths.config, paths.cache, paths.logs, paths.models):
        assert folder.is_dir()
    assert paths.settings.read_text() == "{}"


def test_files_lie_in_the_folder_of_their_kind(paths: Paths) -> None:
    assert paths.database.parent == paths.attachments.parent == paths.data
    assert paths.settings.parent == paths.config
    assert len({paths.database, paths.attachments, paths.settings}) == 3


def test_the_resources_are_where_the_program_is() -> None:
    assert RESOURCES.is_dir()
    assert (RESOURCES.parent / "app" / "core" / "paths.py").is_file()
