#!/usr/bin/env bash
# Prints the names that the Icinga Template Library of the installed icinga2 provides, one a line, as the operator reads
# them from src/references/itl/<version>.txt: hack/itl.sh > src/references/itl/2.13.txt
# Objects are what `icinga2 daemon -C` understood (with itl, plugins, plugins-contrib, manubulon, windows-plugins and nscp
# included, as Debian's icinga2.conf does); templates are read from the library's files. Names are facts, not text of the
# library, which is licensed GPL-2.0-or-later and is not copied.
set -euo pipefail
include=${ICINGA2_INCLUDE:-/usr/share/icinga2/include}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 777 "$work"
{
  echo 'const PluginDir = "/"'
  echo 'const ManubulonPluginDir = "/"'
  echo 'const PluginContribDir = "/"'
  for library in itl plugins plugins-contrib manubulon windows-plugins nscp; do echo "include <$library>"; done
} >"$work/main.conf"
icinga2 daemon -C -c "$work/main.conf" --define CacheDir="$work" --define VarsPath="$work/vars" >"$work/log" 2>&1 || {
  cat "$work/log" >&2
  exit 1
}
{
  icinga2 object list --define CacheDir="$work" |
    sed -nE "s/.*Object '([^']+)' of type '(CheckCommand|EventCommand|NotificationCommand|TimePeriod)'.*/\2!\1/p"
  # Built into the program, not in a file.
  printf '%s\n' 'template CheckCommand!plugin-check-command' 'template EventCommand!plugin-event-command' \
    'template TimePeriod!legacy-timeperiod'
  grep -rhoE '^template +[A-Za-z]+ +"[^"]+"' "$include" | sed -E 's/^template +([A-Za-z]+) +"(.*)"$/template \1!\2/'
} | LC_ALL=C sort -u
