#!/usr/bin/env bash
# Runs the two commands of README.md, `make demo` and `make test`, on a Debian that has Python, its venv module, make
# and nothing else. So it shows that neither needs a program that only a developer's machine has.
#
#   sudo .ci/minimal_debian.sh                 Debian 12 (Python 3.11), then Debian 13 (Python 3.13)
#   sudo .ci/minimal_debian.sh trixie          one suite
#
# Needs Debian or Ubuntu with mmdebstrap and git, and root. An account that has a range in /etc/subuid, and newuidmap of
# the package uidmap, runs it without root; its warning about ./sys does no harm:
#
#   unshare --map-root-user --map-auto --mount .ci/minimal_debian.sh
#
# It tests the commit that is checked out, in a temporary folder of 600 MB that it removes at the end. Debian's packages
# come from MIRROR (default: http://deb.debian.org/debian), those of requirements.txt from the index that pip uses here:
# the certificates of this machine, /etc/pip.conf, the proxy variables and the PIP_* variables apply inside as well.
#
# It is in .ci, with what else runs on a fresh checkout. `.ci/run` does not call it, because that needs no root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mirror=${MIRROR:-http://deb.debian.org/debian}
suites=("$@")
[ $# -gt 0 ] || suites=(bookworm trixie)

fail() {
    echo "$1" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "Only root may do this. The first lines of this script say how to run it without."
command -v mmdebstrap >/dev/null || fail "mmdebstrap was not found. Install it: apt-get install mmdebstrap"

work=$(mktemp -d)
cleanup() {
    local children=""
    read -r children <"/proc/$$/task/$$/children" || true
    if [ -n "$children" ]; then # the script was stopped by a signal: first end what still writes to the folder
        kill -KILL $children
        sleep 1
    fi
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 130' INT

# What runs in namespaces of its own leaves no process and no mount behind, however it ends.
contained=(unshare --mount --pid --fork --kill-child --mount-proc)

# Makes a Debian of the suite in the folder, with the committed files in /home/user/bayou.
build() {
    local suite=$1 root=$2 file
    "${contained[@]}" \
        mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,make "$suite" "$root" "$mirror"
    chroot "$root" useradd --create-home user
    mkdir "$root/home/user/bayou"
    git archive HEAD | tar -x -C "$root/home/user/bayou"
    chroot "$root" chown -R user: /home/user
    for file in /etc/{resolv.conf,ssl/certs/ca-certificates.crt,pip.conf} "${PIP_CONFIG_FILE:-}" "${PIP_CERT:-}"; do
        [ ! -f "$file" ] || install -D -m 644 "$file" "$root$file"
    done
}

# Runs a target of the Makefile there, as an ordinary user with an empty environment but for the settings above.
inside() {
    local root=$1 target=$2 settings
    mapfile -d '' settings < <(env -0 | grep -zE '^(PIP_|https?_proxy=|no_proxy=)' || true)
    "${contained[@]}" sh -ec '
        root=$1
        shift
        mount --rbind /dev "$root/dev"
        mount -t proc proc "$root/proc"
        exec chroot --userspec=user:user "$root" "$@"' \
        sh "$root" env -i --chdir=/home/user/bayou \
        "${settings[@]}" HOME=/home/user PATH=/usr/bin:/bin make "$target"
}

failed=0
for suite in "${suites[@]}"; do
    root=$work/$suite
    build "$suite" "$root"
    for target in demo test; do
        started=$SECONDS
        result=passed shown=5
        inside "$root" "$target" >"$work/log" 2>&1 || result=FAILED shown=100 failed=1
        tail -n "$shown" "$work/log"
        echo "== $suite, $(chroot "$root" python3 --version): make $target $result after $((SECONDS - started)) s"
    done
    rm -rf --one-file-system "$root"
done
exit "$failed"
