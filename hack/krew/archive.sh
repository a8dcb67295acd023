#!/usr/bin/env bash
# hack/krew/archive.sh PROGRAM ARCH DIR: packs a program as a kubectl plugin, into DIR/kubectl-groundlink-linux-ARCH.tar.gz: the program
# by the name under which kubectl finds it, what completes its words, and the licence. The same program gives the same archive.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
program=$1 arch=$2 directory=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

install -m 0755 "$program" "$work/kubectl-groundlink"
"$program" completion kubectl >"$work/kubectl_complete-groundlink"
chmod 0755 "$work/kubectl_complete-groundlink"
install -m 0644 "$root/LICENSE" "$work/LICENSE"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-0}" -C "$work" -cf - . |
  gzip -n >"$directory/kubectl-groundlink-linux-$arch.tar.gz"
