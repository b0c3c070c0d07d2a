#!/usr/bin/env bash
# Make dist/solo_VERSION_ARCHITECTURE.deb.
set -euo pipefail
. "$(dirname "$(dirname "$(readlink -f "$0")")")/scripts/python.sh"
mkdir -p "$root/build"
"$python" "$root/scripts/bootstrap" portable-wheel "$root/build/portable-wheel.txt"
PYTHONPATH=$root exec "$root/.venv/bin/python" "$root/packaging/build_deb.py" "$(cat "$root/build/portable-wheel.txt")"
