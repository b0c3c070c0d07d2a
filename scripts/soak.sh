#!/usr/bin/env bash
# Chat for hours without pause and see that memory does not grow: scripts/soak.sh [--minutes N] [--model FILE].
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/python.sh"
"$python" "$root/scripts/bootstrap" prepare dev
cd "$root"
exec .venv/bin/python "$root/scripts/soak.py" "$@"
