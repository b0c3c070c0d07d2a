"""Whether an offer fits, in a sentence, for machines of several kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.chat.offers import free_bytes, judge, list_offers
from app.core.facts import Gpu, Hardware
from app.models.catalogue import Entry, load_catalogue

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
    (SMALL, machine(16), True, "runs on the processor, slowly"),
    (SMALL, machine(16, 8), True, "on one graphics card"),
    (SMALL, machine(4), False, "Too big"),
    (MEDIUM, machine(32), True, "runs on the processor, slowly"),
    (MEDIUM, machine(32, 24), True, "on one graphics card"),
    (MEDIUM, machine(32, 12, 12), True, "on the 2 graphics cards together"),
    (MEDIUM, machine(32, 12), True, "of layers in RAM, at a slow pace"),
    (MEDIUM, machine(8, 8), False, "Too big"),
    (LARGE, WORKSTATION, True, "of experts in RAM, at a good pace"),
    (LARGE, machine(128), True, "runs on the processor, at a moderate pace"),
    (LARGE, machine(128, 4), True, "it answers slowly"),
    (LARGE, machine(32, 80), True, "on one graphics card"),
    (LARGE, machine(32, 24), False, "Too big"),
]


@pytest.mark.parametrize(("entry", "hardware", "fits", "words"), CASES)
def test_the_verdict_and_its_sentence(entry: Entry, hardware: Hardware, fits: bool, words: str) -> None:
    verdict, sentence = judge(hardware, RESERVE_BYTES)(entry)
    assert verdict is fits
    assert words in sentence
    assert sentence.endswith(".")


def test_the_sentence_says_how_much_is_missing() -> None:
    fits, sentence = judge(machine(32, 24), RESERVE_BYTES)(LARGE)
    needed = LARGE.total_bytes + LARGE.kv_bytes_per_token * 8192
    missing = (needed - (24 - 2) * GIB - (32 - 2) * GIB) / GIB
    assert not fits
    assert f"{missing:.1f}\N{NARROW NO-BREAK SPACE}GiB more" in sentence


def test_the_two_parts_add_up_to_what_is_needed() -> None:
    _, sentence = judge(WORKSTATION, RESERVE_BYTES)(LARGE)
    on_cards, in_ram = (
        float(part.split()[-1]) for part in sentence.replace("\N{NARROW NO-BREAK SPACE}", " ").split(" GiB")[:2]
    )
    needed = LARGE.total_bytes + LARGE.kv_bytes_per_token * 8192
    assert on_cards == 2 * (24 - 2)
    assert on_cards + in_ram == pytest.approx(needed / GIB, abs=0.11)


def test_a_larger_reserve_can_make_it_miss_the_card() -> None:
    hardware = machine(32, 18)
    assert "on one graphics card" in judge(hardware, 0)(MEDIUM)[1]
    assert "in RAM" in judge(hardware, 4 * GIB)(MEDIUM)[1]


def test_a_card_that_is_full_counts_for_nothing() -> None:
    assert judge(machine(32, 1), RESERVE_BYTES)(SMALL) == judge(machine(32), RESERVE_BYTES)(SMALL)


def test_every_entry_is_listed_in_the_order_of_the_catalogue(tmp_path: Path) -> None:
    listed = list_offers(WORKSTATION, RESERVE_BYTES, tmp_path / "new folder")
    assert [offer.id for offer in listed.offers] == list(CATALOGUE)
    assert listed.hardware == WORKSTATION
    assert listed.target == tmp_path / "new folder"
    assert not any(offer.exact for offer in listed.offers)
    assert listed.free_bytes == pytest.approx(free_bytes(tmp_path), rel=0.1)
    assert not listed.target.exists()
