"""Ask NVIDIA's management library (NVML) which GPUs there are and what is free on them."""

from __future__ import annotations

import logging

import pynvml

from app.core.facts import Gpu
from app.hardware.gpu_details import (
    answer_or,
    as_text,
    read_bandwidth,
    read_load,
    read_processes,
    read_temperature,
)

log = logging.getLogger(__name__)

_NO_DRIVER = "No NVIDIA driver was found, so models run on the CPU."
_START_NOTES = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: _NO_DRIVER,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: (
        "The NVIDIA driver is installed but not running. Restart the computer or install the driver again."
    ),
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: (
        "The NVIDIA driver was updated while the computer was running. Restart the computer to use the GPUs."
    ),
    pynvml.NVML_ERROR_NO_PERMISSION: (
        "The GPUs may not be used from this account. Ask for access to the NVIDIA devices."
    ),
}
_CARD_REASONS = {
    pynvml.NVML_ERROR_GPU_IS_LOST: "has stopped answering. Restart the computer to use it again.",
    pynvml.NVML_ERROR_RESET_REQUIRED: "needs a reset. Restart the computer to use it again.",
    pynvml.NVML_ERROR_NO_PERMISSION: "may not be used from this account.",
    pynvml.NVML_ERROR_INSUFFICIENT_POWER: "lacks power. Check its power cables.",
    pynvml.NVML_ERROR_NOT_SUPPORTED: "does not say how much memory it has, so it is not used.",
}


def read_gpus() -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    """Return the usable GPUs in PCI order, and sentences about those that are missing. Never raises."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        log.info("NVML can't be used: %s", error)
        return (), (_START_NOTES.get(error.value) or f"The NVIDIA driver can't be asked ({error}).",)
    try:
        return _read_all()
    except pynvml.NVMLError as error:
        log.info("NVML does not list the GPUs: %s", error)
        return (), (f"The NVIDIA driver does not list its GPUs ({error}).",)
    finally:
        answer_or(pynvml.nvmlShutdown, None)


def _read_all() -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    gpus: list[Gpu] = []
    notes: list[str] = []
    driver = as_text(answer_or(pynvml.nvmlSystemGetDriverVersion, ""))
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            found = _read_gpu(index, driver)
        except pynvml.NVMLError as error:
            log.info("GPU %d can't be used: %s", index, error)
            reason = _CARD_REASONS.get(error.value) or f"can't be used ({error})."
            notes.append(f"GPU {index + 1} {reason}")
            continue
        if isinstance(found, Gpu):
            gpus.append(found)
        else:
            notes.append(found)
    if not gpus and not notes:
        notes.append("The NVIDIA driver runs but finds no GPU, so models run on the CPU.")
    return tuple(sorted(gpus, key=lambda gpu: gpu.bus_id)), tuple(notes)


def _read_gpu(index: int, driver: str) -> Gpu | str:
    """Return the GPU, or the sentence that says why it can't be used. Raises NVMLError."""
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    name = as_text(pynvml.nvmlDeviceGetName(handle))
    mig_mode = answer_or(lambda: pynvml.nvmlDeviceGetMigMode(handle)[0], pynvml.NVML_DEVICE_MIG_DISABLE)
    if mig_mode == pynvml.NVML_DEVICE_MIG_ENABLE:
        return (
            f"{name} is divided into instances (MIG): at most one of them is used. Turn MIG off to use the whole GPU."
        )
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return Gpu(
        name=name,
        bus_id=as_text(pynvml.nvmlDeviceGetPciInfo(handle).busId).lower(),
        uuid=as_text(pynvml.nvmlDeviceGetUUID(handle)),
        total_bytes=int(memory.total),
        free_bytes=int(memory.free),
        drives_display=bool(answer_or(lambda: pynvml.nvmlDeviceGetDisplayActive(handle), 0)),
        bandwidth=read_bandwidth(handle),
        driver=driver,
        temperature_c=read_temperature(handle),
        load_percent=read_load(handle),
        processes=read_processes(handle),
    )
