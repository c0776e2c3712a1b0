#!/usr/bin/env bash
# Installs the Debian packages named on the command line that are missing, and starts nothing.
#
#   packages.sh PACKAGE...
#
# Needs root only if something is missing. Services of packages that this call brings in are neither
# started (policy-rc.d) nor left enabled for the next boot: the tests run private instances of them.
set -euo pipefail

installed() { dpkg-query -W -f='${Package} ${db:Status-Status}\n' 2>/dev/null | sed -n 's/ installed$//p' | sort -u; }
say() { printf 'packages: %s\n' "$*" >&2; }

command -v dpkg-query >/dev/null || { say "this needs Debian or a relative of it (no dpkg-query)"; exit 3; }
before=$(installed)
missing=()
for package in "$@"; do
  grep -qx -- "$package" <<<"$before" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
[ "$(id -u)" = 0 ] || { say "missing: ${missing[*]}; install them, or run this once as root"; exit 3; }

policy=/usr/sbin/policy-rc.d
log=$(mktemp)
ours=
cleanup() { rm -f "$log"; [ -z "$ours" ] || rm -f "$policy"; }
trap cleanup EXIT
trap 'exit 130' INT TERM
if [ ! -e "$policy" ]; then
  ours=1
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
# RT's packaged instance is never used; these answers only keep its set-up quiet and local.
debconf-set-selections <<'ANSWERS'
request-tracker5 request-tracker5/rtname string rt.invalid
request-tracker5 request-tracker5/organization string rt.invalid
request-tracker5 request-tracker5/webbaseurl string http://127.0.0.1
exim4-config exim4/dc_eximconfig_configtype select local delivery only; not on a network
ANSWERS
get() { apt-get -o DPkg::Lock::Timeout=120 "$@" >>"$log" 2>&1; }
say "installing ${missing[*]}"
# A fresh machine has no package lists, an old one has stale ones: refresh only if the first try fails.
if ! get install -y --no-install-recommends "${missing[@]}"; then
  get update || true
  get install -y --no-install-recommends "${missing[@]}" || { tail -30 "$log" >&2; exit 3; }
fi

command -v systemctl >/dev/null || exit 0
new=$(comm -13 <(printf '%s\n' "$before") <(installed))
units=$(for package in $new; do dpkg -L "$package"; done |
  sed -nE 's#^(/usr)?/lib/systemd/system/([^/@]+\.(service|timer|socket))$#\2#p' | sort -u)
# shellcheck disable=SC2086  # one word per unit is meant
[ -z "$units" ] || systemctl disable --quiet $units >/dev/null 2>&1 || true
