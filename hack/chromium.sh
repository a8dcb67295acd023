#!/usr/bin/env bash
# Installs Debian's chromium and chromium-driver for the tests of the status page, unless both are installed already.
# Exits with 0 if they are usable. Exits with 3, and prints the reason, if they cannot be installed on this machine.
set -uo pipefail
name=chromium
usable() { command -v chromium >/dev/null && command -v chromedriver >/dev/null && chromedriver --version >/dev/null 2>&1; }
version() { chromedriver --version 2>/dev/null | awk '{ print $2 }'; }
. "$(dirname "$0")/debian.sh"
from_archive chromium chromium-driver fonts-dejavu-core
