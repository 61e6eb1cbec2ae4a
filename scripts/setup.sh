#!/bin/sh
# Installs what is missing on a Debian or Ubuntu machine that has Rust, after saying what.
# usage: scripts/setup.sh build | tests
set -eu

missing=""

# need COMMAND PACKAGE...: asks for the packages unless the command is there.
need() {
    command=$1
    shift
    command -v "$command" >/dev/null 2>&1 || missing="$missing $*"
}

# RocksDB's bindings are generated while building, by libclang with its own headers.
has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    for header in /usr/lib/llvm-*/lib/clang/*/include/stddef.h /usr/lib/clang/*/include/stddef.h /usr/lib64/clang/*/include/stddef.h; do
        [ -e "$header" ] || continue
        for file in /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*-linux-gnu/libclang*.so* /usr/lib64/libclang*.so* /usr/lib/libclang*.so*; do
            [ -e "$file" ] && return 0
        done
    done
    return 1
}

case "${1:-build}" in
build)
    if ! command -v cargo >/dev/null 2>&1; then
        echo "setup: Rust is missing. Install it from https://rustup.rs and run this again." >&2
        exit 1
    fi
    need g++ g++
    has_libclang || missing="$missing libclang-dev"
    ;;
tests)
    need python3 python3
    # Debian ships the standard library's venv apart from Python.
    if command -v python3 >/dev/null 2>&1; then
        python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
    else
        missing="$missing python3-venv"
    fi
    need node nodejs
    need npm npm
    need git git
    command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || missing="$missing chromium"
    ;;
*)
    echo "usage: $0 build | tests" >&2
    exit 2
    ;;
esac

[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: missing:$missing. This machine has no apt-get; install them in its own way." >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "setup: missing:$missing. Not root and no sudo here; as root, run: apt-get install -y$missing" >&2
        exit 1
    fi
    as_root="sudo"
fi
echo "setup: installing with apt-get:$missing"
# shellcheck disable=SC2086 # one word for each package
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >/dev/null 2>&1 || {
    # The package lists may be missing or old.
    $as_root apt-get update
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
}
