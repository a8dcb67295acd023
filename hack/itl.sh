#!/usr/bin/env bash
# Writes src/references/itl/<generation>.txt: the names in the Icinga Template Library of each generation of
# Icinga 2, one per line. Run hack/icinga.sh and hack/icinga-generations.sh first.
# The real program prints the names after it includes itl, plugins, plugins-contrib, manubulon, windows-plugins
# and nscp, like Debian's icinga2.conf. Names are facts. The text of the library, licensed GPL-2.0-or-later, is
# not copied.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tables=$here/../src/references/itl
types=(Host Service HostGroup ServiceGroup CheckCommand EventCommand NotificationCommand Notification User UserGroup TimePeriod
  ScheduledDowntime Dependency Zone Endpoint)
work=$(mktemp -d /tmp/itl.XXXXXX)
trap 'rm -rf "$work"' EXIT
chmod 777 "$work"
{
  for directory in PluginDir ManubulonPluginDir PluginContribDir; do echo "const $directory = \"/\""; done
  for library in itl plugins plugins-contrib manubulon windows-plugins nscp; do echo "include <$library>"; done
  # `object list` prints neither templates nor the built-in objects of the program.
  for type in "${types[@]}"; do
    echo "for (one in get_templates($type)) { log(LogInformation, \"itl\", \"template $type!\" + one.name) }"
    echo "for (one in get_objects($type)) { log(LogInformation, \"itl\", \"$type!\" + one.name) }"
  done
} >"$work/main.conf"

# names GENERATION: prints the names of one generation.
names() {
  "$here/icinga2-in.sh" "$1" daemon -C -c "$work/main.conf" --define CacheDir="$work" --define VarsPath="$work/vars" \
    >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
  }
  {
    "$here/icinga2-in.sh" "$1" object list --define CacheDir="$work" |
      sed -nE "s/.*Object '([^']+)' of type '($(IFS='|' && echo "${types[*]}"))'.*/\2!\1/p"
    sed -nE 's|^.*information/itl: ||p' "$work/log"
    # These are not in every build of the program. Users whose build has them list them as external objects.
  } | grep -vE '!(ido|icingadb)(-check-command)?$' | LC_ALL=C sort -u
}

# preamble GENERATION: prints the first lines of a table.
preamble() {
  echo "# Names that the Icinga Template Library of $1 provides; made by hack/itl.sh."
  echo "# Facts, not text of the library, which is licensed GPL-2.0-or-later and is not copied."
}

for generation in 2.13 2.14 2.16; do
  version=$("$here/icinga2-in.sh" "$generation" --version | sed -nE '1s/.*version: [rv]?([0-9.]+).*/\1/p')
  names "$generation" >"$work/$generation"
  { preamble "Icinga 2 $version" && cat "$work/$generation"; } >"$tables/$generation.txt"
  echo "itl: $generation.txt, $(wc -l <"$work/$generation") names of icinga2 $version"
done
# The source of 2.15 has one more name.
{ LC_ALL=C comm -12 "$work/2.14" "$work/2.16" && echo 'CheckCommand!curl'; } | LC_ALL=C sort -u >"$work/2.15"
{
  preamble "Icinga 2 2.15"
  echo "# It is in no release of Debian: these are the names that 2.14 and 2.16 both have, and curl."
  cat "$work/2.15"
} >"$tables/2.15.txt"
echo "itl: 2.15.txt, $(wc -l <"$work/2.15") names that both 2.14 and 2.16 have"
