#!/bin/sh
# Makes the virtual environment with everything that requirements.lock pins, and this checkout in editable form.
#
#     deploy/local/bootstrap.sh .venv
#
# Needs Python 3.11 to 3.13 and nothing else: no root, and not Debian's python3-venv. Returns at once if nothing has
# changed since it last finished. An interrupted run is taken up by the next one; two runs at once wait for each other.
set -eu

cd "$(dirname "$0")/../.."
venv=${1:?usage: bootstrap.sh FOLDER}
stamp=$venv/.retroproof-installed

main() {
    exec 9<"deploy/local/bootstrap.sh"
    flock 9 2>/dev/null || : # without flock (util-linux) a second run at the same moment is on its own
    is_current && return
    if ! is_sound; then
        python=$(find_python) || refuse_python
        make_environment "$python"
    fi
    install "the locked packages" --require-hashes -r requirements.lock
    install "this checkout" --no-deps --no-build-isolation --editable .
    fingerprint >"$stamp.new"
    mv "$stamp.new" "$stamp" # last, and in one step: with the stamp in place everything before it is done
    say "ready: $venv"
}

say() {
    printf 'setup: %s\n' "$1" >&2
}

# What the environment was made from: the pins, our own metadata, the place, the interpreter.
fingerprint() {
    sha256sum requirements.lock pyproject.toml
    pwd -P
    "$venv/bin/python" -c 'import sys; print(sys.version, sys.base_prefix)'
}

is_current() {
    [ -f "$stamp" ] && fingerprint 2>/dev/null | cmp -s - "$stamp"
}

# A whole environment of a usable Python, perhaps without our packages yet, and made for this very place: the commands
# inside name their interpreter by its full path, so an environment that was moved must be made anew.
is_sound() {
    is_usable "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1 \
        && head -n 2 "$venv/bin/pip" | grep -qF "$(cd "$venv" && pwd -P)/bin/python"
}

is_usable() {
    "$1" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

# The newest usable Python. Asking it to run is the only sure test: a version manager's shim may exist and not work.
find_python() {
    for candidate in python3.13 python3.12 python3.11 python3; do
        if is_usable "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

refuse_python() {
    say "no Python 3.11 to 3.13 here. On Debian 12 or 13: apt-get install python3"
    exit 1
}

make_environment() {
    say "making $venv with $("$1" --version)"
    if "$1" -c 'import ensurepip' 2>/dev/null; then
        "$1" -m venv --clear "$venv"
    else
        "$1" -m venv --clear --without-pip "$venv"
        install_debians_pip
    fi
}

# Debian keeps ensurepip in python3-venv. Where that is not installed, its package with pip's wheel is downloaded and
# unpacked into a temporary folder, which needs no root; apt checks its signature.
install_debians_pip() {
    command -v apt-get >/dev/null || { say "this Python has no ensurepip; install your system's python3-venv"; exit 1; }
    say "fetching pip (python3-venv is not installed)"
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    if ! download_wheel >"$scratch/log" 2>&1; then
        cat "$scratch/log" >&2
        say "pip cannot be fetched. Run: apt-get install python3-venv"
        exit 1
    fi
    dpkg-deb --extract "$scratch"/python3-pip-whl_*.deb "$scratch"
    set -- "$scratch"/usr/share/python-wheels/pip-*.whl
    "$venv/bin/python" "$1/pip" install --quiet --no-index --disable-pip-version-check "$1"
}

# With the machine's own package lists, or with fresh ones in the scratch folder where those are absent or out of date.
download_wheel() {
    (cd "$scratch" && apt-get download python3-pip-whl) && return
    mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial"
    set -- -o Dir::State::lists="$scratch/lists" -o Dir::Cache="$scratch/cache" -o APT::Sandbox::User=root
    apt-get "$@" update && (cd "$scratch" && apt-get "$@" download python3-pip-whl)
}

# pip install, with a count of packages instead of pip's many lines; all of them are shown if it fails.
install() {
    what=$1
    shift
    say "installing $what"
    log=$venv/install.log
    {
        code=0
        "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off "$@" 2>&1 || code=$?
        echo "exit code $code"
    } | tee "$log" | show_count
    if ! tail -n 1 "$log" | grep -qx 'exit code 0'; then
        cat "$log" >&2
        say "installing $what failed; the lines above are also in $log"
        exit 1
    fi
}

# One moving line on a terminal, a line for every 20 packages in a log.
show_count() {
    count=0
    while read -r line; do
        case $line in Collecting*) count=$((count + 1)) ;; *) continue ;; esac
        if [ -t 2 ]; then
            printf '\rsetup: %d packages' "$count" >&2
        elif [ $((count % 20)) -eq 0 ]; then
            say "$count packages"
        fi
    done
    if [ -t 2 ] && [ "$count" -gt 0 ]; then
        printf '\n' >&2
    fi
}

main
