"""Models of other programs are found by each program's own conventions, in folders laid out as those programs do."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from app.models.elsewhere import FoundModel, Surroundings, find_elsewhere

CONTENT = b"GGUF" + bytes(range(100))
SHA = hashlib.sha256(CONTENT).hexdigest()


def here(home: Path, platform: str = "linux", **environment: str) -> Surroundings:
    return Surroundings(home, environment, platform)


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def only(where: Surroundings) -> FoundModel:
    (model,) = find_elsewhere(where)
    return model


# --- Hugging Face cache -------------------------------------------------------------------------


def cached(cache: Path, name: str, content: bytes = CONTENT) -> Path:
    repository = cache / "models--maker--model"
    blob = put(repository / "blobs" / hashlib.sha256(content).hexdigest(), content)
    link = repository / "snapshots" / ("c" * 40) / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(blob)
    return link


@pytest.mark.parametrize(
    ("place", "variables"),
    [
        (".cache/huggingface/hub", {}),
        ("cache/huggingface/hub", {"XDG_CACHE_HOME": "cache"}),
        ("hf/hub", {"HF_HOME": "hf"}),
        ("direct", {"HF_HUB_CACHE": "direct", "HF_HOME": "hf"}),
    ],
)
def test_the_hugging_face_cache_wherever_the_environment_puts_it(
    tmp_path: Path, place: str, variables: dict[str, str]
) -> None:
    link = cached(tmp_path / place, "Q4_K_M/m.gguf")
    where = here(tmp_path, **{name: str(tmp_path / folder) for name, folder in variables.items()})
    assert only(where) == FoundModel("Hugging Face cache", "m", (link,), None, {link: SHA})


def test_parts_and_a_projector_in_the_hugging_face_cache_are_one_model(tmp_path: Path) -> None:
    cache = tmp_path / ".cache/huggingface/hub"
    parts = tuple(cached(cache, f"m-0000{n}-of-00002.gguf", CONTENT + bytes([n])) for n in (1, 2))
    projector = cached(cache, "mmproj-F16.gguf", CONTENT + b"p")
    found = only(here(tmp_path))
    assert (found.files, found.projector, set(found.sha256)) == (parts, projector, set(parts))


def test_a_cache_without_links_has_no_checksums(tmp_path: Path) -> None:
    path = put(tmp_path / ".cache/huggingface/hub/models--a--b/snapshots/c/m.gguf")
    assert only(here(tmp_path, "win32")) == FoundModel("Hugging Face cache", "m", (path,), None, {})


def test_links_that_lead_out_of_the_cache_or_nowhere_are_left_out(tmp_path: Path) -> None:
    snapshot = tmp_path / ".cache/huggingface/hub/models--a--b/snapshots/c"
    snapshot.mkdir(parents=True)
    (snapshot / "out.gguf").symlink_to(put(tmp_path / "secret.gguf"))
    (snapshot / "nowhere.gguf").symlink_to(tmp_path / "gone")
    assert find_elsewhere(here(tmp_path)) == ()


# --- LM Studio, Jan, llama.cpp ------------------------------------------------------------------


@pytest.mark.parametrize("folder", [".lmstudio/models", ".cache/lm-studio/models"])
def test_lm_studio_keeps_owner_name_file(tmp_path: Path, folder: str) -> None:
    path = put(tmp_path / folder / "maker" / "model-GGUF" / "m-Q4_K_M.gguf")
    projector = put(path.with_name("mmproj-m.gguf"))
    assert only(here(tmp_path)) == FoundModel("LM Studio", "m-Q4_K_M", (path,), projector, {})


def test_lm_studio_with_a_home_and_a_folder_of_its_own(tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    put(tmp_path / ".lmstudio-home-pointer", str(home).encode())
    path = put(tmp_path / "big disk" / "maker" / "model" / "m.gguf")
    put(home / "settings.json", json.dumps({"downloadsFolder": str(tmp_path / "big disk")}).encode())
    assert only(here(tmp_path)).files == (path,)


def test_two_projectors_beside_a_model_are_no_choice_to_make_here(tmp_path: Path) -> None:
    path = put(tmp_path / ".lmstudio/models/maker/model/m.gguf")
    put(path.with_name("mmproj-a.gguf"))
    put(path.with_name("mmproj-b.gguf"))
    assert only(here(tmp_path)).projector is None


@pytest.mark.parametrize(
    ("platform", "data"),
    [
        ("linux", ".config/Jan/data"),
        ("win32", "AppData/Roaming/Jan/data"),
        ("darwin", "Library/Application Support/Jan/data"),
        ("linux", "jan"),
    ],
)
def test_jan_describes_each_model_in_a_note(tmp_path: Path, platform: str, data: str) -> None:
    folder = tmp_path / data / "llamacpp/models/maker/m"
    path, projector = put(folder / "model.gguf"), put(folder / "mmproj.gguf")
    note = "\n".join(
        [
            "name: Fine model",
            "model_path: llamacpp/models/maker/m/model.gguf",
            "mmproj_path: llamacpp/models/maker/m/mmproj.gguf",
            f"model_sha256: {SHA}",
            "size_bytes: 104",
        ]
    )
    put(folder / "model.yml", note.encode())
    assert only(here(tmp_path, platform)) == FoundModel("Jan", "Fine model", (path,), projector, {path: SHA})


def test_jan_with_a_folder_of_its_own_and_a_model_outside_of_it(tmp_path: Path) -> None:
    path = put(tmp_path / "imported.gguf")
    put(tmp_path / ".config/Jan/settings.json", json.dumps({"data_folder": str(tmp_path / "own")}).encode())
    put(tmp_path / "own/llamacpp/models/i/model.yml", f'model_path: "{path}"\n'.encode())
    assert only(here(tmp_path)) == FoundModel("Jan", "i", (path,), None, {})


@pytest.mark.parametrize(
    ("platform", "folder"),
    [
        ("linux", ".cache/llama.cpp"),
        ("win32", "AppData/Local/llama.cpp"),
        ("darwin", "Library/Caches/llama.cpp"),
    ],
)
def test_llama_cpp_keeps_files_flat(tmp_path: Path, platform: str, folder: str) -> None:
    path = put(tmp_path / folder / "maker_model_m.gguf")
    put(tmp_path / folder / "deeper" / "no.gguf")
    put(tmp_path / folder / "half.gguf.downloadInProgress")
    assert only(here(tmp_path, platform)) == FoundModel("llama.cpp", "maker_model_m", (path,), None, {})


def test_llama_cpp_with_a_folder_of_its_own(tmp_path: Path) -> None:
    path = put(tmp_path / "own" / "m.gguf")
    assert only(here(tmp_path, LLAMA_CACHE=str(tmp_path / "own"))).files == (path,)


# --- Ollama -------------------------------------------------------------------------------------


def ollama(folder: Path, name: str, layers: list[tuple[str, bytes]]) -> list[Path]:
    blobs, listed = [], []
    for kind, content in layers:
        digest = hashlib.sha256(content).hexdigest()
        blobs.append(put(folder / "blobs" / f"sha256-{digest}", content))
        listed.append(
            {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}
        )
    put(folder / "manifests" / name, json.dumps({"schemaVersion": 2, "layers": listed}).encode())
    return blobs


@pytest.mark.parametrize(("variables", "place"), [({}, ".ollama/models"), ({"OLLAMA_MODELS": "own"}, "own")])
def test_ollama_names_blobs_in_manifests(tmp_path: Path, variables: dict[str, str], place: str) -> None:
    template = b"{{ .Prompt }}"
    model, _, projector = ollama(
        tmp_path / place,
        "registry/library/mistral/24b",
        [("model", CONTENT), ("template", template), ("projector", CONTENT + b"p")],
    )
    where = here(tmp_path, **{name: str(tmp_path / folder) for name, folder in variables.items()})
    found = only(where)
    assert (found.program, found.name, found.files, found.projector) == ("Ollama", "mistral:24b", (model,), projector)
    assert found.sha256[model] == SHA


def test_a_model_of_another_owner_has_the_owner_in_its_name(tmp_path: Path) -> None:
    ollama(tmp_path / ".ollama/models", "registry/maker/m/latest", [("model", CONTENT)])
    assert only(here(tmp_path)).name == "maker/m:latest"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"{",
        b'{"layers": [{"mediaType": "x.model", "digest": "sha256:../../../../secret"}]}',
        b'{"layers": [{"mediaType": "x.model", "digest": "sha256:' + b"0" * 64 + b'"}]}',
        b"[" * 100_000,
    ],
)
def test_manifests_that_make_no_sense_name_nothing(tmp_path: Path, content: bytes) -> None:
    put(tmp_path / ".ollama/models/manifests/r/library/m/latest", content)
    assert find_elsewhere(here(tmp_path)) == ()


# --- all together -------------------------------------------------------------------------------


def test_a_file_that_two_programs_share_is_listed_once_and_order_is_by_program(tmp_path: Path) -> None:
    path = put(tmp_path / ".lmstudio/models/maker/model/shared.gguf")
    (tmp_path / ".cache/llama.cpp").mkdir(parents=True)
    (tmp_path / ".cache/llama.cpp/same.gguf").symlink_to(path)
    put(tmp_path / ".cache/llama.cpp/other.gguf")
    found = find_elsewhere(here(tmp_path))
    assert [(model.program, model.name) for model in found] == [("llama.cpp", "other"), ("LM Studio", "shared")]


def test_a_model_that_lacks_a_part_is_left_to_its_program(tmp_path: Path) -> None:
    put(tmp_path / ".lmstudio/models/maker/model/m-00001-of-00002.gguf")
    assert find_elsewhere(here(tmp_path)) == ()
