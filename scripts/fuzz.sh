#!/bin/sh
# Runs the fuzz targets with cargo-fuzz, which is installed when it is missing.
# usage: scripts/fuzz.sh                          every target for a minute
#        scripts/fuzz.sh TARGET [-- OPTION...]    one target with options of libFuzzer, until stopped
set -eu
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
if ! "$cargo" fuzz --version >/dev/null 2>&1; then
    echo "fuzz: installing cargo-fuzz with cargo" >&2
    "$cargo" install cargo-fuzz --locked
fi

# Coverage needs flags that stable Rust has behind this variable. No sanitizer: there is no unsafe code to watch.
export RUSTC_BOOTSTRAP=1
run() {
    target=$1
    shift
    "$cargo" fuzz run --sanitizer none "$target" "$@"
}

if [ $# -gt 0 ]; then
    run "$@"
    exit
fi
for path in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$path" .rs)
    echo "fuzz: $target"
    run "$target" -- -max_total_time=60 -print_final_stats=0 -verbosity=0
done
