#!/usr/bin/env bash
# Try the two commands on a fresh system: scripts/try_fresh.sh bookworm|trixie [--keep].
# Makes the system in a folder with debootstrap, so it must run as root. Prints times and disk.
# TRY_FRESH_DIR names the folder (default: below /var/tmp); --keep leaves it, and a kept one is used again.
set -euo pipefail
dist=${1:?usage: scripts/try_fresh.sh bookworm|trixie [--keep]}
keep=${2:-}
root=$(dirname "$(dirname "$(readlink -f "$0")")")
system=${TRY_FRESH_DIR:-/var/tmp/solo-fresh}/$dist
. "$root/scripts/fresh_system.sh"

make_system "$dist" "$system"
trap 'release_system "$system" "$keep"' EXIT
copy_tree "$root" "$system/srv/solo"
start_display "$system"

measure() {
    local title=$1 started=$SECONDS
    shift
    in_system "$system" "$@"
    printf '== %s: %d s\n' "$title" $((SECONDS - started))
}
measure "run.sh, first start" env SOLO_QUIT_AFTER_START=1 bash /srv/solo/scripts/run.sh
measure "run.sh, second start" env SOLO_QUIT_AFTER_START=1 bash /srv/solo/scripts/run.sh
measure "test.sh" bash /srv/solo/scripts/test.sh
printf '== disk: environment %s, cache %s, whole system %s\n' \
    "$(du -sh "$system/srv/solo/.venv" | cut -f1)" \
    "$(du -sh "$system$HOME/.cache" | cut -f1)" \
    "$(du -shx "$system" | cut -f1)"
