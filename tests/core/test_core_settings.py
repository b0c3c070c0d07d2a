from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.messages import ReasoningEffort
from app.core.settings import Settings, Theme, load_settings, save_settings

CHANGED = Settings(
    theme=Theme.DARK,
    effort=ReasoningEffort.HIGH,
    model="/Modelle/mistral small 4 – Q4.gguf",
    projector="/Modelle/mmproj.gguf",
    models_folder="/数据",
    system_prompt="Be brief.\r\nBe kind. 👍",
    context_tokens=65536,
    reserve_mib=2048,
    card_reserves="0000:01:00.0=3072",
    preference="speed",
    unscaled_attention=True,
    download_limit_kib=4096,
    first_run="skipped",
    first_choice="mistral-small-4-q4_k_m",
    fast_sampling={"temperature": 0.3, "seed": 7},
    think_sampling={"top_k": 40, "xtc_probability": 0.5},
    think_budget=2048,
    keep_states=False,
    state_ram_mib=512,
    state_disk_mib=4096,
    last_conversation="c1",
    window_geometry="AdnQywADAAA=",
)


def test_settings_come_back_as_they_were_saved(tmp_path: Path) -> None:
    assert all(getattr(CHANGED, item.name) != item.default for item in fields(Settings))
    path = tmp_path / "folder" / "settings.json"
    save_settings(path, CHANGED)
    assert load_settings(path) == CHANGED
    save_settings(path, Settings())
    assert load_settings(path) == Settings()


@given(text=st.text(st.characters()))
def test_any_text_survives_even_what_is_not_unicode(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "settings.json"
    save_settings(path, Settings(system_prompt=text))
    assert load_settings(path).system_prompt == text


def test_a_path_that_is_not_unicode_can_be_saved(tmp_path: Path) -> None:
    model = os.fsdecode(b"/models/\xff.gguf")
    save_settings(tmp_path / "settings.json", Settings(model=model))
    assert os.fsencode(load_settings(tmp_path / "settings.json").model) == b"/models/\xff.gguf"


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "missing.json") == Settings()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 500,
        b"{",
        b"[]",
        b"null",
        b"7",
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b'{"context_tokens": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_file_that_can_not_be_read_gives_defaults(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    assert load_settings(path) == Settings()


def test_a_folder_in_place_of_the_file_gives_defaults(tmp_path: Path) -> None:
    (tmp_path / "settings.json").mkdir()
    assert load_settings(tmp_path / "settings.json") == Settings()


@pytest.mark.parametrize("name", [item.name for item in fields(Settings)])
@pytest.mark.parametrize("value", [None, True, [], {}, -1, 1.5, "no such value", float("inf")])
def test_a_value_of_a_wrong_kind_costs_only_itself(tmp_path: Path, name: str, value: object) -> None:
    path = tmp_path / "settings.json"
    other = "model" if name != "model" else "projector"
    path.write_text(json.dumps({name: value, other: "kept"}))
    loaded = load_settings(path)
    assert getattr(loaded, other) == "kept"
    default = getattr(Settings(), name)
    is_of_its_kind = type(default) in {str, bool} and type(value) is type(default)
    assert getattr(loaded, name) == (value if is_of_its_kind else default)
    assert type(getattr(loaded, name)) is type(default)


def test_of_sampling_only_what_can_be_used_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    raw = {"temperature": 0.5, "top_p": 2, "top_k": 1.5, "seed": True, "colour": 1, "min_p": 10**400, "dry_base": "2"}
    path.write_text(json.dumps({"think_sampling": raw | {"penalty_last_n": -1}}))
    assert load_settings(path).think_sampling == {"temperature": 0.5, "penalty_last_n": -1}


def test_unknown_settings_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"colour": "red", "theme": "dark"}')
    assert load_settings(path) == Settings(theme=Theme.DARK)


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"theme": "light"}', encoding="utf-8-sig")
    assert load_settings(path).theme is Theme.LIGHT
