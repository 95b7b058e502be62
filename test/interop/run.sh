#!/usr/bin/env bash
# Runs SIPp, a SIP client that is not ours, against a hub started for it. One line
# for each story; exits 1 if one failed.
#
#   test/interop/run.sh [path of callyard]
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
hub=${1:-$root/bin/callyard}

# --- SIPp -----------------------------------------------------------------------
if ! command -v sipp >/dev/null; then
  as=""; [ "$(id -u)" = 0 ] || as="sudo -n"
  { $as apt-get install -y -qq sip-tester || { $as apt-get update -qq && $as apt-get install -y -qq sip-tester; }; } >/dev/null 2>&1
fi
if ! command -v sipp >/dev/null; then
  echo "skipped by name: sipp not available"
  exit 0
fi
[ -x "$hub" ] || { echo "there is no $hub: make build" >&2; exit 2; }

# --- the hub --------------------------------------------------------------------
work=$(mktemp -d "${TMPDIR:-/tmp}/callyard-interop-XXXXXX")
chmod 0755 "$work" # Postgres runs as another user when we are root
ip=127.0.0.1

# free sets port to one that nobody has, each time another. The seven above it are
# kept too: SIPp's RTP.
next=$((20000 + RANDOM % 600 * 8))
free() {
  while grep -qi ":$(printf %04X "$next") " /proc/net/udp /proc/net/tcp; do next=$((next + 8)); done
  port=$next
  next=$((next + 8))
}
free; sip=$port
free; web=$port

CALLYARD_NODE=interop CALLYARD_WRAP_UP_S=0 CALLYARD_RTP__PORT_MIN=26000 CALLYARD_RTP__PORT_MAX=26999 DATABASE_URL='' \
  "$hub" serve --data-dir "$work" --sip-listen "udp:$ip:$sip,tcp:$ip:$sip" --http-listen "$ip:$web" --ops-listen "" \
  --apply "$here/setup.yaml" >"$work/hub.log" 2>&1 &
pid=$!

stop() {
  kill -TERM "$pid" 2>/dev/null
  for _ in $(seq 200); do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
  kill -KILL "$pid" 2>/dev/null && echo "the hub did not stop in 40 s and was killed" >&2
  wait "$pid" 2>/dev/null
}
trap 'stop; exit 130' INT TERM

# --- SIPp, and what it lacks ----------------------------------------------------
# SIPp 3.6 looks at the first challenge only and knows only MD5; the hub's first
# is SHA-256 (RFC 8760 §2.4: best first). So credentials are made here.
md5() { printf %s "$1" | md5sum | cut -d' ' -f1; }

# credentials METHOD URI USER PASSWORD prints an Authorization header for a fresh nonce.
credentials() {
  local answer challenge realm nonce response id="$RANDOM$RANDOM"
  exec 3<>"/dev/udp/$ip/$sip" || return 1
  printf 'REGISTER sip:%s:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s:9;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\nFrom: <sip:%s@%s>;tag=%s\r\nTo: <sip:%s@%s>\r\nCall-ID: %s\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n' \
    "$ip" "$sip" "$ip" "$id" "$3" "$ip" "$id" "$3" "$ip" "$id" | cat >&3 # cat: in one datagram
  answer=$(timeout 3 dd bs=65536 count=1 <&3 2>/dev/null)
  exec 3>&-
  challenge=$(grep -i '^WWW-Authenticate:.*algorithm=MD5' <<<"$answer" | head -1)
  realm=$(sed -n 's/.*realm="\([^"]*\)".*/\1/p' <<<"$challenge")
  nonce=$(sed -n 's/.*nonce="\([^"]*\)".*/\1/p' <<<"$challenge")
  [ -n "$nonce" ] || return 1
  response=$(md5 "$(md5 "$3:$realm:$4"):$nonce:00000001:interop:auth:$(md5 "$1:$2")") # RFC 7616 §3.4.1
  printf 'Authorization: Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=MD5, qop=auth, nc=00000001, cnonce="interop"' \
    "$3" "$realm" "$nonce" "$2" "$response"
}

# run SCENARIO PORT more… runs one call of a scenario.
run() {
  local scenario=$1 at=$2 log="$work/$story.$1.$2"
  shift 2
  sipp "$ip:$sip" -sf "$here/$scenario.xml" -i $ip -mi $ip -p "$at" -mp "$((at + 2))" -m 1 -nostdin -timeout 25s -timeout_error \
    -key caller 15550100 "$@" -trace_err -error_file "$log.err" -trace_msg -message_file "$log.msg" >"$log.out" 2>&1
}
# caller SCENARIO NUMBER more…
caller() { local s=$1 number=$2; shift 2; free; run "$s" "$port" -s "$number" "$@"; }
# registered REP PORT: the rep's phone is at the port from now on.
registered() {
  local c; c=$(credentials REGISTER "sip:$ip:$sip" "$1" "secret-$1") || return 1
  free; run rep_register "$port" -key rep "$1" -key phone "$ip:$2" -key credentials "$c"
}
# retrieve REP SLOT
retrieve() {
  local c; c=$(credentials INVITE "sip:$2@$ip:$sip" "$1" "secret-$1") || return 1
  free; run rep_retrieve "$port" -s "$2" -key caller "$1" -key rep "$1" -key credentials "$c" -d 1000
}
# listening PORT: a phone started in the background is there.
listening() { for _ in $(seq 50); do grep -qi ":$(printf %04X "$1") " /proc/net/udp && return 0; sleep 0.1; done; return 1; }

