#!/bin/sh
# The text for the wordcount benchmark: every .c and .h file of a kernel source
# package, one after the other, in the package's own order, in one file.
#
# Spaces and punctuation beyond ASCII become blanks: Millrace cuts words there
# (docs/jobs.md has the list), which its peer, knowing bytes only, cannot. So
# both find the same words.
#
# usage: fetch_kernel_text.sh DIR [PACKAGE]
#
# Writes DIR/kernel.txt and DIR/kernel.version; does nothing if they are there.
set -eu

usage() {
    echo "usage: fetch_kernel_text.sh DIR [PACKAGE]" >&2
    exit 2
}

[ $# -ge 1 ] && [ $# -le 2 ] || usage
dir=$1
package=${2:-linux-source-6.1}

if [ -s "$dir/kernel.txt" ] && [ -s "$dir/kernel.version" ]; then
    exit 0
fi
for tool in apt-get dpkg-deb tar xz; do
    command -v "$tool" >/dev/null || { echo "fetch_kernel_text.sh: needs $tool" >&2; exit 1; }
done

# U+0080-00BF but for the letters AA, B5, BA; U+00D7, U+00F7; U+2000-206F but for the joiners 200C, 200D;
# U+3000-303F. No byte that begins one of them occurs inside another character.
blank_separators() {
    LC_ALL=C sed '/[\x80-\xff]/ {
        s/\xc2[\x80-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf]/ /g
        s/\xc3[\x97\xb7]/ /g
        s/\xe2\x80[\x80-\x8b\x8e-\xbf]/ /g
        s/\xe2\x81[\x80-\xaf]/ /g
        s/\xe3\x80[\x80-\xbf]/ /g
    }' "$1"
}

mkdir -p "$dir"
work=$(mktemp -d "$dir/kernel.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

echo "fetching $package" >&2
# apt's warning about its unprivileged user is of no interest here.
(cd "$work" && apt-get -q download "$package" 2>apt.log >/dev/null) || {
    cat "$work/apt.log" >&2
    echo "fetch_kernel_text.sh: cannot fetch $package ('apt-get update' may help)" >&2
    exit 1
}

# No pipe from tar to tar: a shell without pipefail would hide the first one's failure.
dpkg-deb --fsys-tarfile "$work"/*.deb >"$work/package.tar"
tar -xf "$work/package.tar" -C "$work" --wildcards './usr/src/*.tar.xz'
tar -xJOf "$work"/usr/src/*.tar.xz --wildcards '*.c' '*.h' >"$work/raw.txt"
blank_separators "$work/raw.txt" >"$work/kernel.txt"

mv "$work/kernel.txt" "$dir/kernel.txt"
echo "$(dpkg-deb -f "$work"/*.deb Package) $(dpkg-deb -f "$work"/*.deb Version)" >"$dir/kernel.version"
echo "$dir/kernel.txt: $(wc -c <"$dir/kernel.txt") bytes" >&2
