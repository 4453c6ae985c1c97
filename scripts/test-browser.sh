#!/bin/sh
# The tests of the line's pages use a Chromium. Installs Debian's where there is none and that is allowed, and otherwise
# says how: without one these tests are skipped.
set -eu

for program in chromium chromium-browser google-chrome; do
    ! command -v "$program" > /dev/null || exit 0
done

if command -v apt-get > /dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing the browser that the tests of the line's pages use: chromium"
    if apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium > /dev/null; then
        exit 0
    fi
fi
echo "There is no Chromium, so the tests of the line's pages in a browser are skipped. To have them run:" >&2
echo "    sudo apt-get install -y chromium" >&2
