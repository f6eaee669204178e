#!/usr/bin/env bash
# Makes what a server needs before its first start: keys, certificates, the database's password, filled-in configuration.
#
#     deploy/server/prepare.sh FOLDER HOST [HOST ...]
#
# FOLDER gets `app/` (becomes /etc/retroproof), `broker/` (the broker's certificates), `database.password` and `pki/`
# (the authorities: move it off this machine when you are done). HOST: the names or addresses by which agents reach this
# server; the first also names the evidence log. Run as root, so that each part is given to the user that reads it. What is
# there stays as it is, so it can be run again.
#
# Environment: DATABASE_HOST (default: database) and BROKER_HOST (broker) are the names of compose.yaml; write 127.0.0.1
# for systemd on one machine. APP_USER (10001) and BROKER_USER (1883) are the users of the images. LISTEN is where the API
# listens (0.0.0.0:8080, which compose publishes on loopback only).
set -euo pipefail
umask 077

[ $# -ge 2 ] || { sed -n '2,4p' "$0" >&2; exit 64; }
folder=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
retroproof=${RETROPROOF:-retroproof}
database=${DATABASE_HOST:-database} broker=${BROKER_HOST:-broker} listen=${LISTEN:-0.0.0.0:8080}

mkdir -p "$folder/app" "$folder/broker/platform"
cd "$folder"

[ -f pki/ca.key ] || "$retroproof" pki init --folder pki >/dev/null
# An authority of its own, so that no device's certificate opens the platform's way in to the broker.
[ -f pki/platform/ca.key ] || "$retroproof" pki init --folder pki/platform --name "RetroProof platform" >/dev/null
if [ ! -f pki/server.pem ]; then
    hosts=(--host "$broker")
    for host in "$@"; do hosts+=(--host "$host"); done
    "$retroproof" pki server server --folder pki "${hosts[@]}" >/dev/null
fi
[ -f pki/platform/ingest.pem ] || "$retroproof" pki client ingest --folder pki/platform >/dev/null
cp pki/{ca.pem,crl.pem,server.pem,server.key} broker/
cp pki/platform/{ca.pem,crl.pem} broker/platform/
cp pki/{ca.pem,server.pem,server.key} pki/platform/ingest.pem app/
cp pki/platform/ingest.key app/ingest-tls.key

[ -f app/ingest.key ] || "$retroproof" ingest keygen --out app/ingest.key >app/ingest.pub
for key in log engine; do
    [ -f "app/$key.key" ] || "$retroproof" api keygen --out "app/$key.key" >"app/$key.pub"
done

[ -f database.password ] || head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' >database.password
printf '*:*:*:retroproof:%s\n' "$(cat database.password)" >app/pgpass
for name in ingest.yaml gateways.yaml api.yaml; do
    [ -f "app/$name" ] || sed -e "s|@DATABASE@|$database|" -e "s|@BROKER@|$broker|" -e "s|@LISTEN@|$listen|" \
        -e "s|@ORIGIN@|$1|" "$here/$name" >"app/$name"
done

if [ "$(id -u)" = 0 ]; then
    chown -R "${APP_USER:-10001}" app
    chown -R "${BROKER_USER:-1883}" broker
else
    echo "not root: give app/ to user ${APP_USER:-10001} and broker/ to user ${BROKER_USER:-1883} yourself" >&2
fi
echo "$folder is ready. Agents need: $(cat app/ingest.pub)"
