#!/usr/bin/env bash
# Installs Debian's icinga2-bin and icinga2-common for the tests, unless icinga2 is installed already.
# Exits with 0 if icinga2 is usable. Exits with 3, and prints the reason, if it cannot be installed on this machine.
set -uo pipefail

usable() { command -v icinga2 >/dev/null && icinga2 --version >/dev/null 2>&1; }
version() { icinga2 --version 2>/dev/null | sed -nE '1s/.*version: ([^)]*)\).*/\1/p'; }
give_up() {
  echo "icinga: $1" >&2
  exit 3
}

if usable; then
  echo "icinga: icinga2 $(version) is installed"
  exit 0
fi
[ "$(id -u)" = 0 ] || give_up "icinga2 is not installed, and installing it needs root: apt-get install icinga2-bin icinga2-common"
command -v apt-get >/dev/null || give_up "icinga2 is not installed, and there is no apt-get to install it with"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "icinga: installing icinga2-bin and icinga2-common"
{
  apt-get update &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends icinga2-bin icinga2-common
} >"$log" 2>&1 || {
  tail -n 15 "$log" >&2
  give_up "apt-get could not install icinga2; its output is above"
}
usable || give_up "apt-get installed icinga2, but it does not run"
echo "icinga: icinga2 $(version) installed"
