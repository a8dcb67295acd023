# Sourced by scripts that install what the tests need from Debian's archive. The script sets `name`, and defines `usable`
# and `version`. It then exits with 0 if the program is usable, and with 3 and a reason if it cannot be installed here.

give_up() {
  echo "$name: $1" >&2
  exit 3
}

# from_archive PACKAGE...: installs the packages, unless the program is usable already.
from_archive() {
  if usable; then
    echo "$name: $(version) is installed"
    return
  fi
  [ "$(id -u)" = 0 ] || give_up "it is not installed, and installing it needs root: apt-get install $*"
  command -v apt-get >/dev/null || give_up "it is not installed, and there is no apt-get to install it with"
  local log
  log=$(mktemp)
  echo "$name: installing $*"
  {
    apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
  } >"$log" 2>&1 || {
    tail -n 15 "$log" >&2
    rm -f "$log"
    give_up "apt-get could not install it; its output is above"
  }
  rm -f "$log"
  usable || give_up "apt-get installed it, but it does not run"
  echo "$name: $(version) installed"
}
