"""The Hardware page: bars before and after a load, sliders that plan again, meters, and who holds memory."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from app.core.events import ModelLoaded, ModelPlanned, OffersListed
from app.core.facts import BufferUse, Gpu, GpuProcess, Hardware
from app.core.settings import Settings
from app.hardware.planner import plan_placement
from app.hardware.wishes import Wishes, read_reserves
from app.ui.bars import MemoryBar
from app.ui.gpu_meter import GpuMeter
from tests.hardware.model_tables import PROJECTOR, mistral_119b
from tests.hardware.test_planner import machine
from tests.ui.scenery import MakeStage, Stage

GIB = 1 << 30
MODEL = Path("/models/small.gguf")


def planned(hardware: Hardware, **wishes: int) -> ModelPlanned:
    model = mistral_119b()
    plan = plan_placement(model, PROJECTOR, hardware, Wishes(**wishes))  # type: ignore[arg-type]  # fields by name
    return ModelPlanned(MODEL, None, "Mistral Small 4", plan, model, PROJECTOR, hardware)


def loaded(measured: tuple[BufferUse, ...] = ()) -> ModelLoaded:
    return ModelLoaded(MODEL, None, "Mistral Small 4", 32768, True, True, 1.0, (), measured=measured)


def words(stage: Stage) -> str:
    stage.show()
    page = stage.window.hardware
    return " ".join(label.text() for label in page.findChildren(QLabel) if label.isVisibleTo(page))


def bars(stage: Stage) -> list[str]:
    stage.show()  # lets Qt show what was just added
    card = stage.window.hardware.plan_card
    return [bar.accessibleName() for bar in card.findChildren(MemoryBar) if bar.isVisibleTo(card)]


def show_page(stage: Stage, hardware: Hardware) -> None:
    stage.show(OffersListed(hardware, (), Path("/models"), 0))
    stage.window.show_page("hardware")


def test_before_a_load_every_card_has_a_bar_with_all_its_parts(stage: Stage) -> None:
    show_page(stage, machine(24, 24, display=0))
    stage.show(planned(machine(24, 24, display=0), context_tokens=32768))
    first, second, ram = bars(stage)
    for bar in (first, second):
        for part in ("Other programs", "Weights", "Conversation (KV cache)", "Working memory", "Kept free", "left"):
            assert part in bar
    assert "Vision" in first + second
    assert ram.startswith("System RAM: Weights")
    assert "expected: about 20" in words(stage)
    assert "tokens/s" in words(stage)
    assert "stay in RAM in any case" in words(stage)


def test_sliders_move_the_bars_at_once_and_load_nothing(stage: Stage) -> None:
    show_page(stage, machine(24, 24))
    stage.show(planned(machine(24, 24), context_tokens=32768))
    panel = stage.window.hardware.panel
    before = bars(stage)
    panel.context.setValue(panel.context.maximum())
    assert panel.wishes.context_tokens == 262144
    longer = bars(stage)
    assert longer != before
    assert "262,144" in words(stage)
    panel.reserves[1].setValue(panel.reserves[1].value() + 8)
    assert bars(stage) != longer
    assert "would go" in words(stage)
    assert not stage.service.asked("open_model")


def test_what_was_tried_is_loaded_and_remembered(make_stage: MakeStage) -> None:
    stage = make_stage(Settings(model=str(MODEL), card_reserves="00000000:09:00.0=512"))
    show_page(stage, machine(24, 24))
    stage.show(planned(machine(24, 24), context_tokens=32768), loaded())
    panel = stage.window.hardware.panel
    panel.context.setValue(0)
    panel.reserves[0].setValue(12)
    panel.load_button.click()
    settings = stage.session.settings
    assert settings.context_tokens == 4096
    reserves = read_reserves(settings.card_reserves)
    assert reserves["00000000:01:00.0"] == 3 * GIB
    assert reserves["00000000:09:00.0"] == GIB // 2
    assert stage.service.asked("open_model")[-1][0] == MODEL


def test_after_a_load_the_measured_bars_stand_below(stage: Stage) -> None:
    show_page(stage, machine(24, 24))
    event = planned(machine(24, 24), context_tokens=32768)
    measured = tuple(BufferUse(device.bus_id, 20 * GIB, GIB, 2 * GIB) for device in event.plan.devices)
    stage.show(event, loaded((*measured, BufferUse("CPU", 25 * GIB, 0, GIB))))
    names = [bar.split(":")[0] for bar in bars(stage)]
    assert [name.endswith("measured") for name in names] == [False, True, False, True, False, True]


def test_load_and_temperature_follow_while_the_page_is_looked_at(stage: Stage) -> None:
    hardware = machine(24, 24)
    show_page(stage, hardware)
    busy = replace(hardware.gpus[0], load_percent=97, temperature_c=71, processes=(GpuProcess(7, "game", 3 * GIB),))
    stage.window.hardware._show_meters((busy,))
    assert "97\u202f% busy · 71\u202f°C" in words(stage)
    assert "In use by game 3\u202fGiB." in words(stage)


def test_the_meter_measures_between_start_and_stop(qtbot: QtBot) -> None:
    asked = threading.Semaphore(0)

    def read() -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
        asked.release()
        return machine(24).gpus, ()

    meter = GpuMeter(read, interval_s=0.01)
    with qtbot.waitSignal(meter.measured, timeout=30_000):
        meter.start()
        meter.start()
    meter.stop()
    assert asked.acquire(timeout=30)
    assert not [thread for thread in threading.enumerate() if thread.name == "gpu-meter" and _lives(thread)]


def _lives(thread: threading.Thread) -> bool:
    thread.join(timeout=30)
    return thread.is_alive()


def test_a_machine_without_gpus_is_not_asked_again(qtbot: QtBot) -> None:
    meter = GpuMeter(lambda: ((), ()), interval_s=0.01)
    meter.start()
    threads = [thread for thread in threading.enumerate() if thread.name == "gpu-meter"]
    assert not any(map(_lives, threads))
    meter.stop()
