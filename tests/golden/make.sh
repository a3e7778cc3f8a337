#!/usr/bin/env bash
# Makes a golden repository: tests/golden/make.sh BINARY NAME [INIT OPTION...]
# Golden repositories are made once for each released format, and then stay as they are for ever: every
# later version must open them. The name says format and peculiarity, such as v1-chacha20. In one whose name has
# "write-only" such a client makes the first snapshot, and the keys are changed before the second. One whose name has
# "life" has been forgotten from, pruned, tagged, held, and given new keys. One whose name has "parity" has shards and
# copies, a mark on a pack, a key that a program unwraps, and a recovery key in shares.
set -euo pipefail
binary=$(realpath "$1")
name=$2
shift 2
cd "$(dirname "$0")"
[ ! -e "$name" ] || { echo "$name exists, and golden repositories do not change" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree"
/usr/bin/python3 tree.py make "$work/tree"
export BACKSTAY_REPO=$PWD/$name/repository BACKSTAY_PASSWORD="golden $name" BACKSTAY_CACHE_DIR=$work/cache
mkdir "$name"
/usr/bin/python3 tree.py describe "$work/tree" >"$name/expected.json"
"$binary" init "$@"
first=()
case "$name" in
  *write-only*)
    "$binary" key add --write-only --key-file "$name/client.key"
    "$binary" key recovery | grep -oE '([a-z]{5}-){17}[a-z]{5}' >"$name/recovery-key"
    first=(--key-file "$name/client.key") ;;
esac
case "$name" in
  *life*)
    head -c 300000 /dev/urandom >"$work/tree/forgotten"
    "$binary" backup --host golden --tag begun "$work/tree"
    rm "$work/tree/forgotten"
    "$binary" backup --host golden --tag begun "$work/tree"
    "$binary" forget latest~1
    "$binary" prune --max-unused 0%
    "$binary" tag latest --set first
    "$binary" hold latest --reason audit
    "$binary" key rotate ;;
  *) "$binary" "${first[@]}" backup --host golden --tag first "$work/tree" ;;
esac
[ ${#first[@]} = 0 ] || "$binary" key rotate
case "$name" in
  *parity*) "$binary" parity add --losses 1 ;;
esac
rm "$work/tree/folder/small000"
"$binary" backup --host golden --tag second "$work/tree"
case "$name $*" in
  *none*) ;;  # without encryption there are no keys
  *write-only*) ;;
  *) "$binary" key recovery | grep -oE '([a-z]{5}-){17}[a-z]{5}' >"$name/recovery-key" ;;
esac
case "$name" in
  *parity*)
    # The pack was damaged when somebody looked, and is not any more.
    pack=$(find "$name/repository/data" -type f -size +20k | head -n 1)
    cp "$pack" "$work/pack"
    chmod u+w "$pack"
    printf 'damaged' | dd of="$pack" bs=1 seek=1000 conv=notrunc status=none
    "$binary" check --read-data && exit 1
    cp "$work/pack" "$pack"
    printf 'base64 -d\n' >"$name/key-command"
    "$binary" key add --command 'base64 -d' --wrap-command base64
    mkdir "$name/shares"
    "$binary" key split 2/3 --out "$name/shares" ;;
esac
printf '%s\n' "$work/tree" >"$name/source"
