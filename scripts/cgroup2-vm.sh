#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tries the limits of tasks on control groups of version 2 for real: boots a small machine whose
# kernel has nothing else, and runs the tests of the agent there in each place that a daemon may
# be started in. For machines that mount version 1, as many builders do.
#
# Needs qemu-system-x86_64 and cpio, and on Debian apt-get, with which it fetches a kernel and
# busybox into .tools/vm, without installing them. Elsewhere name them by SKEP_VM_KERNEL and
# SKEP_VM_BUSYBOX (a static one). Takes about a minute once the tests are built.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$PWD/.tools/vm
mkdir -p "$tools"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "$*" >&2
    exit 1
}

command -v qemu-system-x86_64 >/dev/null || fail "qemu-system-x86_64 is missing: apt-get install qemu-system-x86"
command -v cpio >/dev/null || fail "cpio is missing: apt-get install cpio"

# Fetches a Debian package, unpacks it, and prints the file in it that the pattern names.
from_package() {
    local package=$1 pattern=$2 dir=$tools/$1
    if [ ! -d "$dir" ]; then
        mkdir "$dir.new"
        (cd "$dir.new" && apt-get download --quiet "$package" >&2 && dpkg-deb --extract ./*.deb .) ||
            fail "cannot fetch $package"
        mv "$dir.new" "$dir"
    fi
    find "$dir" -path "$pattern" -type f | head -n 1
}

kernel=${SKEP_VM_KERNEL:-}
if [ -z "$kernel" ]; then
    image=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/ *Depends: *\(linux-image-[0-9].*\)/\1/p')
    kernel=$(from_package "$image-unsigned" '*/boot/vmlinuz-*')
fi
busybox=${SKEP_VM_BUSYBOX:-$(from_package busybox-static '*/bin/busybox')}
[ -f "$kernel" ] || fail "there is no kernel"
[ -f "$busybox" ] || fail "there is no busybox"

cargo test --locked -p skep-agent --test it --no-run 2>&1 | tee "$work/built"
tests=$(sed -n 's/.*(\(.*\/it-[0-9a-f]*\))$/\1/p' "$work/built")
[ -n "$tests" ] || fail "the tests of the agent cannot be built"
tests=$(realpath "$tests")
shim=$(dirname "$(dirname "$tests")")/skep-test-shim

root=$work/root
mkdir -p "$root"/{bin,bb,proc,sys,dev,tmp,etc,root}
cp "$busybox" "$root/bin/busybox"
echo 'root:x:0:0::/root:/bin/sh
bee:x:1000:1000::/tmp:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:
bee:x:1000:' >"$root/etc/group"

# A program and the libraries that it needs, at the places where they are here.
take() {
    local file
    for file in "$1" $(ldd "$1" | grep -o '/[^ ]*'); do
        if [ ! -e "$root$file" ]; then
            mkdir -p "$root$(dirname "$file")"
            cp -L "$file" "$root$file"
        fi
    done
}
for program in /bin/sh /bin/sleep /bin/true /usr/bin/tail /usr/bin/setsid /usr/bin/setpriv; do
    take "$program"
done
take "$tests"
take "$shim"
strip --strip-debug "$root$tests" "$root$shim"

cat >"$root/init" <<INIT
#!/bin/busybox sh
/bin/busybox --install -s /bb
export PATH=/bin:/usr/bin:/bb CI=true
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t cgroup2 cgroups /sys/fs/cgroup
ifconfig lo 127.0.0.1
cd /sys/fs/cgroup

pass_on() {
    for controller in cpu memory pids; do echo +\$controller >"\$1/cgroup.subtree_control"; done
}

# Runs the tests as somebody, in a group, and looks whether they leave groups behind.
try() {
    echo "== \$1"
    sh -c "echo \\\$\\\$ >/sys/fs/cgroup\$2/cgroup.procs && exec /usr/bin/setpriv --reuid \$3 --regid \$3 --clear-groups $tests limits:: process:: --test-threads 2"
    result=\$?
    left=\$(find /sys/fs/cgroup -type d -name 'skep-*')
    if [ \$result = 0 ] && [ -z "\$left" ]; then echo "== good: \$1"; else echo "== BAD: \$1 \$result \$left"; fi
}

try "the daemon is in the group at the top" "" 0

mkdir -p unit/inner
pass_on .
pass_on unit
try "the daemon is alone in a group within another one" /unit/inner 0

mkdir crowd
sleep 100000 &
echo \$! >crowd/cgroup.procs
try "the daemon shares its group with others" /crowd 0

mkdir given
pass_on .
chown bee:bee given given/cgroup.procs given/cgroup.subtree_control given/cgroup.threads
try "the daemon is a user to whom a group was given" /given 1000

poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initramfs"


log=$work/console
timeout 300 qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 1024 -display none -nodefaults \
    -no-reboot -serial stdio -kernel "$kernel" -initrd "$work/initramfs" \
    -append "console=ttyS0 quiet panic=-1 no_timer_check cgroup_no_v1=all" </dev/null | tee "$log" || fail "the machine did not end by itself"

if [ "$(grep -c '^== good: ' "$log")" != 4 ] || grep -q '^== BAD' "$log"; then
    fail "limits do not hold everywhere on control groups of version 2"
fi
echo "limits hold on control groups of version 2, in all 4 places"
