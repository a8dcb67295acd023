#!/usr/bin/env bash
# Runs icinga2 of one generation, as `icinga2` runs the machine's own: hack/icinga2-in.sh 2.14 daemon -C -c FILE ...
# The program is that of .cache/icinga/<generation> (hack/icinga-generations.sh makes it), or the machine's own if that is of
# the generation. The one of .cache sees /tmp, TMPDIR and the working directory under their own paths, and nothing else of the
# machine. Ends as icinga2 ends; with 125 when it cannot be run.
set -euo pipefail
generation=${1:?usage: hack/icinga2-in.sh GENERATION ARGUMENTS_OF_ICINGA2...}
shift
# 2.14 and newer write icinga2.debug, which 2.13 always writes, only when asked.
[ "${1:-}" != daemon ] || [ "$generation" = 2.13 ] || set -- "$@" --dump-objects
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)/.cache/icinga/$generation

give_up() {
  echo "icinga2-in.sh: $1" >&2
  exit 125
}

if [ ! -e "$root/.complete" ]; then
  version=$(icinga2 --version 2>/dev/null) || true
  [[ ${version%%$'\n'*} == *"version: "[rv]"$generation."* ]] && exec icinga2 "$@"
  give_up "there is no icinga2 $generation here; hack/icinga-generations.sh makes it"
fi
[ "$(id -u)" = 0 ] || give_up "icinga2 $generation is in .cache/icinga/$generation, and running it from there needs root"

# The mounts are in a namespace that ends with the process, however that ends: nothing is left behind, and runs side by side do
# not meet. One exec after the other, so that a signal to this process reaches icinga2.
exec unshare --mount --propagation private bash -euc '
  root=$1 directory=$(pwd -P)
  shift
  mount --bind /proc "$root/proc"
  for path in /tmp "${TMPDIR:-/tmp}" "$directory"; do
    [ "$path" != / ] || continue
    mkdir -p "$root$path"
    mount --rbind "$path" "$root$path"
  done
  exec chroot "$root" env --chdir="$directory" icinga2 "$@"
' icinga2-in.sh "$root" "$@"
