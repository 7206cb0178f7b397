#!/bin/sh
# Installs the Debian package on a copy of this system that is thrown away: upgrades, removes and purges it, and looks at what
# is there after each step. As root, on Debian; run by deploy/test.sh.
#
#   deploy/package-test.sh PACKAGE.deb
#
# The copy is an overlay in a mount namespace of its own: what is written goes to memory and is gone with the script.

set -eu
package=$(realpath "$1")

if [ -z "${AUDITOR_PACKAGE_TEST:-}" ]; then
    AUDITOR_PACKAGE_TEST=$(mktemp -d)
    export AUDITOR_PACKAGE_TEST
    status=0
    unshare --mount --propagation private --pid --fork --kill-child sh "$0" "$package" || status=$?
    rmdir "$AUDITOR_PACKAGE_TEST"
    exit $status
fi

over=$AUDITOR_PACKAGE_TEST
mount -t tmpfs -o size=1g auditor-package-test "$over"
mkdir "$over/new" "$over/work" "$over/root"
mount -t overlay -o "lowerdir=/,upperdir=$over/new,workdir=$over/work" auditor-package-test "$over/root"
mount -t proc proc "$over/root/proc"
mount --bind /dev "$over/root/dev"
cp "$package" "$over/root/first.deb"

# A newer version, with another configuration in it.
dpkg-deb --raw-extract "$package" "$over/newer"
sed -i 's/^Version: .*/Version: 99.0.0-1/' "$over/newer/DEBIAN/control"
echo "# Of version 99." >>"$over/newer/etc/auditor/config.yaml"
(cd "$over/newer" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | xargs -0 md5sum >DEBIAN/md5sums)
dpkg-deb --build --root-owner-group -Znone "$over/newer" "$over/root/newer.deb" >"$over/built"

chroot "$over/root" sh -eu -s <<'INSIDE'
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
say() { echo "package: $1" >&2; exit 1; }
is() { [ "$1" = "$2" ] || say "$3: $1, and not $2"; }
unit=/usr/lib/systemd/system/auditor.service
wanted=/etc/systemd/system/multi-user.target.wants/auditor.service
config=/etc/auditor/config.yaml

# The index of manual pages takes its time, and is thrown away with the rest.
dpkg() { command dpkg --no-triggers "$@"; }
dpkg --purge auditor >/dev/null 2>&1 || true
dpkg --install /first.deb
auditor --version | grep -q "^auditor $(dpkg-query --show --showformat '${Version}' auditor | sed 's/-[^-]*$//')$" || say "the version is another one"
[ -f "$unit" ] || unit=/lib/systemd/system/auditor.service
[ -f "$unit" ] || say "no unit"
grep -q "^ExecStart=$(command -v auditor) run --config $config$" "$unit" || say "the unit starts something else"
[ ! -e "$wanted" ] || say "the service is enabled before anybody looked at its scope"
is "$(stat --format '%a %U %G' $config)" "644 root root" "$config"
is "$(stat --format '%a %U %G' /usr/bin/auditor)" "755 root root" "the program"
dpkg-query --show --showformat '${Conffiles}' auditor | grep -q "$config" || say "the configuration is no conffile"
auditor config check --config $config >/dev/null || say "the configuration is not accepted"
command dpkg --verify auditor | grep . && say "files are not those of the package"

# One page for each command, that groff takes without a word.
pages=$(command dpkg --listfiles auditor | grep -c '/man1/auditor.*\.1\.gz$')
[ "$pages" -ge 12 ] || say "$pages manual pages"
for page in $(command dpkg --listfiles auditor | grep '/man1/.*\.gz$'); do
    said=$(gzip --decompress --stdout "$page" | { command -v groff >/dev/null && groff -man -Tascii -ww -z 2>&1 || cat >/dev/null; })
    is "$said" "" "$page"
done
gzip --decompress --stdout /usr/share/man/man1/auditor-coverage.1.gz | grep -q 'require' || say "the page of coverage has no options"

# The completion of bash knows the commands.
words=$(bash -euc '
    . /usr/share/bash-completion/completions/auditor
    COMP_WORDS=(auditor cov) COMP_CWORD=1 COMP_LINE="auditor cov" COMP_POINT=11
    _auditor auditor cov auditor
    echo "${COMPREPLY[@]}"' 2>&1)
is "$words" coverage "bash completes auditor cov"
grep -q '^#compdef auditor' /usr/share/zsh/vendor-completions/_auditor || say "no completion of zsh"
grep -q '^complete -c auditor' /usr/share/fish/vendor_completions.d/auditor.fish || say "no completion of fish"

# An upgrade keeps what was changed, and the new one lies beside it.
echo "# Ours." >>$config
before=$(sha256sum <$config)
dpkg --force-confdef --force-confold --install /newer.deb
is "$(dpkg-query --show --showformat '${Version}' auditor)" 99.0.0-1 "the version after the upgrade"
is "$(sha256sum <$config)" "$before" "the configuration after the upgrade"
grep -q 'Of version 99' $config.dpkg-dist || say "the new configuration is not beside the old one"
[ ! -e "$wanted" ] || say "the service is enabled by an upgrade"

# Removing keeps configuration and state, purging the state only.
mkdir -p /var/lib/auditor && : >/var/lib/auditor/findings.jsonl
dpkg --remove auditor
is "$(sha256sum <$config)" "$before" "the configuration after removal"
[ ! -e /usr/bin/auditor ] && [ ! -e "$unit" ] || say "the program or the unit is still there"
dpkg --purge auditor
[ ! -e $config ] || say "the configuration is still there after purging"
[ -e /var/lib/auditor/findings.jsonl ] || say "purging took the findings"
INSIDE
echo "installed, upgraded, removed and purged"
