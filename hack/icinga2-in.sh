#!/usr/bin/env bash
# Runs icinga2 of one generation: hack/icinga2-in.sh 2.14 daemon -C -c FILE ...
# It runs the program in .cache/icinga/<generation>, which hack/icinga-generations.sh installs, or the machine's
# own icinga2 of this generation. The program in .cache sees only /tmp, TMPDIR and the working directory.
# Exits as icinga2 exits, or with 125 if icinga2 cannot be run.
set -euo pipefail
generation=${1:?usage: hack/icinga2-in.sh GENERATION ARGUMENTS_OF_ICINGA2...}
shift
# 2.13 always writes icinga2.debug. 2.14 and newer write it only on request, and only when they validate.
case "$generation ${1:-} $* " in
2.13\ * | *\ --dump-objects*) ;;
*\ daemon\ *\ -C\ *) set -- "$@" --dump-objects ;;
esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)/.cache/icinga/$generation

give_up() {
  echo "icinga2-in.sh: $1" >&2
  exit 125
}

if [ ! -e "$root/.complete" ]; then
  version=$(icinga2 --version 2>/dev/null) || true
  [[ ${version%%$'\n'*} == *"version: "[rv]"$generation."* ]] && exec icinga2 "$@"
  give_up "icinga2 $generation is not installed; run hack/icinga-generations.sh"
fi
[ "$(id -u)" = 0 ] || give_up "icinga2 $generation is in .cache/icinga/$generation, and running it from there needs root"

# The mounts are in a namespace that ends with the process, so nothing is left and parallel runs are
# independent. Each step is an exec, so that a signal to this process reaches icinga2.
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
