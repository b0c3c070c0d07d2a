from __future__ import annotations

from pathlib import Path

import pytest

from scripts.bootstrap.backend import (
    Machine,
    choose_backend,
    describe_cpu,
    find_gpus,
    has_vulkan_headers,
    look_at_machine,
    plan_local,
    plan_portable,
)
from scripts.bootstrap.places import SetupFailed

NVCC = Path("/opt/cuda/bin/nvcc")
NVIDIA = frozenset({"NVIDIA"})
AMD = frozenset({"AMD"})


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (Machine(), "cpu"),
        (Machine(nvcc=NVCC), "cpu"),
        (Machine(vendors=NVIDIA, nvcc=NVCC), "cuda"),
        (Machine(vendors=NVIDIA, nvcc=NVCC, has_vulkan_tools=True), "cuda"),
        (Machine(vendors=NVIDIA, has_vulkan_tools=True), "vulkan"),
        (Machine(vendors=AMD, nvcc=NVCC, has_vulkan_tools=True), "vulkan"),
        (Machine(has_vulkan_tools=True), "cpu"),
        (Machine(vendors=AMD), "cpu"),
    ],
)
def test_the_backend_follows_from_card_and_compiler(machine: Machine, expected: str) -> None:
    assert choose_backend(machine)[0] == expected


@pytest.mark.parametrize("wanted", ["cpu", "cuda", "vulkan", "CUDA"])
def test_the_person_may_choose_whatever_can_be_built(wanted: str) -> None:
    machine = Machine(vendors=AMD, nvcc=NVCC, has_vulkan_tools=True)
    assert choose_backend(machine, wanted) == (wanted.lower(), "")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [("cuda", "CUDA toolkit"), ("vulkan", "glslc"), ("metal", "can only be cpu, cuda or vulkan")],
)
def test_asking_for_what_cannot_be_built_is_refused_in_a_sentence(wanted: str, said: str) -> None:
    with pytest.raises(SetupFailed, match=said):
        choose_backend(Machine(), wanted)


def test_an_idle_card_is_mentioned_with_the_package_to_install() -> None:
    assert "nvidia-cuda-toolkit" in choose_backend(Machine(vendors=NVIDIA))[1]
    assert "libvulkan-dev glslc spirv-headers" in choose_backend(Machine(vendors=AMD))[1]
    assert choose_backend(Machine())[1] == ""


def test_a_build_is_tied_to_the_cards_only_when_it_is_compiled_for_them() -> None:
    machine = Machine(gpus=("0x10de:0x2684",), vendors=NVIDIA, nvcc=NVCC)
    cuda = plan_local(machine)
    assert f"-DCMAKE_CUDA_COMPILER={NVCC}" in cuda.options
    assert "0x10de:0x2684" in cuda.tied_to
    assert "0x10de:0x2684" not in plan_local(machine, "cpu").tied_to


def test_the_portable_build_is_tied_to_no_machine_and_loads_its_backends() -> None:
    build = plan_portable(Machine(gpus=("0x10de:0x2684",), vendors=NVIDIA, nvcc=NVCC))
    assert build.tied_to == ()
    assert {"-DGGML_NATIVE=OFF", "-DGGML_BACKEND_DL=ON", "-DGGML_CPU_ALL_VARIANTS=ON"} <= set(build.options)


def test_the_portable_build_has_vulkan_where_it_can_be_compiled() -> None:
    assert "-DGGML_VULKAN=ON" in plan_portable(Machine(has_vulkan_tools=True)).options
    without = plan_portable(Machine())
    assert "-DGGML_VULKAN=ON" not in without.options
    assert "no GPU" in without.hint


def test_vulkan_headers_must_be_recent(tmp_path: Path) -> None:
    core = tmp_path / "vulkan" / "vulkan_core.h"
    spirv = tmp_path / "spirv" / "unified1" / "spirv.hpp"
    for path in (core, spirv):
        path.parent.mkdir(parents=True)
        path.write_text("// an old one")
    assert not has_vulkan_headers([tmp_path])
    core.write_text("#define VK_EXT_layer_settings 1\n")
    assert has_vulkan_headers([tmp_path])
    spirv.unlink()
    assert not has_vulkan_headers([tmp_path])
    assert not has_vulkan_headers([tmp_path / "nowhere"])


def test_a_native_build_is_tied_to_vector_instructions_but_not_to_the_kernel() -> None:
    before = "processor\t: 0\nmodel name\t: Fast One\nflags\t\t: fpu avx2 sse4_2 old_bug\n\nprocessor\t: 1\n"
    after = before.replace("old_bug", "new_mitigation").replace("avx2 sse4_2", "sse4_2 avx2")
    assert describe_cpu(before) == describe_cpu(after)
    assert describe_cpu(before) != describe_cpu(before.replace("avx2", "avx512f"))
    assert describe_cpu(before) != describe_cpu(before.replace("Fast One", "Other One"))
    assert describe_cpu("Features\t: asimd sve\nCPU part\t: 0xd40\n") == " 0xd40 asimd sve"


def test_only_display_adapters_of_known_makers_count(tmp_path: Path) -> None:
    plug(tmp_path, "0000:01:00.0", "0x10de", "0x030000", "0x2684")
    plug(tmp_path, "0000:01:00.1", "0x10de", "0x040300", "0x22ba")
    plug(tmp_path, "0000:02:00.0", "0x1a03", "0x030000", "0x2000")
    plug(tmp_path, "0000:03:00.0", "0x1002", "0x038000", "0x744c")
    assert find_gpus(tmp_path) == (("0x10de:0x2684", "0x1002:0x744c"), frozenset({"NVIDIA", "AMD"}))
    assert find_gpus(tmp_path / "nowhere") == ((), frozenset())


def test_nvcc_is_found_where_the_environment_says(tmp_path: Path) -> None:
    compiler = tmp_path / "bin" / "nvcc"
    compiler.parent.mkdir()
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    assert look_at_machine({"PATH": "", "CUDA_HOME": str(tmp_path)}).nvcc == compiler


def plug(devices: Path, slot: str, vendor: str, device_class: str, device: str) -> None:
    folder = devices / slot
    folder.mkdir()
    (folder / "vendor").write_text(f"{vendor}\n")
    (folder / "class").write_text(f"{device_class}\n")
    (folder / "device").write_text(f"{device}\n")
