#!/usr/bin/env bash
# Build the Debian package, install it on a fresh system and start it there: scripts/test_package.sh [DIST].
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
in_system "$system" env SOLO_QUIT_AFTER_START=1 solo
in_system "$system" env DEBIAN_FRONTEND=noninteractive apt-get -qq purge -y solo >/dev/null
if [ -e "$system/usr/lib/solo" ]; then
    echo "Removing the package left /usr/lib/solo behind." >&2
    exit 1
fi
echo "== The package installs, starts and goes away again on $dist."
