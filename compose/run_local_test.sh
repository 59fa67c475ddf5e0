#!/usr/bin/env bash
# Runs a day in containers and ends by itself: down, up, wait for all agencies, stop. What all
# have said is in logs.txt, here, in order of time. Status 0 if each container ended with status 0.
# COMPOSE_FILE, CONFIG_DIR and INPUT_DIR as for compose.sh; WAIT, seconds for the whole day, 600.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
# Paths are relative to here, also for make, which runs elsewhere.
for name in COMPOSE_FILE CONFIG_DIR INPUT_DIR; do
    [ -z "${!name:-}" ] || export "$name=$(realpath -m -- "${!name}")"
done
compose() { "$here/compose.sh" "$@"; }

make --no-print-directory --directory "$root" docker-compose-down
make --no-print-directory --directory "$root" docker-compose-up

read -ra clients <<<"$(compose config --services | grep '^client' | sort -V | xargs)"
failed=0
if ! ids=$(for service in "${clients[@]}"; do compose ps -a -q "$service"; done) \
    || ! xargs -r timeout "${WAIT:-600}" docker wait <<<"$ids" >/dev/null; then
    echo "the day did not end within ${WAIT:-600} s"
    failed=1
fi
compose stop
# Some versions of compose clear the line of a terminal before each, also in a file.
compose logs -t --no-color | sed 's/\x1b\[2K//' | sort --stable --key=3,3 >logs.txt

printf '\n%-10s %s\n' service status
for service in server "${clients[@]}"; do
    status=$(docker inspect --format '{{.State.ExitCode}}' "$(compose ps -a -q "$service")")
    printf '%-10s %s\n' "$service" "$status"
    [ "$status" = 0 ] || failed=1
done
printf '\nlogs.txt has what they said\n'
exit "$failed"
