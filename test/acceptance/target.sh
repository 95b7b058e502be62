#!/usr/bin/env bash
# Starts a hub with the acceptance set-up and writes target.json, which tells
# black-box clients where it is and what is set up. Ends with Ctrl-C.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
data=${TARGET_DATA:-$(mktemp -d "${TMPDIR:-/tmp}/callyard-target-XXXXXX")}
sip=${TARGET_SIP:-127.0.0.1:15060}
http=${TARGET_HTTP:-127.0.0.1:15080}
out=${TARGET_JSON:-$root/bin/target.json}
chmod 0755 "$data"

cat > "$out" <<JSON
{
  "hub": "$sip", "ip": "${sip%:*}", "trunk_user": "+12025550199",
  "park": "sip:700@$sip", "slot": "703",
  "reps": {"rep1": "pw-rep1", "rep2": "pw-rep2", "rep3": "pw-rep3", "rep4": "pw-rep4"},
  "alias": {"answer": "+12025550110", "short": "+12025550111", "unknown": "+12025550999", "rep": "+12025550112", "queue": "+12025550113"},
  "pid_cmd": "cat $data/hub.pid", "log": "$data/hub.log", "escalate_s": 10, "lot_size": 5,
  "api": "http://$http"
}
JSON
echo "target: $out   log: $data/hub.log"

trap 'kill "$(cat "$data/hub.pid" 2>/dev/null)" 2>/dev/null; wait' EXIT INT TERM
# Test clients in wide use read only the first challenge and know only MD5. A case
# may call a rep at once after the case before.
CALLYARD_SIP__DIGESTS=MD5 CALLYARD_WRAP_UP_S=0 "$root/bin/callyard" serve --data-dir "$data" --sip-listen "udp:$sip,tcp:$sip" --http-listen "$http" --ops-listen "" \
  --apply "$here/target.yaml" >"$data/hub.log" 2>&1 &
echo $! > "$data/hub.pid"
wait $!