# --- the stories ----------------------------------------------------------------
answers=+12025550101 waits=+12025550102 taken=+12025550103 rings=+12025550104 queues=+12025550105 nobody=+12025550199

a_caller_is_parked_and_hangs_up() { caller caller_talk $waits -d 2000; }

a_rep_registers_and_retrieves_by_dialling_the_slot() {
  free; registered rep2 "$port" || return 1
  caller caller_talk $taken -d 4000 & local c=$!
  sleep 1.5
  retrieve rep2 711; local r=$?
  wait $c; local w=$? # the rep has hung up: the hub ends the caller before the caller does
  [ $r = 0 ] && hung_up_by_hub "$w"
}
# hung_up_by_hub STATUS: a caller who stays until the hub's BYE. SIPp counts a BYE
# that it did not expect as a failure; so the messages are asked.
hung_up_by_hub() { [ "$1" = 0 ] || grep -q '^BYE ' "$work/$story".caller_talk.*.msg; }

a_wrong_password_is_refused() {
  local c; c=$(credentials REGISTER "sip:$ip:$sip" rep1 "not-it") || return 1
  free; run rep_wrong_password "$port" -key rep rep1 -key phone "$ip:$port" -key credentials "$c"
}

a_caller_gives_up_while_the_phone_rings() {
  free; local at=$port
  run phone_rings "$at" & local p=$!
  listening "$at" && registered rep1 "$at" && caller caller_cancel $rings; local r=$?
  [ $r = 0 ] || kill $p 2>/dev/null
  wait $p && [ $r = 0 ]
}

a_rep_parks_by_refer_and_another_retrieves() {
  free; local at=$port
  run phone_refers "$at" -key park "sip:720@$ip:$sip" & local p=$!
  listening "$at" && registered rep1 "$at" || { kill $p 2>/dev/null; return 1; }
  caller caller_talk $rings -d 6000 & local c=$!
  wait $p || { wait $c; return 1; }
  retrieve rep2 721; local r=$?
  wait $c; local w=$?
  [ $r = 0 ] && hung_up_by_hub "$w"
}

a_queue_rings_all_and_one_answers() {
  free; local one=$port
  free; local two=$port
  run phone_answers "$one" & local p=$!
  run phone_loses "$two" & local q=$!
  listening "$one" && listening "$two" && registered rep1 "$one" && registered rep2 "$two" || { kill $p $q 2>/dev/null; return 1; }
  caller caller_talk $queues -d 3000; local r=$?
  wait $p; local a=$?
  wait $q; local b=$?
  [ $r = 0 ] && [ $a = 0 ] && [ $b = 0 ]
}

the_offer_comes_late() { caller caller_late_offer $answers; }
hold_and_resume() { caller caller_hold $waits; }
nobody_has_the_number() { caller caller_unknown_number $nobody; }
no_codec_in_common() { caller caller_no_codec $answers; }

# --- ----------------------------------------------------------------------------
story=ready
for _ in $(seq 60); do # until the set-up's last number answers
  kill -0 "$pid" 2>/dev/null || { echo "the hub ended; its log: $work/hub.log" >&2; exit 1; }
  grep -qi ":$(printf %04X "$sip") " /proc/net/udp && caller caller_talk $answers -d 100 && break
  sleep 0.5
done

passed=0 failed=0
for story in a_caller_is_parked_and_hangs_up a_rep_registers_and_retrieves_by_dialling_the_slot a_wrong_password_is_refused \
  a_caller_gives_up_while_the_phone_rings a_rep_parks_by_refer_and_another_retrieves a_queue_rings_all_and_one_answers \
  the_offer_comes_late hold_and_resume nobody_has_the_number no_codec_in_common; do
  begun=$(date +%s%N)
  if "$story"; then verdict=PASS; passed=$((passed + 1)); else verdict=FAIL; failed=$((failed + 1)); fi
  printf '%s  %-52s %5.1f s\n' "$verdict" "${story//_/ }" "$(((($(date +%s%N) - begun)) / 100000000))e-1"
done

if grep -qE 'panic:|fatal error|panic in a call' "$work/hub.log"; then
  echo "FAIL  the hub panicked"
  failed=$((failed + 1))
fi
stop
echo "$passed passed, $failed failed"
if [ "$failed" != 0 ]; then
  echo "messages and the hub's log: $work"
  exit 1
fi
rm -rf "$work"
