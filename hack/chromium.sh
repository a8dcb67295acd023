#!/usr/bin/env bash
# Installs Debian's chromium and chromium-driver for the tests of the status page, unless both are installed already.
# Exits with 0 if they are usable. Exits with 3, and prints the reason, if they cannot be installed on this machine.
set -uo pipefail

usable() { command -v chromium >/dev/null && command -v chromedriver >/dev/null && chromedriver --version >/dev/null 2>&1; }
version() { chromedriver --version 2>/dev/null | awk '{ print $2 }'; }
give_up() {
  echo "chromium: $1" >&2
  exit 3
}

if usable; then
  echo "chromium: $(version) is installed"
  exit 0
fi
[ "$(id -u)" = 0 ] || give_up "it is not installed, and installing it needs root: apt-get install chromium chromium-driver fonts-dejavu-core"
command -v apt-get >/dev/null || give_up "it is not installed, and there is no apt-get to install it with"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "chromium: installing chromium, chromium-driver and fonts-dejavu-core"
{
  apt-get update &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium chromium-driver fonts-dejavu-core
} >"$log" 2>&1 || {
  tail -n 15 "$log" >&2
  give_up "apt-get could not install it; its output is above"
}
usable || give_up "apt-get installed it, but chromedriver does not run"
echo "chromium: $(version) installed"
