#!/usr/bin/env bash
# Set Solo up if that has not been done yet, then start it with the given arguments.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/python.sh"
exec "$python" "$root/scripts/bootstrap" run "$@"
