#!/bin/sh
# Installs the edge agent from this folder, without a network.
#
#     ./install.sh [--service] [FOLDER]
#
# FOLDER is /opt/retroproof-edge unless it is named. With --service (as root, on a machine with systemd) it also makes
# the user retroproof-edge and the service. Run again with a newer bundle, it brings the installation up to date; keys,
# configuration and spool lie elsewhere and are not touched.
set -eu

service=
if [ "${1:-}" = --service ]; then
    service=yes
    shift
fi
folder=${1:-/opt/retroproof-edge}
here=$(cd "$(dirname "$0")" && pwd)
wanted=$(cat "$here/PYTHON")

fail() {
    printf 'install: %s\n' "$1" >&2
    exit 1
}

(cd "$here" && sha256sum --check --quiet SHA256SUMS) || fail "this folder was damaged on its way; copy it again"
for python in "python$wanted" python3; do
    "$python" -c "import sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$wanted')" 2>/dev/null && break
    python=
done
[ -n "$python" ] || fail "this bundle needs Python $wanted; install it, or have a bundle made with EDGE_PYTHON=3.xx"

"$python" -m venv --without-pip "$folder"
"$folder/bin/python" "$(echo "$here"/wheelhouse/pip-*.whl)/pip" install --quiet --no-index --no-cache-dir \
    --disable-pip-version-check --root-user-action ignore --find-links "$here/wheelhouse" --upgrade 'retroproof[edge]'
"$folder/bin/retroproof" --version

if [ -n "$service" ]; then
    [ "$(id -u)" = 0 ] || fail "--service needs root"
    id retroproof-edge >/dev/null 2>&1 || useradd --system --home-dir /var/lib/retroproof-edge \
        --shell /usr/sbin/nologin --user-group retroproof-edge
    install -d -m 0700 -o retroproof-edge -g retroproof-edge /var/lib/retroproof-edge
    sed "s|/opt/retroproof-edge|$folder|g" "$here/retroproof-edge.service" >/etc/systemd/system/retroproof-edge.service
    systemctl daemon-reload
    echo "Next, as the service's user: sudo -u retroproof-edge $folder/bin/retroproof edge enroll URL --token T \\"
    echo "  --out /var/lib/retroproof-edge    then edge init, edge check-config --connect, and:"
    echo "sudo systemctl enable --now retroproof-edge"
fi
