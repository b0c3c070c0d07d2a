#!/usr/bin/env bash
# Write requirements/*.txt anew from pyproject.toml, hash-locked and without any address.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/python.sh"
"$python" "$root/scripts/bootstrap" prepare dev
cd "$root"
options=(--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links
    --no-header --no-annotate --quiet)
compile() { .venv/bin/uv pip compile "${options[@]}" "$@"; }

# llama-cpp-python has its own lock: it is compiled, with options that depend on the machine.
.venv/bin/python -c '
import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print(next(line for line in project["dependencies"] if line.startswith("llama-cpp-python")))
' | compile - --no-deps --no-binary llama-cpp-python -o requirements/engine.txt
compile pyproject.toml --no-emit-package llama-cpp-python \
    --group dev --group package --group build -o requirements/dev.txt "${@}"
compile pyproject.toml --no-emit-package llama-cpp-python \
    --group build -c requirements/dev.txt -o requirements/runtime.txt
compile --group train -c requirements/dev.txt -o requirements/train.txt
