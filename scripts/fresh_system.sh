# Sourced by try_fresh.sh and test_package.sh: a clean Debian or Ubuntu in a folder.

# Take the mirror from this machine's own apt, so that none is written here.
find_mirror() {
    apt-get indextargets --format '$(SITE) $(COMPONENT)' 'Created-By: Packages' |
        awk '$2 == "main" { print $1; exit }'
}

# make_system DIST FOLDER: debootstrap it, and let pip and TLS work in it as they do here.
make_system() {
    local dist=$1 system=$2 file
    if [ ! -e "$system/etc/debian_version" ]; then
        command -v debootstrap >/dev/null || apt-get install -y --no-install-recommends debootstrap
        mkdir -p "$system"
        debootstrap --variant=minbase --include=ca-certificates "$dist" "$system" "$(find_mirror)" >/dev/null
    fi
    # Where this machine reaches the package index through its own settings, the new system needs them too.
    for file in /etc/pip.conf /etc/xdg/pip "$HOME/.config/pip" /etc/ssl/certs/ca-certificates.crt /etc/resolv.conf /etc/hosts \
        /etc/apt/apt.conf.d/*proxy*; do
        if [ -e "$file" ]; then
            mkdir -p "$system$(dirname "$file")"
            cp -aLT --remove-destination "$file" "$system$file"
        fi
    done
    mkdir -p "$system$HOME"
    mountpoint -q "$system/proc" || mount -t proc proc "$system/proc"
    mountpoint -q "$system/sys" || mount --rbind --make-rslave /sys "$system/sys"
    mountpoint -q "$system/dev" || mount --rbind --make-rslave /dev "$system/dev"
}

# start_display FOLDER: a screen of this machine that programs in the system can use; sets $DISPLAY.
# Outside it, so that what a test server would bring along is not there by accident.
start_display() {
    local number
    command -v Xvfb >/dev/null || apt-get install -y --no-install-recommends xvfb
    number=$(mktemp)
    Xvfb -displayfd 3 -screen 0 1280x800x24 -ac -nolisten tcp 3>"$number" 2>/dev/null &
    display_process=$!
    until [ -s "$number" ]; do
        kill -0 "$display_process" || return
        sleep 0.1
    done
    DISPLAY=:$(cat "$number")
    rm "$number"
    mkdir -p "$1/tmp/.X11-unix"
    mount --bind /tmp/.X11-unix "$1/tmp/.X11-unix"
}

# release_system FOLDER [--keep]: end the screen, take away the mounts, then the folder.
release_system() {
    local mounted
    [ -z "${display_process:-}" ] || kill "$display_process"
    for mounted in tmp/.X11-unix sys dev proc; do
        ! mountpoint -q "$1/$mounted" || umount -R "$1/$mounted"
    done
    [ "$2" = --keep ] || rm -rf --one-file-system "$1"
}

# in_system FOLDER COMMAND ...: run it there with a clean environment, without standard input.
in_system() {
    local system=$1 variable
    local settings=("HOME=$HOME" LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
    shift
    for variable in DISPLAY http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY \
        PIP_CERT PIP_INDEX_URL SSL_CERT_FILE REQUESTS_CA_BUNDLE; do
        [ -z "${!variable:-}" ] || settings+=("$variable=${!variable}")
    done
    chroot "$system" env -i "${settings[@]}" "$@" </dev/null
}

# apt_packages FOLDER PACKAGE ...: install them there.
apt_packages() {
    local system=$1
    shift
    in_system "$system" apt-get -qq update
    in_system "$system" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@"
}

# copy_tree FROM TO: copy what git tracks or would add, as a fresh clone of it would be.
copy_tree() {
    mkdir -p "$2"
    git -C "$1" ls-files -z --cached --others --exclude-standard |
        tar -C "$1" --create --null --ignore-failed-read --files-from - | tar -C "$2" --extract --no-same-owner
}
