#!/usr/bin/env bash
# docker-base.sh [NAME] makes the image that the Dockerfile builds on, Debian 12 without documentation, where no registry can be reached.
# NAME is millrace-base by default: docker build --build-arg BASE=millrace-base .
# apt in the image takes its packages from where apt on this machine does: from the same sources, by the same proxy, with the same keys and
# certificates. So the image is for this machine, not to be given away.
. "$(dirname "$0")/lib.sh"

name=${1:-millrace-base}
release=bookworm
install_missing mmdebstrap

# Sources that speak of this release; Debian's own if this machine runs another.
mapfile -t sources < <(grep -lsw "$release" /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources})
[ "${#sources[@]}" -gt 0 ] || sources=("deb http://deb.debian.org/debian $release main")

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
{
    apt-config dump | grep -iE '^Acquire::(http|https|proxy|retries|check-|forceip)' || true
    printf '%s\n' 'Acquire::Languages "none";' 'APT::Install-Recommends "false";'
} >"$scratch/apt.conf"

# The keys that sources are signed with, and whom https is to believe.
# shellcheck disable=SC2016
trust='for path in etc/apt/keyrings etc/apt/trusted.gpg.d usr/share/keyrings usr/local/share/ca-certificates; do
    [ ! -d "/$path" ] || { mkdir -p "$1/$path" && cp -rn "/$path/." "$1/$path"; }
done
mkdir -p "$1/etc/ssl/certs"
[ ! -f /etc/ssl/certs/ca-certificates.crt ] || cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs"'

say "making $name: Debian's $release, from ${sources[*]}"
as_root mmdebstrap --quiet --variant=minbase --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --customize-hook="$trust" \
    --aptopt="$scratch/apt.conf" --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    "$release" "$scratch/base.tar" "${sources[@]}" 2>"$scratch/log" >&2 || {
    tail -n 30 "$scratch/log" >&2
    exit 1
}
docker import --change 'CMD ["bash"]' "$scratch/base.tar" "$name" >/dev/null
