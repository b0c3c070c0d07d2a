"""The shipped catalogue is sound, and its entries become offers and exact files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import close_session

from app.core.errors import RepositoryMissing
from app.core.facts import Fit
from app.models.catalogue import Entry, load_catalogue, make_offer, make_offers, resolve_offer
from app.models.hub import Hub
from tests.hub_server.bench import content_of
from tests.hub_server.server import HubServer, Repository

SPLIT = "UD-Q4_K_M/Mistral-Small-4-119B-2603-UD-Q4_K_M-0000{}-of-00003.gguf"


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer() as served:
        yield served
        close_session()


def first() -> Entry:
    return load_catalogue()[0]


def serve(server: HubServer, entry: Entry, parts: tuple[int, ...] = (1, 2, 3)) -> None:
    files = {SPLIT.format(n): content_of(100 + n) for n in parts}
    files |= {"mmproj-F16.gguf": content_of(50), "UD-Q2_K/other-00001-of-00001.gguf": content_of(9)}
    server.repositories[entry.repository] = Repository(files)


def test_the_shipped_catalogue_is_sound() -> None:
    entries = load_catalogue()
    assert "Mistral Small 4" in entries[0].title
    for entry in entries:
        assert entry.repository.count("/") == 1
        assert entry.projector is not None, "every entry sees pictures"
        assert 0 <= entry.expert_bytes < entry.weight_bytes
        assert 0 < entry.projector_bytes < 1_000_000_000
        assert entry.licence == "Apache-2.0"
        assert entry.description.endswith(".")
        # Rounded to at most four figures: nothing that looks like an exact size.
        assert entry.weight_bytes % 10_000_000 == 0
        keys_and_values = 23_040 if entry.expert_bytes else entry.n_layers * 2 * 8 * 128 * 2
        assert entry.kv_bytes_per_token == keys_and_values


def test_offers_carry_the_verdict_and_are_not_exact() -> None:
    offers = make_offers(load_catalogue(), lambda entry: Fit(entry.weight_bytes < 1e10, f"{entry.n_layers} layers"))
    assert len({offer.id for offer in offers}) == len(offers)
    assert not offers[0].fits
    assert offers[-1].fits
    assert offers[0].fit == "36 layers"
    assert not any(offer.exact for offer in offers)
    assert offers[0].total_bytes == first().weight_bytes + first().projector_bytes


def test_an_entry_becomes_the_files_of_the_hub(server: HubServer) -> None:
    serve(server, first())
    resolved = resolve_offer(first(), Hub(server.endpoint))
    assert [file.name for file in resolved.model] == [SPLIT.format(n) for n in (1, 2, 3)]
    assert resolved.projector is not None
    assert resolved.total_bytes == 101 + 102 + 103 + 50
    offer = make_offer(first(), Fit(True, "It fits."), resolved)
    assert offer.exact
    assert offer.total_bytes == resolved.total_bytes
    assert first().folder(Path("models")) == Path("models/mistral-small-4-q4-k-m")


def test_a_projector_may_come_from_another_repository(server: HubServer) -> None:
    serve(server, first())
    entry = next(e for e in load_catalogue() if e.repository.startswith("bartowski/mistralai_Mistral-Small-4"))
    name = "mistralai_Mistral-Small-4-119B-2603-Q4_K_M"
    files = {f"{name}/{name}-0000{n}-of-00002.gguf": content_of(n) for n in (1, 2)}
    server.repositories[entry.repository] = Repository(files)
    resolved = resolve_offer(entry, Hub(server.endpoint))
    assert len(resolved.model) == 2
    assert resolved.projector is not None
    assert resolved.projector.repository == first().repository


@pytest.mark.parametrize("parts", [(), (1,), (1, 3), (2, 3)])
def test_a_model_with_missing_parts_is_not_offered(server: HubServer, parts: tuple[int, ...]) -> None:
    serve(server, first(), parts)
    with pytest.raises(RepositoryMissing, match="does not hold"):
        resolve_offer(first(), Hub(server.endpoint))


def test_two_files_that_are_not_parts_are_not_one_model(server: HubServer) -> None:
    entry = replace(first(), files=("*.gguf",))
    serve(server, entry)
    with pytest.raises(RepositoryMissing, match="does not hold"):
        resolve_offer(entry, Hub(server.endpoint))


@pytest.mark.parametrize("change", ["weight_bytes = 73_800_000_000\n", 'title = "Mistral Small 4 (119B)"\n'])
def test_an_entry_that_lacks_something_is_a_bug(tmp_path: Path, change: str) -> None:
    shipped = (Path(__file__).parents[2] / "resources" / "catalogue.toml").read_text(encoding="utf-8")
    assert change in shipped
    path = tmp_path / "catalogue.toml"
    path.write_text(shipped.replace(change, "", 1), encoding="utf-8")
    with pytest.raises(ValueError, match="lacks"):
        load_catalogue(path)


def test_an_id_that_leaves_the_folder_is_a_bug(tmp_path: Path) -> None:
    shipped = (Path(__file__).parents[2] / "resources" / "catalogue.toml").read_text(encoding="utf-8")
    path = tmp_path / "catalogue.toml"
    path.write_text(shipped.replace('"mistral-small-4-q4-k-m"', '"../x"'), encoding="utf-8")
    with pytest.raises(ValueError, match="folder"):
        load_catalogue(path)
