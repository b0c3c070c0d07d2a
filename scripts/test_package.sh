#!/usr/bin/env bash
# Build the Debian package, install it on a fresh system, and chat with it there, in the terminal and in the window
# that its desktop entry opens: scripts/test_package.sh [DIST] [--keep].
# Takes long, so CI does not run it. Must run as root.
set -euo pipefail
dist=${1:-bookworm}
keep=${2:-}
root=$(dirname "$(dirname "$(readlink -f "$0")")")
system=${TRY_FRESH_DIR:-/var/tmp/solo-package}/$dist
. "$root/scripts/fresh_system.sh"

bash "$root/packaging/build.sh"
package=$(ls -t "$root"/dist/solo_*.deb | head -1)
dpkg-deb --info "$package"
make_system "$dist" "$system"
trap 'release_system "$system" "$keep"' EXIT
cp "$package" "$system/tmp/solo.deb"
apt_packages "$system" /tmp/solo.deb >/dev/null
in_system "$system" solo doctor
start_display "$system"
apt_packages "$system" desktop-file-utils >/dev/null
in_system "$system" desktop-file-validate /usr/share/applications/solo.desktop

# The model that comes with it, on a machine without anything else.
answer=$(in_system "$system" solo chat 'Who are you?')
grep -q 'Solo mini' <<<"$answer"
echo "== solo chat answers with the built-in model"

# A small model that always says the same is enough to see the packaged engine at work.
"$root/.venv/bin/python" "$root/scripts/make_model.py" small --thinks "$system/srv/models" >/dev/null
model=/srv/models/$(ls "$system/srv/models")
answer=$(in_system "$system" solo chat --model "$model" --think Hello)
grep -q 'print(number)' <<<"$answer"
echo "== solo chat answers"

# The window, from the desktop entry, driven by the keyboard.
apt_packages "$system" libglib2.0-bin >/dev/null
mkdir -p "$system$HOME/.config/solo"
printf '{"model": "%s"}' "$model" >"$system$HOME/.config/solo/settings.json"
export DISPLAY
openbox &
manager=$!
in_system "$system" gio launch /usr/share/applications/solo.desktop
window=$(timeout 60 xdotool search --sync --onlyvisible --name '^(Solo|New chat)' | head -1)
xdotool windowactivate --sync "$window" type --delay 20 'Hello from the package'
xdotool key Return
database=$system$HOME/.local/share/solo/conversations.sqlite3
answered() {
    python3 - "$database" <<'PYTHON'
import sqlite3, sys
query = "SELECT count(*) FROM messages WHERE role = 'assistant' AND state = 'complete'"
sys.exit(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute(query).fetchone() != (1,))
PYTHON
}
for _ in $(seq 60); do
    if answered; then break; fi
    sleep 1
done
answered
xdotool key ctrl+q
kill "$manager"
echo "== The window from the desktop entry answers"
in_system "$system" env DEBIAN_FRONTEND=noninteractive apt-get -qq purge -y solo >/dev/null
if [ -e "$system/usr/lib/solo" ]; then
    echo "Removing the package left /usr/lib/solo behind." >&2
    exit 1
fi
echo "== The package installs, starts and goes away again on $dist."
