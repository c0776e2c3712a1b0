#!/usr/bin/env bash
# A private Request Tracker 5 on loopback, from Debian's packages, with everything in one folder.
#
#   rt.sh up      install packages if missing, create and seed the instance, start it in the background
#   rt.sh run     the same, but stays in the foreground as the server (for a parent that owns the process)
#   rt.sh down    stop what "up" started; the folder stays
#
# Settings: RT_DIR (folder of the instance, required), RT_PORT (default 8085), RT_WORKERS (default 3).
# Result, in RT_DIR: url, token (of the least-privileged account "alertd"), password (of "root", of "alertd"
# and of the person "jane"). The queue is Incidents.
set -euo pipefail

: "${RT_DIR:?name a folder for the instance}"
mkdir -p "$RT_DIR"
RT_DIR=$(readlink -f "$RT_DIR")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
port=${RT_PORT:-8085}
url=http://127.0.0.1:$port
# RT reads this file instead of /etc/request-tracker5; the second folder is empty on purpose.
export RT_SITE_CONFIG=$RT_DIR/site.pm RT_SITE_CONFIG_DIR=$RT_DIR/site.d
server=(perl /usr/share/request-tracker5/libexec/rt-server --server Starman
  --host 127.0.0.1 --port "$port" --workers "${RT_WORKERS:-3}")

say() { printf 'rt: %s\n' "$*" >&2; }
run_logged() { "$@" >"$RT_DIR/setup.log" 2>&1 || { tail -20 "$RT_DIR/setup.log" >&2; say "failed: $1"; exit 1; }; }

configure() {
  mkdir -p "$RT_DIR"/{site.d,var,mason,sessions}
  cat >"$RT_SITE_CONFIG" <<CONFIG
Set(\$rtname, 'lab');
Set(\$Organization, 'lab.invalid');
Set(\$WebDomain, '127.0.0.1');
Set(\$WebPort, $port);
Set(\$WebPath, '');
Set(\$Timezone, 'UTC');
Set(\$DatabaseType, 'SQLite');
Set(\$DatabaseName, '$RT_DIR/rt.sqlite');
Set(\$WebSessionClass, 'Apache::Session::File');
Set(\$LogToSyslog, undef);
Set(\$LogToSTDERR, 'warning');
# No mail leaves, and no process per mail.
Set(\$MailCommand, sub { return 1 });
# Each REST request hashes its token anew; the default cost of 12 takes a quarter of a second each time.
Set(\$BcryptCost, 6);
\$RT::VarPath         = '$RT_DIR/var';
\$RT::MasonDataDir    = '$RT_DIR/mason';
\$RT::MasonSessionDir = '$RT_DIR/sessions';
1;
CONFIG
}

prepare() {
  "$here/packages.sh" dbconfig-no-thanks request-tracker5 rt5-standalone rt5-db-sqlite starman sqlite3 libjson-perl curl
  configure
  [ ! -e "$RT_DIR/seeded" ] || return 0
  (umask 077; od -An -tx1 -N12 /dev/urandom | tr -d ' \n' >"$RT_DIR/password")
  rm -f "$RT_DIR"/rt.sqlite*
  run_logged /usr/sbin/rt-setup-database-5 --action init --dba lab --dba-password lab \
    --root-password-file "$RT_DIR/password"
  # Readers go on while one worker writes.
  run_logged sqlite3 "$RT_DIR/rt.sqlite" 'pragma journal_mode = wal'
  run_logged perl "$here/rt_seed.pl" "$RT_DIR"
  echo "$url" >"$RT_DIR/url"
  touch "$RT_DIR/seeded"
}

up() {
  prepare
  if [ -s "$RT_DIR/pid" ] && kill -0 "$(cat "$RT_DIR/pid")" 2>/dev/null; then say "already up at $url"; return 0; fi
  cd "$RT_DIR" # by which "down" knows it again
  setsid "${server[@]}" >>"$RT_DIR/server.log" 2>&1 </dev/null &
  echo $! >"$RT_DIR/pid"
  for _ in $(seq 240); do
    if curl -fs -m 10 -o /dev/null -H "Authorization: token $(cat "$RT_DIR/token")" "$url/REST/2.0/rt"; then
      say "up at $url"
      return 0
    fi
    kill -0 "$(cat "$RT_DIR/pid")" 2>/dev/null || break
    sleep 0.25
  done
  tail -20 "$RT_DIR/server.log" >&2
  say "no answer"
  down
  exit 1
}

down() {
  [ -s "$RT_DIR/pid" ] || return 0
  local pid
  pid=$(cat "$RT_DIR/pid")
  rm -f "$RT_DIR/pid"
  # A pid may have been given to somebody else since: end only a server of our own folder.
  [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$(readlink -f "$RT_DIR")" ] || return 0
  kill -TERM "$pid" 2>/dev/null || return 0
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
  kill -KILL -- "-$pid" 2>/dev/null || true
}

case "${1:-}" in
  up) up ;;
  run) prepare; exec "${server[@]}" ;;
  down) down ;;
  *) sed -n '2,10p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
