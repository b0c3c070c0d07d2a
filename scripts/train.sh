#!/usr/bin/env bash
# Train the built-in model anew and put its files into resources/solo-mini: scripts/train.sh [FOLDER FOR CHECKPOINTS].
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/python.sh"

folder=${1:-$root/build/train}
"$python" "$root/scripts/bootstrap" prepare dev
cd "$root"
mkdir -p "$folder"
# PyTorch is large and needed for nothing else: it stays out of the environment of the program.
[ -d "$folder/site/torch" ] ||
    .venv/bin/uv pip install --quiet --target "$folder/site" --require-hashes -r requirements/train.txt
export PYTHONPATH=$folder/site OMP_WAIT_POLICY=PASSIVE
.venv/bin/python -m scripts.train.run "$folder"
.venv/bin/python -m scripts.train.finish "$folder" resources/solo-mini
