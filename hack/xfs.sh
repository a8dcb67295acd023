#!/usr/bin/env bash
# Installs Debian's xfsprogs for the power cuts on XFS, unless mkfs.xfs is installed already.
# Exits with 0 if it is usable. Exits with 3, and prints the reason, if it cannot be installed on this machine.
set -uo pipefail
name=xfs
usable() { command -v mkfs.xfs >/dev/null && mkfs.xfs -V >/dev/null 2>&1; }
version() { mkfs.xfs -V 2>/dev/null | awk '{ print $3 }'; }
. "$(dirname "$0")/debian.sh"
from_archive xfsprogs
