#!/usr/bin/env bash
# Run one benchmark: scripts/bench.sh NAME [argument ...].
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/python.sh"

name=${1:-}
file=$root/scripts/bench_$name.py
if [ -z "$name" ] || [ ! -f "$file" ]; then
    [ -z "$name" ] || echo "There is no benchmark called \"$name\"." >&2
    echo "usage: scripts/bench.sh NAME [argument ...]; NAME is one of:" >&2
    for file in "$root"/scripts/bench_*.py; do
        [ -e "$file" ] && basename "$file" .py | sed 's/^bench_/  /' >&2
    done
    exit 2
fi
shift
"$python" "$root/scripts/bootstrap" prepare dev
cd "$root"
exec .venv/bin/python "$file" "$@"
