#!/bin/sh
# Blender loads X libraries even when it renders without a screen. Installs those that are missing where that is
# allowed, and otherwise prints the one command to run.
set -eu

[ "$(uname -s)" = Linux ] || exit 0

packages=""
while read -r library package; do
    ldconfig -p | grep -q "$library" || packages="$packages $package"
done <<LIST
libXi.so.6 libxi6
libXxf86vm.so.1 libxxf86vm1
libXfixes.so.3 libxfixes3
libXrender.so.1 libxrender1
libxkbcommon.so.0 libxkbcommon0
libSM.so.6 libsm6
libGL.so.1 libgl1
LIST
[ -n "$packages" ] || exit 0

if command -v apt-get > /dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing the libraries that Blender needs:$packages"
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages > /dev/null
else
    echo "Blender needs libraries that this machine lacks. Run this once, then the same command again:" >&2
    echo "    sudo apt-get install -y$packages" >&2
    exit 1
fi
