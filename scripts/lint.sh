#!/usr/bin/env bash
# Check format, style, types, import rules, sizes and what is tracked.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/python.sh"
"$python" "$root/scripts/bootstrap" prepare dev
exec "$root/.venv/bin/python" "$root/scripts/lint.py" "$@"
