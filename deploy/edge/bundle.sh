#!/bin/sh
# Packs the edge agent for plants that have no network: a folder that installs by itself, with every wheel inside.
#
#     deploy/edge/bundle.sh VENV OUT
#
# For another machine than this one: EDGE_PYTHON=3.12 EDGE_MACHINE=aarch64 (Linux with glibc 2.28 or newer). Needs the
# network; what it makes does not.
set -eu

cd "$(dirname "$0")/../.."
venv=${1:?usage: bundle.sh VENV OUT}
out=${2:?usage: bundle.sh VENV OUT}
python=$venv/bin/python
pip="$python -m pip --disable-pip-version-check --quiet"

rm -rf "$out"
mkdir -p "$out/wheelhouse"
wheelhouse=$(cd "$out/wheelhouse" && pwd)

# Our own wheel, from a copy: setuptools leaves a build folder beside what it builds, and would pack it the next time.
source=$(mktemp -d)
trap 'rm -rf "$source"' EXIT
cp -R pyproject.toml README.md LICENSE retroproof.py api deploy edge_agent ingest simulators verification "$source"
find "$source" -name __pycache__ -prune -exec rm -rf {} +
$pip wheel --no-deps --no-build-isolation --wheel-dir "$wheelhouse" "$source"

# Everything that it needs, in the versions of the lock file, and pip, which a bare machine may lack.
target=
[ -z "${EDGE_PYTHON:-}" ] || target="$target --python-version $EDGE_PYTHON"
if [ -n "${EDGE_MACHINE:-}" ]; then
    for libc in manylinux_2_28 manylinux_2_17 manylinux2014; do
        target="$target --platform ${libc}_$EDGE_MACHINE"
    done
fi
# shellcheck disable=SC2086 # several words on purpose
$pip download --only-binary :all: $target --constraint constraints.txt --dest "$wheelhouse" \
    "$(echo "$wheelhouse"/retroproof-*.whl)[edge]" pip

cp deploy/edge/install.sh deploy/edge/retroproof-edge.service deploy/edge/Dockerfile LICENSE "$out"
cp -R docs "$out/docs"
echo "${EDGE_PYTHON:-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')}" >"$out/PYTHON"
(cd "$out" && find . -type f ! -name SHA256SUMS | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
echo "$out: $(du -sh "$out" | cut -f1), for Python $(cat "$out/PYTHON"). Carry the folder over, then: ./install.sh"
