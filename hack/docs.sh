#!/usr/bin/env bash
# Builds docs/ as a site into target/site, with mdBook from PATH or built once into .cache/. Beside the pages it puts the files of
# the repository that they link to, and below each block of commands the test that runs it. Fails if a link leads nowhere.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
version=0.5.4
is_wanted() { [ "$("$1" --version 2>/dev/null)" = "mdbook v$version" ]; }
mdbook=mdbook
if ! is_wanted mdbook; then
  mdbook=$root/.cache/bin/mdbook
  if ! is_wanted "$mdbook"; then
    echo "docs: building mdbook $version (about three minutes, once)" >&2
    # Without optimisation it compiles in a third of the time, and still builds the site in seconds.
    cargo install --quiet --locked --debug --no-default-features --features search --root "$root/.cache" "mdbook@$version"
  fi
fi
site=$root/target/site
rm -rf "$site"
"$mdbook" build "$root/docs"
cd "$site/docs"
rm -f book.toml

# The mark stands before its block in the source, and reads better below it.
find . -name '*.html' -print0 | xargs -0 perl -0pi -e '
  s{<!-- run by (.*?) -->\s*(<pre>.*?</pre>)}{$2\n<p class="run">Run by the test <code>$1</code>.</p>}gs;
  s{<!-- not run: (.*?) -->\s*(<pre>.*?</pre>)}{$2\n<p class="not-run">Not run by a test: $1.</p>}gs;'

# Every relative link of every page leads to a file of the site, or to one of the repository, which is copied. mdBook takes a
# document beside docs/ for one of its pages, and gives it the ending .html.
lost=0
while IFS=: read -r page target; do
  target=${target#href=\"} target=${target%\"} target=${target%%#*}
  [ -n "$target" ] || continue
  to=$(realpath -ms --relative-to="$site" "$(dirname "$page")/$target")
  [ -e "$site/$to" ] && continue
  if [[ $to == *.html ]] && [ -e "$root/${to%.html}.md" ]; then
    to=${to%.html}.md
    sed -i "s|href=\"$target|href=\"${target%.html}.md|g" "$page"
  fi
  if [ -e "$root/$to" ] && [[ $to != ../* ]]; then
    mkdir -p "$site/$(dirname "$to")"
    cp -r "$root/$to" "$site/$to"
  else
    echo "docs: ${page#./}: $target leads nowhere" >&2
    lost=$((lost + 1))
  fi
done < <(grep -roE --include='*.html' 'href="[^":]*"' . | sort -u)
echo '<meta http-equiv="refresh" content="0; url=docs/index.html">' >"$site/index.html"
[ "$lost" -eq 0 ] || exit 1
echo "docs: $(find . -name '*.html' | wc -l) pages; open target/site/index.html"
