"""Whether an offer fits, in a sentence, for machines of several kinds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.chat.offers import free_bytes, judge, list_offers, offer_repository, recommend
from app.core.facts import Gpu, Hardware
from app.models.catalogue import Entry, load_catalogue
from app.models.hub import RemoteFile
from app.models.repository import RemoteModel, RepositoryListing, quantization_of

GIB = 1 << 30
RESERVE_BYTES = 1 * GIB
CATALOGUE = {entry.id: entry for entry in load_catalogue()}
LARGE = CATALOGUE["mistral-small-4-q4-k-m"]  # 74.6 GB, of which 70.2 GB are experts
MEDIUM = CATALOGUE["mistral-small-3.2-24b-q4-k-m"]  # 15.2 GB, dense
SMALL = CATALOGUE["ministral-3-3b-instruct-q4-k-m"]  # 3 GB


def machine(ram_gib: float, *cards_gib: float) -> Hardware:
    gpus = tuple(
        Gpu(f"Card {number}", f"00000000:0{number}:00.0", f"uuid-{number}", int(gib * GIB), int(gib * GIB), False)
        for number, gib in enumerate(cards_gib)
    )
    return Hardware(gpus, int(ram_gib * GIB), int(ram_gib * GIB), "CPU", 16)


WORKSTATION = machine(64, 24, 24)

CASES = [
    (SMALL, machine(16), True, "of RAM and runs on the processor"),
    (SMALL, machine(16, 8), True, "Fits Card 0"),
    (SMALL, machine(4), False, "Too big: needs"),
    (MEDIUM, machine(32), True, "of RAM and runs on the processor"),
    (MEDIUM, machine(32, 24), True, "Fits Card 0"),
    (MEDIUM, machine(32, 12, 12), True, "Fits both cards"),
    (MEDIUM, machine(32, 8, 8, 8), True, "Fits all 3 cards"),
    (MEDIUM, machine(32, 12), True, "of RAM"),
    (MEDIUM, machine(8, 8), False, "more RAM."),
    (LARGE, WORKSTATION, True, "Fits both cards and "),
    (LARGE, machine(128), True, "of RAM and runs on the processor"),
    (LARGE, machine(128, 4), True, "Fits Card 0 and "),
    (LARGE, machine(32, 24), False, "Too big: needs"),
]


@pytest.mark.parametrize(("entry", "hardware", "fits", "words"), CASES)
def test_the_verdict_and_its_sentence(entry: Entry, hardware: Hardware, fits: bool, words: str) -> None:
    verdict, sentence, _ = judge(hardware, RESERVE_BYTES)(entry)
    assert verdict is fits
    assert words in sentence
    assert sentence.endswith(".")


def number_in(sentence: str, unit: str) -> float:
    found = re.search(rf"([\d.]+)\s{unit}", sentence)
    assert found is not None, sentence
    return float(found[1])


def test_exactly_as_much_ram_as_is_said_to_be_missing_makes_it_fit() -> None:
    fits, sentence, _ = judge(machine(32, 24), RESERVE_BYTES)(LARGE)
    assert not fits
    missing = number_in(sentence, "GiB")
    assert judge(machine(32 + missing + 0.5, 24), RESERVE_BYTES)(LARGE)[0]
    assert not judge(machine(32 + missing - 0.6, 24), RESERVE_BYTES)(LARGE)[0]


def test_the_speed_is_the_planner_s_and_a_card_is_faster_than_ram() -> None:
    speeds = [number_in(judge(where, RESERVE_BYTES)(MEDIUM)[1], "tokens/s") for where in (machine(64, 24), machine(64))]
    assert speeds[0] > 2 * speeds[1]


def test_a_larger_reserve_can_make_it_miss_the_card() -> None:
    hardware = machine(32, 18)
    assert "of RAM" not in judge(hardware, 0)(MEDIUM)[1]
    assert "of RAM" in judge(hardware, 4 * GIB)(MEDIUM)[1]


def test_a_card_that_is_full_counts_for_nothing() -> None:
    assert "runs on the processor" in judge(machine(32, 1), RESERVE_BYTES)(SMALL)[1]


def test_every_entry_is_listed_in_the_order_of_the_catalogue(tmp_path: Path) -> None:
    listed = list_offers(WORKSTATION, RESERVE_BYTES, tmp_path / "new folder")
    assert [offer.id for offer in listed.offers] == list(CATALOGUE)
    assert listed.hardware == WORKSTATION
    assert listed.target == tmp_path / "new folder"
    assert not any(offer.exact for offer in listed.offers)
    assert listed.free_bytes == pytest.approx(free_bytes(tmp_path), rel=0.1)
    assert not listed.target.exists()


def test_a_repository_s_models_are_offered_the_best_that_fits_first(tmp_path: Path) -> None:
    def model(name: str, gb: float) -> RemoteModel:
        file = RemoteFile("maker/m", "c" * 40, f"{name}.gguf", int(gb * 1e9), "0" * 64)
        return RemoteModel(name, quantization_of(file.name), (file,))

    projector = RemoteFile("maker/m", "c" * 40, "mmproj-F16.gguf", 10**9, "0" * 64)
    models = (model("m-Q2_K", 5), model("m-Q4_K_M", 9), model("m-F16", 200))
    listed = offer_repository(
        RepositoryListing("maker/m", "c" * 40, models, (projector,)), machine(16, 16), RESERVE_BYTES
    )
    assert [(offer.quantization, offer.fits) for offer in listed.offers] == [
        ("Q4_K_M", True),
        ("Q2_K", True),
        ("F16", False),
    ]
    first = listed.offers[0]
    assert (first.id, first.files, first.total_bytes, first.exact) == (
        "maker/m:m-Q4_K_M",
        ("m-Q4_K_M.gguf",),
        9 * 10**9,
        True,
    )
    assert first.revision == "c" * 40
    assert listed.projectors == ("mmproj-F16.gguf",)


RECOMMENDED = [(WORKSTATION, LARGE), (machine(32), SMALL), (machine(32, 24), MEDIUM)]


@pytest.mark.parametrize(("hardware", "entry"), RECOMMENDED)
def test_what_is_recommended_fits_and_writes_as_fast_as_one_reads(hardware: Hardware, entry: Entry) -> None:
    best = recommend(list_offers(hardware, RESERVE_BYTES, Path()).offers)
    assert best is not None
    assert best.fits
    assert best.id == entry.id


def test_nothing_is_recommended_where_nothing_fits() -> None:
    assert recommend(list_offers(machine(1), RESERVE_BYTES, Path()).offers) is None
