#!/bin/sh
# Installs what the end-to-end tests drive: OpenTelemetry SDKs for Python, Node, Go and Java, and a browser.
#
#   scripts/setup-clients.sh [python] [node] [chromium] [prometheus] [go] [java]      (no argument: all of them)
#
# Everything lands in ${HOPTRAIL_CLIENTS:-$HOME/.cache/hoptrail-clients}, one folder a language, and is left alone while the pinned
# versions and sources under tests/clients/ stay the same. Missing Debian packages are installed with apt; Go and Java are left out
# where the machine has no toolchain for them, unless CI=true.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)/tests/clients
cache=${HOPTRAIL_CLIENTS:-$HOME/.cache/hoptrail-clients}
mkdir -p "$cache"
exec 9>"$cache/.lock"
if command -v flock >/dev/null; then flock 9; fi

say() { echo "setup-clients: $*"; }
die() { say "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Installs Debian packages.
install() {
    command -v apt-get >/dev/null || die "needs $* and finds no apt-get: install them by hand"
    say "installing Debian packages: $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

# fresh NAME HASH: whether the folder was made from just these inputs.
fresh() {
    [ "$(cat "$cache/$1/.stamp" 2>/dev/null)" = "$2" ]
}

# skip NAME TOOLS: goes on without a language, except in CI.
skip() {
    [ "${CI:-}" != true ] || die "$1: CI needs $2"
    rm -rf "${cache:?}/$1"
    say "$1: skipped, this machine has no $2"
}

hash() { cat "$0" "$@" | sha256sum | cut -d' ' -f1; }

setup_python() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || install python3 python3-venv
    stamp=$(hash "$here/python/requirements.txt")-$(python3 -c 'import platform; print(platform.python_version())')
    if fresh python "$stamp"; then say "python: ready"; return; fi
    say "python: installing the SDK into $cache/python"
    rm -rf "$cache/python"
    python3 -m venv "$cache/python"
    "$cache/python/bin/pip" install -q --disable-pip-version-check -r "$here/python/requirements.txt"
    echo "$stamp" >"$cache/python/.stamp"
}

setup_node() {
    { command -v node && command -v npm; } >/dev/null || install nodejs npm
    stamp=$(hash "$here/node/package-lock.json" "$here/node/page.js")-$(node --version)
    if fresh node "$stamp"; then say "node: ready"; return; fi
    say "node: installing the SDK into $cache/node"
    rm -rf "$cache/node"
    mkdir "$cache/node"
    cp "$here/node/package.json" "$here/node/package-lock.json" "$cache/node/"
    (cd "$cache/node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    NODE_PATH="$cache/node/node_modules" "$cache/node/node_modules/.bin/esbuild" "$here/node/page.js" \
        --bundle --format=iife --log-level=warning --outfile="$cache/node/page.bundle.js"
    echo "$stamp" >"$cache/node/.stamp"
}

setup_chromium() {
    command -v chromium >/dev/null || install chromium
    say "chromium: ready"
}

# Tests start it themselves, so the package need not.
setup_prometheus() {
    command -v prometheus >/dev/null || RUNLEVEL=1 install prometheus
    say "prometheus: ready"
}

# Whether `go` is there and new enough for go.mod, or may fetch a newer one by itself.
go_fits() {
    command -v go >/dev/null && (cd "$here/go" && go list -m >/dev/null 2>&1)
}

setup_go() {
    if ! go_fits; then skip go "Go $(sed -n 's/^go //p' "$here/go/go.mod") or newer"; return; fi
    stamp=$(hash "$here/go/go.mod" "$here/go/go.sum" "$here/go/main.go")-$(go env GOVERSION)
    if fresh go "$stamp"; then say "go: ready"; return; fi
    say "go: building the client into $cache/go"
    rm -rf "$cache/go"
    mkdir "$cache/go"
    (cd "$here/go" && go build -mod=readonly -o "$cache/go/spans" .)
    echo "$stamp" >"$cache/go/.stamp"
}

setup_java() {
    if ! { command -v javac && command -v mvn; } >/dev/null; then skip java "JDK and Maven"; return; fi
    stamp=$(hash "$here/java/pom.xml" "$here/java/Shop.java")-$(javac -version 2>&1)
    if fresh java "$stamp"; then say "java: ready"; return; fi
    say "java: fetching the agent into $cache/java"
    rm -rf "$cache/java"
    mkdir "$cache/java"
    mvn -q -B -Dstyle.color=never -f "$here/java/pom.xml" dependency:copy-dependencies \
        -DoutputDirectory="$cache/java" -Dmdep.stripVersion=true
    javac -d "$cache/java" "$here/java/Shop.java"
    echo "$stamp" >"$cache/java/.stamp"
}

[ $# -gt 0 ] || set -- python node chromium prometheus go java
for part in "$@"; do
    case $part in
        python | node | chromium | prometheus | go | java) "setup_$part" ;;
        *) die "unknown part \"$part\": python, node, chromium, prometheus, go or java" ;;
    esac
done
