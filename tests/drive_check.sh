#!/usr/bin/env bash
# Lets a load driver that speaks the classic dialect play whole days against `lottery serve`, with 5
# and with 200 agencies, and wants both to end with status 0.
# Usage: drive_check.sh PYTHON DRIVER, a driver that takes HOST:PORT --agencies N --bets N --batch N.
set -euo pipefail

python=$1 driver=$2
scratch=$(mktemp -d)
central=
trap 'if [ -n "$central" ]; then kill "$central" 2>/dev/null || true; fi; rm -rf "$scratch"' EXIT

for agencies in 5 200; do
    log=$scratch/log-$agencies
    mkfifo "$log"
    "$python" -m lottery serve --listen tcp:0:interface=127.0.0.1 --draws 1 \
        --agencies "$agencies" --data-dir "$scratch/data-$agencies" >"$log" &
    central=$!
    exec 3<"$log"
    port=
    while [ -z "$port" ] && read -r line <&3; do
        port=$(sed -n 's/.*accept_connections | result: in_progress .*port: //p' <<<"$line")
    done
    cat <&3 >"$scratch/rest-$agencies" &
    "$python" "$driver" "127.0.0.1:$port" --agencies "$agencies" --bets 5000 --batch 100
    wait "$central"
    central=
done
echo "the driver is content with 5 and with 200 agencies"
