#!/bin/sh
# install.sh VENV EXTRA[,EXTRA]: create the virtual environment, if there is none, and install the
# hashed requirements of these extras and then this checkout. `make` runs it; it can be repeated.
# shellcheck disable=SC2086 # lists of files in variables are several arguments
set -eu
cd "$(dirname "$0")/.."
venv=$1 extras=$2 python=${PYTHON:-python3}
target=$venv/bin/python
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fail() {
    echo "kinomill: $1" >&2
    exit 1
}

# A folder that a failed attempt left is created again; one that is no environment is not touched.
create_venv() {
    if [ -e "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ]; then
        [ -z "$(ls -A "$venv")" ] || fail "$venv is not a virtual environment: move it, or choose another folder with VENV=FOLDER"
    fi
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> "$log" || fail \
        "$python is not Python 3.11 or newer; choose another one with PYTHON=python3.12"
    rm -rf "$venv"
    if ! "$python" -m venv "$venv" > "$log" 2>&1; then
        rm -rf "$venv"
        cat "$log" >&2
        fail "$python could not create a virtual environment in $venv (nothing was left there). On Debian and Ubuntu: apt install python3-venv; or choose another Python with PYTHON=python3.12"
    fi
}

# pip TOTAL LAST ARGUMENTS: show its progress, one package at a time, and everything if it fails.
pip() {
    total=$1 last=$2
    shift 2
    # The status of pip passes through a file: sh has no pipefail.
    { "$target" -m pip install --disable-pip-version-check --no-input --no-deps --progress-bar off \
        "$@" 2>&1 || echo failed > "$log.status"; } | tee "$log" | show "$total" "$last"
    if [ -e "$log.status" ]; then
        rm -f "$log.status"
        tail -n 40 "$log" >&2
        fail "the installation failed; run the same command again to go on"
    fi
}

show() {
    awk -v total="$1" -v last="$2" -v terminal="$([ -t 2 ] && echo 1 || echo 0)" '
        function say(text) {
            if (terminal) printf "\r\033[K%s", text > "/dev/stderr"
            else if (count % 20 == 0 || final) print text > "/dev/stderr"
            fflush("/dev/stderr")
        }
        /^Collecting / { count++; say("  " count " of at most " total " packages: " $2) }
        /^Installing collected/ { final = 1; say("  " last) }
        END { if (terminal) printf "\r\033[K" > "/dev/stderr" }'
}

hashed() {
    count=$(cat "$@" | grep -c '^[a-z].*==')
    what=packages
    [ "$count" != 1 ] || what=package
    given=
    for file in "$@"; do given="$given --requirement $file"; done
    pip "$count" "unpacking $count $what" --require-hashes $given
}

"$target" -m pip --version > "$log" 2>&1 || create_venv
files=
for extra in $(echo "$extras" | tr ',' ' '); do files="$files requirements/$extra.txt"; done
echo "installing the server with the extras $extras into $venv (a minute or two, once)" >&2
hashed $files
if cat $files | grep -q '^accelerate=='; then
    hashed requirements/torch.txt
    if "$target" -c 'import importlib.metadata as m; raise SystemExit(not any(r.startswith(("nvidia", "cuda")) for r in m.requires("torch")))'; then
        hashed requirements/torch-cuda.txt
    fi
fi
pip 2 "installing the checkout" --no-build-isolation --editable ./kinomill --editable .
