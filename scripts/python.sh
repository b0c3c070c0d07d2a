# Sourced by the other scripts: sets $root and $python, a Python of at least 3.11.
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")

# The environment's own Python comes first, so that a change of PATH does not make it anew.
find_python() {
    local name
    for name in "$root/.venv/bin/python" python3 python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$name
            return
        fi
    done
    # An old one still says in a sentence that it is too old.
    python=$(command -v python3 || true)
}

find_python
if [ -z "$python" ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "Installing Python ..."
    apt-get -qq -o DPkg::Lock::Timeout=300 update </dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
        install -y --no-install-recommends python3 python3-venv </dev/null >/dev/null
    find_python
fi
if [ -z "$python" ]; then
    echo "Solo needs Python 3.11 or newer. Install it with this, then start again:" >&2
    echo "  sudo apt-get install --no-install-recommends python3 python3-venv" >&2
    exit 1
fi
