#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Puts the programs of a newer Docker engine than this machine has into .tools/, and prints their
# folder: whatever starts an engine takes it from PATH.
#
#     PATH=$(scripts/engine-bin.sh 28):$PATH scripts/engine.sh scripts/demo.sh
#
#   26    Debian's docker.io of trixie
#   28    Debian's docker.io of sid, whichever that is by now
#   29    built with Go from github.com/moby/moby/v2, beside the containerd of 28: about ten minutes
#         of two processors, and it needs a C compiler and pkg-config
#
# It needs apt-get and dpkg, and changes nothing outside .tools/: those suites are read into a
# folder of their own. What was once fetched stays; remove .tools/engine-N to fetch it anew.
set -euo pipefail

moby=v2.0.0-beta.24 runc=v1.4.3
root=$(cd "$(dirname "$0")/.." && pwd)

usage() {
    echo "usage: scripts/engine-bin.sh 26|28|29" >&2
    exit 2
}

# apt SUITE ARGUMENT...: an apt-get that knows this suite alone, from where this machine gets its own.
apt() {
    local place=$root/.tools/apt-$1 suite=$1 mirror
    shift
    # shellcheck disable=SC2016 # The names are for apt-get.
    mirror=$(apt-get indextargets --format '$(REPO_URI)' \
        'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
    [ -n "$mirror" ] || { echo "engine-bin: apt-get knows no mirror of Debian" >&2 && exit 1; }
    mkdir -p "$place"/{preferences,parts,lists/partial,cache/archives/partial}
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" \
        >"$place/sources.list"
    apt-get -o Dir::Etc::SourceList="$place/sources.list" \
        -o Dir::Etc::SourceParts="$place/parts" -o Dir::Etc::PreferencesParts="$place/preferences" \
        -o Dir::State::Lists="$place/lists" -o Dir::Cache="$place/cache" \
        -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

# packages SUITE FOLDER PACKAGE...: unpacks them there.
packages() {
    local suite=$1 folder=$2 package
    shift 2
    echo "fetching $* of $suite into .tools/" >&2
    apt "$suite" -qq update >&2
    mkdir -p "$folder"
    (cd "$folder" && apt "$suite" -qq download "$@" >&2)
    for package in "$folder"/*.deb; do
        dpkg-deb --extract "$package" "$folder"
        rm "$package"
    done
}

# Of Debian's packages the programs of Go need no more than an older C library has, but runc does:
# that of this machine serves them.
from_debian() {
    local suite=$1 work=$2
    packages "$suite" "$work/unpacked" docker.io docker-cli containerd
    mkdir "$work/bin"
    mv "$work"/unpacked/usr/bin/{docker,containerd,containerd-shim-runc-v2} \
        "$work"/unpacked/usr/sbin/{dockerd,docker-proxy} "$work/bin"
    rm -r "$work/unpacked"
}

# This engine wants time namespaces, which an old runc does not know.
from_source() {
    local work=$1 older
    older=$("$root/scripts/engine-bin.sh" 28)
    mkdir "$work/bin" "$work/module"
    cp "$older"/{docker,containerd,containerd-shim-runc-v2} "$work/bin"
    echo "building Engine 29 from moby $moby and runc $runc into .tools/" >&2
    (
        cd "$work/module"
        export GOFLAGS=-mod=mod
        go mod init engine 2>/dev/null
        go get "github.com/moby/moby/v2/cmd/dockerd@$moby" 2>/dev/null
        CGO_ENABLED=0 go build -o "$work/bin/" \
            -ldflags "-X github.com/moby/moby/v2/dockerversion.Version=29-$moby" \
            github.com/moby/moby/v2/cmd/{dockerd,docker-proxy} >&2
    )
    # The headers alone are needed of libseccomp, and its archive: nothing is installed for that.
    (cd "$work/module" && apt-get -qq download libseccomp-dev >&2)
    dpkg-deb --extract "$work"/module/libseccomp-dev*.deb "$work/seccomp"
    local libraries
    libraries=$(dirname "$(dirname "$(find "$work/seccomp" -name libseccomp.pc)")")
    CGO_CFLAGS="-I$work/seccomp/usr/include" CGO_LDFLAGS="-L$libraries" \
        PKG_CONFIG_PATH="$libraries/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$work/seccomp" \
        GOFLAGS=-mod=mod GOBIN="$work/bin" \
        go install -tags seccomp "github.com/opencontainers/runc@$runc" >&2
    rm -rf "$work/module" "$work/seccomp"
}

[ $# = 1 ] || usage
case $1 in
    26 | 28 | 29) ;;
    *) usage ;;
esac
folder=$root/.tools/engine-$1
if [ ! -d "$folder" ]; then
    mkdir -p "$root/.tools"
    work=$(mktemp -d "$root/.tools/engine.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    case $1 in
        26) from_debian trixie "$work" ;;
        28) from_debian sid "$work" ;;
        29) from_source "$work" ;;
    esac
    # Whole, or not at all.
    mv "$work/bin" "$folder"
fi
echo "$folder"
