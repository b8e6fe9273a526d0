#!/bin/sh
# What the Makefile needs from the machine: finds it, or says in one line what is missing.
#
#   need.sh python            prints a Python that is new enough
#   need.sh packages DIR LOCK [COVERED…]
#                             installs what LOCK lists into the virtual environment DIR, which it
#                             makes; does nothing where that is done. COVERED: locks that LOCK includes
#   need.sh node              checks Node and npm
#   need.sh port HOST PORT    checks that a server could listen there
#   need.sh chromium          prints a Chromium, after installing one where it may
#
# It runs before anything is installed, so it is plain POSIX shell.
set -eu

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

find_python() {
    seen=""
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do
        version=$("$candidate" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
        seen=${seen:-$version}
    done
    fail "Switchboard needs Python 3.11 or newer; found ${seen:-none}. Install it from python.org and run make again."
}

install_packages() {
    venv=$1
    lock=$2
    make_venv "$venv"
    # By content: a checkout changes times without need. In the environment: it goes when that goes.
    [ "$(cat "$venv/.installed-$lock" 2>/dev/null)" != "$(cksum "$lock")" ] || return 0
    printf 'Installing Python packages (%s)…\n' "$lock"
    # Hashes are checked, so what is installed is what was locked.
    "$venv/bin/python" -m pip --disable-pip-version-check --quiet --no-input install --require-hashes -r "$lock" ||
        fail "The Python packages could not be installed; pip says why above. Mend that and run make again."
    shift
    for covered in "$@"; do
        cksum "$covered" >"$venv/.installed-$covered"
    done
}

make_venv() {
    "$1/bin/python" -c 'import pip' >/dev/null 2>&1 && return
    python=$(find_python)
    rm -rf "$1"
    printf 'Creating the Python environment in %s…\n' "$1"
    if ! "$python" -m venv "$1" >/dev/null 2>&1; then
        rm -rf "$1"
        fail "$python cannot create a virtual environment. Install its venv module (Debian, Ubuntu: apt-get install python3-venv) and run make again."
    fi
}

need_node() {
    # Vite 8 asks for 20.19.
    version=$(node --version 2>/dev/null) || version=""
    if ! command -v node >/dev/null 2>&1; then
        fail "Switchboard needs Node 20.19 or newer; found none. Install it from nodejs.org and run make again."
    fi
    if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' >/dev/null 2>&1; then
        fail "Switchboard needs Node 20.19 or newer; found $version. Install it from nodejs.org and run make again."
    fi
    command -v npm >/dev/null 2>&1 ||
        fail "Switchboard needs npm, which comes with Node; found Node $version without it. Install Node from nodejs.org and run make again."
}

need_port() {
    python=$(find_python)
    "$python" - "$1" "$2" <<'PYTHON'
import errno
import socket
import sys

host, port = sys.argv[1:]
if not port.isdecimal() or not 0 < int(port) < 65536:
    sys.exit("PORT is %r; expected a number from 1 to 65535, such as make run PORT=8001." % port)
try:
    family, kind, protocol, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        # As the server does it: a connection that is only winding down is not in the way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen(1)
except OSError as error:
    if error.errno == errno.EADDRINUSE:
        sys.exit(
            "Port %s on %s is in use. Stop what uses it, or take another: make run PORT=%d"
            % (port, host, int(port) + 1 if int(port) < 65535 else 8000)
        )
    sys.exit("Cannot listen on %s port %s: %s. Choose others: make run HOST=127.0.0.1 PORT=8000" % (host, port, error.strerror))
PYTHON
}

find_chromium() {
    for candidate in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" \
        "/Applications/Chromium.app/Contents/MacOS/Chromium"; do
        if [ -n "$candidate" ] && command -v "$candidate" 2>/dev/null; then
            return
        fi
    done
    return 1
}

need_chromium() {
    find_chromium && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo 'Installing Chromium for the browser tests…' >&2
        {
            apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium
        } >/dev/null 2>&1 </dev/null || true
        find_chromium && return
        fail "The browser tests need Chromium, and apt-get install chromium failed. Install Chromium or Chrome and run make again, or name one: make test CHROMIUM=/path/to/it"
    fi
    fail "The browser tests need Chromium; found none. Install Chromium or Chrome (Debian: sudo apt-get install chromium), or name one: make test CHROMIUM=/path/to/it"
}

case ${1:-} in
    python) find_python ;;
    packages) shift && install_packages "$@" ;;
    node) need_node ;;
    port) need_port "$2" "$3" ;;
    chromium) need_chromium ;;
    *) fail "need.sh: expected python, packages, node, port or chromium; got '${1:-}'." ;;
esac
