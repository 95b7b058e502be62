#!/usr/bin/env bash
# Makes sure that PostgreSQL's server binaries are on this machine, unless a
# server of one's own is named by DATABASE_URL. Installs them with the system's
# package manager when that needs no password; else says what to do.
set -euo pipefail

[ -n "${DATABASE_URL:-}" ] && exit 0

found() {
  for d in "${CALLYARD_PG_BIN:-}" "$(pg_config --bindir 2>/dev/null || true)" /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
           /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin /usr/local/pgsql/bin /usr/local/bin /usr/bin; do
    [ -n "$d" ] && [ -x "$d/postgres" ] && [ -x "$d/initdb" ] && return 0
  done
  return 1
}
found && exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
  if sudo -n true 2>/dev/null; then root=(sudo -n); else root=(false); fi
fi
if command -v apt-get >/dev/null; then
  echo "PostgreSQL's server is not installed: installing it with apt-get" >&2
  # Only the binaries are wanted: no cluster of the system's own on port 5432.
  "${root[@]}" mkdir -p /etc/postgresql-common &&
    { [ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' | "${root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null; } &&
    "${root[@]}" apt-get update -qq && "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null || true
elif command -v dnf >/dev/null; then
  echo "PostgreSQL's server is not installed: installing it with dnf" >&2
  "${root[@]}" dnf install -y -q postgresql-server || true
elif command -v brew >/dev/null; then
  echo "PostgreSQL's server is not installed: installing it with brew" >&2
  brew install -q postgresql@17 || true
fi
found && exit 0

cat >&2 <<'TXT'
No PostgreSQL server binaries found, and they could not be installed. Do one of:
  sudo apt-get install -y postgresql          (Debian, Ubuntu)
  sudo dnf install -y postgresql-server       (Fedora)
  brew install postgresql@17                  (macOS)
  export CALLYARD_PG_BIN=/path/to/pgsql/bin   (installed somewhere else)
  export DATABASE_URL=postgres://…            (use a server you already run)
TXT
exit 1
