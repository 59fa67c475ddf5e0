#!/usr/bin/env bash
# Runs a day in containers and ends by itself: down, up, wait for all agencies, stop. What all
# have said is in logs.txt, here, in order of time. Status 0 if each container ended with status 0.
#
# It has a project of its own, which begins with an empty ledger each time.
# COMPOSE_FILE, CONFIG_DIR and INPUT_DIR are as for compose.sh. WAIT is how many seconds the day
# may take, 600 if it is not set; once an agency has failed, the others have 60.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")

export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-lottery}-local-test
# Paths are relative to here, also for make, which runs elsewhere.
for name in COMPOSE_FILE CONFIG_DIR INPUT_DIR; do
    [ -z "${!name:-}" ] || export "$name=$(realpath -m -- "${!name}")"
done
: >logs.txt

compose() { "$here/compose.sh" "$@"; }
targets() { make --no-print-directory --directory "$root" "$@"; }
# SERVICE: running, or another state, and the exit status; nothing if it was never made.
state() {
    local id
    id=$(compose ps -a -q "$1")
    [ -z "$id" ] || docker inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$id"
}
# The agencies that are at work, and those that have failed; of what was never made, neither.
look() {
    local service what
    working=() failures=()
    for service in "${clients[@]}"; do
        what=$(state "$service")
        case $what in
            running* | restarting*) working+=("$service") ;;
            '' | created* | 'exited 0') ;;
            *) failures+=("$service") ;;
        esac
    done
}

compose down --volumes --remove-orphans
trap 'compose stop' EXIT
read -ra clients <<<"$(compose config --services | grep '^client' | sort -V | xargs)"
failed=0
said=
if targets docker-compose-up; then
    end=$((SECONDS + ${WAIT:-600}))
    while look && [ ${#working[@]} -gt 0 ] && [ "$SECONDS" -lt "$end" ]; do
        if [ ${#failures[@]} -gt 0 ] && [ -z "$said" ]; then
            said="these have failed, the others have a minute: ${failures[*]}"
            echo "$said"
            end=$((SECONDS + 60 < end ? SECONDS + 60 : end))
        fi
        sleep 1
    done
else
    failed=1
    look
fi
trap - EXIT
compose stop
# Some versions of compose clear the line of a terminal before each, also in a file.
compose logs -t --no-color | sed 's/\x1b\[2K//; /^Attaching to /d' \
    | sort --stable --key=3,3 >logs.txt

printf '\n%-10s %s\n' service status
for service in server "${clients[@]}"; do
    what=$(state "$service")
    case $what in exited*) status=${what##* } ;; *) status='was not started' ;; esac
    case " ${working[*]} " in *" $service "*) status="$status, stopped before its end" ;; esac
    printf '%-10s %s\n' "$service" "$status"
    [ "$status" = 0 ] || failed=1
done
printf '\nlogs.txt has what they said\n'
exit "$failed"
