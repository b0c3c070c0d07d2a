"""The ledger outlives restarts and never believes in a file that has changed."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.models.ledger import Ledger


def test_uses_and_checks_outlive_a_restart(tmp_path: Path) -> None:
    model = tmp_path / "m\udcff.gguf"
    model.write_bytes(b"GGUF")
    ledger = Ledger(tmp_path / "library.json")
    assert ledger.last_used(model) is None
    assert not ledger.is_whole(model)
    ledger.note_use(model)
    ledger.note_whole(model)
    again = Ledger(tmp_path / "library.json")
    used = again.last_used(model)
    assert used is not None
    assert datetime.now(UTC) - used < timedelta(minutes=1)
    assert again.is_whole(model)


def test_a_file_that_changed_or_went_is_not_whole_any_more(tmp_path: Path) -> None:
    model = tmp_path / "m.gguf"
    model.write_bytes(b"GGUF")
    ledger = Ledger(tmp_path / "library.json")
    ledger.note_whole(model)
    os.utime(model, ns=(1, 1))
    assert not ledger.is_whole(model)
    ledger.note_whole(model)
    assert ledger.is_whole(model)
    model.unlink()
    assert not ledger.is_whole(model)


def test_what_is_forgotten_is_forgotten_on_disk(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "library.json")
    ledger.note_use(tmp_path / "m.gguf")
    ledger.forget(tmp_path / "m.gguf")
    assert Ledger(tmp_path / "library.json").last_used(tmp_path / "m.gguf") is None


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b'{"x": 1}', b'{"x": {"a": 1}}', b'{"x": {"last_used": 1, "size": "x", "changed_ns": 0}}'],
)
def test_a_damaged_ledger_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "library.json"
    path.write_bytes(content)
    ledger = Ledger(path)
    assert ledger.last_used(Path("x")) is None
    ledger.note_use(tmp_path / "m.gguf")
    assert Ledger(path).last_used(tmp_path / "m.gguf") is not None
