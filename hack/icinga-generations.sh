#!/usr/bin/env bash
# Installs each generation of Icinga 2 that the operator supports, for hack/icinga2-in.sh. One is the machine's
# own icinga2. Each other is a root file system in .cache/icinga/<generation> with the Debian release that has
# it, from the Debian archive in this machine's apt sources. That takes a minute and 200 MB each, once.
# Exits with 0 if all are usable. Exits with 3, and prints the reason, if one cannot be installed on this machine.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
roots=$here/../.cache/icinga
scripts=${DEBOOTSTRAP_DIR:-/usr/share/debootstrap}/scripts

# No release of Debian has 2.15.
generations=(2.13 2.14 2.16)
declare -A suites=([2.13]=bookworm [2.14]=trixie [2.16]=forky)

say() { echo "icinga: $1"; }
give_up() {
  echo "icinga: $1" >&2
  exit 3
}
version() { "$here/icinga2-in.sh" "$1" --version 2>/dev/null | sed -nE '1s/.*version: [rv]?([^)]*)\).*/\1/p'; }
usable() { [[ $(version "$1") == "$1".* ]]; }

missing=()
wanted() {
  missing=()
  for generation in "${generations[@]}"; do
    if usable "$generation"; then say "icinga2 $(version "$generation") is installed"; else missing+=("$generation"); fi
  done
}
wanted
[ "${#missing[@]}" -gt 0 ] || exit 0
hint="to have icinga2 ${missing[*]}"

[ "$(id -u)" = 0 ] || give_up "$hint needs root, to make a root file system and to run in it"
unshare --mount true 2>/dev/null || give_up "$hint needs mounts, which are not permitted here"
command -v apt-get >/dev/null || give_up "$hint needs a Debian archive, and there are no apt sources"
mkdir -p "$roots"
exec 9>"$roots/.lock"
flock --nonblock 9 || {
  say "another run is installing icinga2 ${missing[*]}; waiting for it"
  flock 9
  wanted
  [ "${#missing[@]}" -gt 0 ] || exit 0
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Both signals also end debootstrap. Without these traps its end would be reported as a failure.
trap 'exit 130' INT
trap 'exit 143' TERM
# debootstrap downloads with wget, which ignores apt's proxy.
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
export http_proxy https_proxy DEBIAN_FRONTEND=noninteractive

if ! command -v debootstrap >/dev/null; then
  say "installing debootstrap"
  { apt-get update && apt-get install -y --no-install-recommends debootstrap; } >"$work/log" 2>&1 || {
    tail -n 15 "$work/log" >&2
    give_up "$hint needs debootstrap, and apt-get could not install it; its output is above"
  }
fi

# mirror SUITE: prints the first of the machine's apt sources that has this suite of Debian.
mirror() {
  local uri
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' |
    grep -E '^(https?|file):' | sort -u | while read -r uri; do
    timeout 60 /usr/lib/apt/apt-helper download-file "${uri%/}/dists/$1/InRelease" "$work/$1" </dev/null >"$work/log" 2>&1 &&
      grep -q '^Origin: Debian$' "$work/$1" && echo "${uri%/}" && break
  done
}

# progress: reduces debootstrap's thousand lines to one per phase.
progress() {
  local level phase last=
  while read -r level phase _; do
    case $level$phase in
      I:Retrieving | I:Extracting | I:Unpacking | I:Configuring)
        [ "$phase" = "$last" ] || say "... ${phase,} ($SECONDS s since the start)"
        last=$phase
        ;;
    esac
  done
}

status=0
unlucky() {
  echo "icinga: $1" >&2
  status=3
}
for generation in "${missing[@]}"; do
  suite=${suites[$generation]} root=$roots/$generation
  archive=$(mirror "$suite")
  [ -n "$archive" ] || {
    unlucky "no icinga2 $generation: none of this machine's apt sources answers with Debian $suite"
    continue
  }
  say "icinga2 $generation from Debian $suite into .cache/icinga/$generation (about a minute)"
  script=$scripts/$suite
  [ -e "$script" ] || script=$scripts/sid
  rm -rf --one-file-system "$root"
  # In its own mount namespace, so that no mount is left if it is killed.
  unshare --mount debootstrap --variant=minbase --include=icinga2-bin,icinga2-common \
    "$suite" "$root" "$archive" "$script" 2>&1 | tee "$work/log" | progress || {
    tail -n 15 "$work/log" >&2
    unlucky "no icinga2 $generation: debootstrap failed; its last words are above"
    continue
  }
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  touch "$root/.complete"
  if usable "$generation"; then
    say "icinga2 $(version "$generation") is there"
  else
    unlucky "no icinga2 $generation: Debian $suite has icinga2 $(version "$generation")"
    rm "$root/.complete"
  fi
done
exit "$status"
