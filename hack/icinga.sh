#!/usr/bin/env bash
# Installs Debian's icinga2-bin and icinga2-common for the tests, unless icinga2 is installed already.
# Exits with 0 if icinga2 is usable. Exits with 3, and prints the reason, if it cannot be installed on this machine.
set -uo pipefail
name=icinga2
usable() { command -v icinga2 >/dev/null && icinga2 --version >/dev/null 2>&1; }
version() { icinga2 --version 2>/dev/null | sed -nE '1s/.*version: ([^)]*)\).*/\1/p'; }
. "$(dirname "$0")/debian.sh"
from_archive icinga2-bin icinga2-common
