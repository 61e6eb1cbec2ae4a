#!/bin/sh
# Makes the pictures of docs/pages.md: starts the binary on free ports and a folder of its own, sends the demo's last hours, and has a
# browser look at every page.
#
#   scripts/screenshots.sh HOPTRAIL [FOLDER]      FOLDER: docs/images/pages
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
hoptrail=$1
folder=${2:-$here/docs/images/pages}
clients=${HOPTRAIL_CLIENTS:-$HOME/.cache/hoptrail-clients}
[ -d "$clients/node/node_modules" ] || sh "$here/scripts/setup-clients.sh" node chromium

data=$(mktemp -d)
"$hoptrail" serve --data "$data" --otlp-grpc 127.0.0.1:0 --otlp-http 127.0.0.1:0 --tempo 127.0.0.1:0 --ui 127.0.0.1:0 \
    >"$data/out" 2>"$data/log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$data"' EXIT
until grep -q '^ready$' "$data/out"; do
    kill -0 "$server" || { cat "$data/log" >&2; exit 1; }
    sleep 0.1
done
address() { sed -n "s/^listening $1 //p" "$data/out"; }

"$hoptrail" demo --endpoint "http://$(address otlp-grpc)" --backfill 26h --rate 60 --duration 0s --seed 7 >/dev/null
mkdir -p "$folder"
NODE_PATH="$clients/node/node_modules" CHROMIUM=${CHROMIUM:-$(command -v chromium)} \
    node "$here/tests/clients/node/screenshots.js" "http://$(address ui)" "$folder"
du -sh "$folder"
