#!/usr/bin/env bash
# Check on a machine with an NVIDIA GPU what can't be checked without one. One GPU is enough: it can play two.
#
#   scripts/gpu_check.sh [--folder DIR] [--skip-build] [--skip-large]
#
# Builds the pinned engine with CUDA, loads small models, lays out and loads a full-size Mistral Small 4 of zeros,
# and compares: the plan with what NVML says, down experts in VRAM with RAM, the plan's speed with that of
# llama.cpp's own --fit, and NaN handling with activations of 3e5. Prints Markdown; nothing outside DIR is changed.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
folder=$root/build/gpu_check
build=yes
large=yes
while [ $# -gt 0 ]; do
    case $1 in
    --folder)
        folder=${2:?--folder needs a directory}
        shift
        ;;
    --skip-build) build=no ;;
    --skip-large) large=no ;;
    -h | --help)
        sed -n '2,9p' "$0" | sed 's/^# \{0,1\}//'
        exit 0
        ;;
    *)
        echo "gpu_check: $1 is not known; see --help" >&2
        exit 2
        ;;
    esac
    shift
done
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
say() { printf '\n## %s\n\n' "$1"; }
stop() {
    echo "gpu_check: $1" >&2
    exit 1
}

find_python() {
    if [ -x "$folder/venv/bin/python" ]; then
        echo "$folder/venv/bin/python"
    elif [ -x "$root/.venv/bin/python" ]; then
        echo "$root/.venv/bin/python"
    else
        echo python3
    fi
}

build_engine() {
    command -v nvcc >/dev/null || stop "nvcc was not found: install the CUDA toolkit, or use --skip-build"
    python3 -m venv "$folder/venv"
    # No loadable backends: the check wants one engine, and the whole of it.
    {
        "$folder/venv/bin/pip" install -r "$root/requirements/runtime.txt"
        CMAKE_ARGS="-DGGML_CUDA=ON -DGGML_RPC=ON" \
            "$folder/venv/bin/pip" install --no-deps --no-binary llama-cpp-python -r "$root/requirements/engine.txt"
    } >"$folder/build.log" 2>&1 || stop "the build failed; see $folder/build.log"
}

gpu_count() { nvidia-smi -L 2>/dev/null | grep -c '^GPU ' || true; }

echo "# What a machine with a GPU says"
date -u '+%Y-%m-%d %H:%M UTC'
if [ "$(gpu_count)" -eq 0 ]; then
    stop "nvidia-smi finds no GPU; this check needs one"
fi
nvidia-smi --query-gpu=name,memory.total,driver_version,pci.bus_id --format=csv,noheader
if [ "$build" = yes ]; then
    say "Build"
    build_engine
    echo "llama-cpp-python built with CUDA in $folder/venv"
fi
python=$(find_python)
cards=$(gpu_count)
if [ "$cards" -eq 1 ]; then
    # llama.cpp then shows the one card twice, each time with all of its memory; budgets keep the two apart.
    export GGML_CUDA_DEVICES=2
fi
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" CUDA_DEVICE_ORDER=PCI_BUS_ID
check() { "$python" -m scripts.gpu_checks "$@" --folder "$folder"; }

say "Devices"
check devices
say "Small models: greedy output on the GPU equals the CPU's"
check small
say "NaN handling: down projections with activations of 3e5"
check overflow
if [ "$large" = yes ]; then
    say "Mistral Small 4 at full size: plan against NVML, and speed"
    check large --down ram
    check large --down vram
    say "The same with llama.cpp's --fit"
    check fit
fi
