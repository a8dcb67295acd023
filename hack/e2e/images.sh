#!/usr/bin/env bash
# Builds the images of hack/e2e.sh with buildah, without a registry, into .cache/e2e/images:
#   groundlink.tar  localhost/groundlink:0.1.0 by the Dockerfile, and groundlink, its program
#   icinga-*.tar    localhost/icinga2:2.14 and :2.16, laid out as Icinga's official image
#   pause.tar       localhost/pause:1
# images.sh --twice builds groundlink a second time from nothing, and fails unless both have one digest and the program names
# every crate that it was built from.
# What is there and has the same inputs is kept. The first time takes about 15 minutes on two cores, most of it for groundlink.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd -P)
cache=$root/.cache/e2e
images=$cache/images
mkdir -p "$images"

# Nothing of it goes into the machine's own storage.
export XDG_RUNTIME_DIR=$cache/run TMPDIR=$cache/tmp
mkdir -p "$XDG_RUNTIME_DIR" "$TMPDIR"
buildah() {
  command buildah --storage-driver vfs --root "$cache/storage/root" --runroot "$cache/storage/run" "$@"
}
say() { echo "images: $1"; }
is_current() { [ -e "$images/$1.tar" ] && [ "$(cat "$images/.$1.inputs" 2>/dev/null)" = "$2" ]; }
# archive FILE INPUTS IMAGE
archive() {
  rm -f "$images/.$1.inputs" "$images/$1.tar" "$images/$1.partial"
  buildah push --quiet "$3" "oci-archive:$images/$1.partial:$3"
  mv "$images/$1.partial" "$images/$1.tar"
  echo "$2" >"$images/.$1.inputs"
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

inputs=$(sha256sum <"$root/.cache/bin/pause")
if ! is_current pause "$inputs"; then
  say "localhost/pause:1"
  install -D "$root/.cache/bin/pause" "$work/pause/pause"
  printf 'FROM scratch\nCOPY pause /pause\nUSER 65532:65532\nENTRYPOINT ["/pause"]\n' >"$work/pause/Dockerfile"
  buildah build --quiet --isolation chroot --tag localhost/pause:1 "$work/pause" >/dev/null
  archive pause "$inputs" localhost/pause:1
fi

# The official image has Icinga's files below /data, its user has the number 5665, and dumb-init is there.
for generation in 2.14 2.16; do
  source=$root/.cache/icinga/$generation
  [ -e "$source/.complete" ] || {
    echo "images: icinga2 $generation is not in .cache/icinga; run hack/icinga-generations.sh" >&2
    exit 1
  }
  inputs=$({ stat -c %Y "$source/.complete" && sha256sum <"$0"; } | sha256sum)
  is_current "icinga-$generation" "$inputs" && continue
  say "localhost/icinga2:$generation"
  mkdir -p "$work/icinga"
  [ -e "$work/icinga/init" ] || install "$(command -v dumb-init)" "$work/icinga/init"
  tar -C "$source" --one-file-system --numeric-owner --exclude=./proc/* --exclude=./tmp/* --exclude=./work \
    --exclude=./usr/share/{doc,man,locale} -cf "$work/icinga/root.tar" .
  cat >"$work/icinga/Dockerfile" <<'EOF'
FROM scratch
ADD root.tar /
COPY init /usr/bin/dumb-init
RUN usermod --uid 5665 nagios && groupmod --gid 5665 nagios \
 && mkdir -p /data/etc /data/var && mv /etc/icinga2 /data/etc/icinga2 && ln -s /data/etc/icinga2 /etc/icinga2 \
 && for part in cache lib log spool; do rm -rf "/var/$part/icinga2" && ln -s "/data/var/$part/icinga2" "/var/$part/icinga2"; done \
 && mkdir -p /run/icinga2 && chown -R 5665:5665 /data /run/icinga2
USER 5665:5665
CMD ["dumb-init", "-c", "--", "icinga2", "daemon"]
EOF
  buildah build --quiet --isolation chroot --tag "localhost/icinga2:$generation" "$work/icinga" >/dev/null
  archive "icinga-$generation" "$inputs" "localhost/icinga2:$generation"
done

# groundlink TAG OPTION...: builds the image.
groundlink() {
  local tag=$1 toolchain target cargo=${CARGO_HOME:-$HOME/.cargo} version
  shift
  version=$(grep -oE -- '--version [0-9.]+ cargo-auditable' "$root/Dockerfile" | cut -d' ' -f2)
  cargo install --quiet --locked --root "$cache/auditable" --version "$version" cargo-auditable
  toolchain=$(rustc --print sysroot)
  target=$(uname -m)-unknown-linux-musl
  [ -d "$toolchain/lib/rustlib/$target" ] || rustup target add "$target" || {
    echo "images: the toolchain lacks the target $target; install it (rustup target add $target)" >&2
    return 1
  }
  buildah build --isolation chroot --tag "$tag" --file "$root/Dockerfile" --timestamp 0 \
    --build-arg BUILD_IMAGE=localhost/build:1 --build-arg BASE_IMAGE=scratch \
    --build-arg REVISION="$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)" \
    --volume "$toolchain:/toolchain:ro" --volume "$cargo:/cargo" --volume "$cache/auditable:/auditable:ro" "$@" "$root" 2>&1 | sed 's/^/images: /'
}

# The Dockerfile names public images. Here the build runs on a root file system of Debian with a C compiler, and the toolchain,
# cargo-auditable and the downloaded crates of this machine are mounted into it.
inputs=$(cd "$root" && { git ls-files -z -co --exclude-standard Cargo.toml Cargo.lock Dockerfile src crds | xargs -0 sha256sum; } | sha256sum)
if ! is_current groundlink "$inputs"; then
  if ! buildah inspect --type image localhost/build:1 >/dev/null 2>&1; then
    say "a root file system with a C compiler, for the build (about a minute)"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' 'Codename: bookworm' | head -n 1)
    unshare --mount debootstrap --variant=minbase --include=gcc,libc6-dev,musl-tools,binutils,ca-certificates,git \
      bookworm "$work/build" "${mirror%/}" >"$work/debootstrap.log" 2>&1 || {
      tail -n 15 "$work/debootstrap.log" >&2
      exit 1
    }
    tar -C "$work/build" --one-file-system --numeric-owner -cf "$work/build.tar" .
    mkdir "$work/context" && mv "$work/build.tar" "$work/context/"
    printf 'FROM scratch\nADD build.tar /\nENV PATH=/toolchain/bin:/usr/bin:/bin CARGO_HOME=/cargo\n' >"$work/context/Dockerfile"
    buildah build --quiet --isolation chroot --tag localhost/build:1 "$work/context" >/dev/null
  fi
  say "localhost/groundlink:0.1.0 by the Dockerfile (about 10 minutes with an empty cache)"
  groundlink localhost/groundlink:0.1.0
  # It is static, so it also runs here.
  container=$(buildah from localhost/groundlink:0.1.0)
  install "$(buildah mount "$container")/groundlink" "$images/groundlink"
  buildah rm "$container" >/dev/null
  archive groundlink "$inputs" localhost/groundlink:0.1.0
fi

if [ "${1:-}" = --twice ]; then
  digest() { buildah push --quiet --digestfile "$work/digest" "$1" "oci-archive:$work/pushed:$1" && cat "$work/digest"; }
  say "a second build, with no cache of the first"
  # buildah keeps cache mounts below TMPDIR.
  mkdir "$work/tmp"
  TMPDIR=$work/tmp groundlink localhost/groundlink:again --no-cache
  one=$(digest localhost/groundlink:0.1.0) && again=$(digest localhost/groundlink:again)
  buildah rmi localhost/groundlink:again >/dev/null
  [ "$one" = "$again" ] || {
    echo "images: two builds differ: $one and $again" >&2
    exit 1
  }
  say "two builds have the digest $one"
  # The form of cargo-auditable: JSON, deflated, in a section of its own.
  objcopy --dump-section ".dep-v0=$work/crates" "$images/groundlink" "$work/groundlink"
  python3 - "$work/crates" <<'EOF'
import json, sys, zlib
crates = [one["name"] for one in json.loads(zlib.decompress(open(sys.argv[1], "rb").read()))["packages"]]
missing = {"groundlink", "kube", "rustls", "ring", "tokio"} - set(crates)
if missing:
    sys.exit(f"images: the program does not name {missing}")
print(f"images: the program names {len(crates)} crates for an SBOM")
EOF
fi
