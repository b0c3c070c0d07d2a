#!/usr/bin/env bash
# Set up what the tests need, then run them; arguments go to pytest.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/python.sh"
"$python" "$root/scripts/bootstrap" prepare dev
cd "$root"
exec .venv/bin/python -m pytest "$@"
