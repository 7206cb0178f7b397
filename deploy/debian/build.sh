#!/bin/sh
# Builds the Debian package from a binary that is there already, with dpkg-deb. `cargo xtask deb` calls it.
#
#   deploy/debian/build.sh BINARY FOLDER     prints the package's path in FOLDER
#
# Equal inputs make equal bytes: times are those of SOURCE_DATE_EPOCH, or of the last commit.

set -eu
binary=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")
here=$(dirname "$(realpath "$0")")
sources=$here/../..
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

version=$(LC_ALL=C "$binary" --version | sed -n '1s/^auditor //p')
architecture=$(dpkg --print-architecture)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$sources" log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

tree=$work/tree
put() { install -D --mode="$1" "$2" "$tree/$3"; }
put 0755 "$binary" usr/bin/auditor
strip --strip-unneeded --remove-section=.comment "$tree/usr/bin/auditor"
put 0644 "$sources/deploy/config.yaml" etc/auditor/config.yaml
put 0644 "$sources/deploy/systemd/auditor.service" lib/systemd/system/auditor.service
put 0644 "$sources/README.md" usr/share/doc/auditor/README.md
put 0644 "$sources/deploy/prometheus/rules.yaml" usr/share/doc/auditor/examples/prometheus-rules.yaml
for dashboard in "$sources"/deploy/grafana/*.json; do
    put 0644 "$dashboard" "usr/share/doc/auditor/examples/grafana/$(basename "$dashboard")"
done
sed 's/^$/./; s/^/ /' "$sources/LICENSE-MIT" >"$work/mit"
sed -e "/^@mit@$/{r $work/mit" -e 'd;}' "$here/copyright" >"$work/copyright"
put 0644 "$work/copyright" usr/share/doc/auditor/copyright
{
    echo "auditor ($version-1) unstable; urgency=medium"
    echo
    echo "  * See docs/upgrading.md in the sources."
    echo
    echo " -- The auditor contributors <maintainers@auditor.dev>  $(date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")"
} | gzip -9 -n >"$work/changelog.gz"
put 0644 "$work/changelog.gz" usr/share/doc/auditor/changelog.Debian.gz

# It closes no bug of Debian's, as it is not in Debian; and the parser of YAML is a crate that was made of libyaml.
{
    echo "auditor: initial-upload-closes-no-bugs"
    echo "auditor: embedded-library *libyaml*"
} >"$work/overrides"
put 0644 "$work/overrides" usr/share/lintian/overrides/auditor

# What the program writes about itself.
"$binary" man --output "$work/man"
for page in "$work"/man/*.1; do
    gzip -9 -n "$page"
    put 0644 "$page.gz" "usr/share/man/man1/$(basename "$page").gz"
done
"$binary" completions bash >"$work/bash"
put 0644 "$work/bash" usr/share/bash-completion/completions/auditor
"$binary" completions zsh >"$work/zsh"
put 0644 "$work/zsh" usr/share/zsh/vendor-completions/_auditor
"$binary" completions fish >"$work/fish"
put 0644 "$work/fish" usr/share/fish/vendor_completions.d/auditor.fish

# The libraries it is linked to, by the packages that have them here.
mkdir -p "$work/debian"
echo "Source: auditor" >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O -e"$tree/usr/bin/auditor" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || {
    echo "build.sh: dpkg-shlibdeps does not say which packages $binary needs (Debian: apt-get install dpkg-dev)" >&2
    exit 1
}

(cd "$tree" && find . -type f -printf '%P\n' | sort | tr '\n' '\0' | xargs -0 md5sum) >"$work/md5sums"
size=$(du --summarize --apparent-size --block-size=1024 "$tree" | cut -f 1)
mkdir "$tree/DEBIAN"
sed -e "s/@version@/$version-1/" -e "s/@architecture@/$architecture/" -e "s/@size@/$size/" -e "s/@depends@/$depends/" \
    "$here/control" >"$tree/DEBIAN/control"
echo /etc/auditor/config.yaml >"$tree/DEBIAN/conffiles"
install --mode=0644 "$work/md5sums" "$tree/DEBIAN/md5sums"
install --mode=0755 "$here/postinst" "$here/prerm" "$here/postrm" "$tree/DEBIAN/"
find "$tree" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
package=$folder/auditor_$version-1_$architecture.deb
dpkg-deb --root-owner-group --build "$tree" "$package" >&2
echo "$package"
