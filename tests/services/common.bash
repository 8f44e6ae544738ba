# What the scripts in this folder share; source it. It makes $folder. At the end it stops what runs
# for $server, the process that the script started, and what it started $beside it, and removes the
# folder.

folder=$(mktemp -d "${TMPDIR:-/tmp}/django-invitation.XXXXXX")
server=
beside=
stop_signal=TERM

finish() {
    local status=$?
    trap - EXIT INT TERM
    [ -z "$server" ] || stop
    [ -z "$beside" ] || kill "$beside" 2>/dev/null || true
    # A program that was interrupted with us may still be writing.
    rm -rf "$folder" 2>/dev/null || { sleep 1; rm -rf "$folder"; }
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Stop the server: its own process, which may be a child of $server, is named in a file of its own.
stop() {
    local pid=$server file tries
    for file in "$folder/data/postmaster.pid" "$folder/pid"; do
        [ ! -s "$file" ] || pid=$(head -n 1 "$file")
    done
    kill -"$stop_signal" "$pid" 2>/dev/null || true
    for tries in $(seq 100); do
        kill -0 "$server" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid" "$server" 2>/dev/null || true
}

unavailable() {
    echo "$(basename "$0"): $1" >&2
    exit 69
}

need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || unavailable "$program is not installed"
    done
}

# Print the last of the folders that exist.
newest() { ls -d "$@" 2>/dev/null | sort -V | tail -n 1 || true; }

# Print a port that nobody uses, or as many as asked for, below those that the system hands out by
# itself.
free_port() { free_ports 1; }
free_ports() {
    "${PYTHON:-python3}" - "$1" <<'PY'
import random
import socket
import sys

left = int(sys.argv[1])
for port in random.sample(range(20000, 32000), 1000):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(port)
        left -= 1
        if not left:
            break
PY
}

# Wait until a command succeeds; give up when the server ended or half a minute has passed.
wait_for() {
    local tries
    for tries in $(seq 300); do
        "$@" && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    echo "$(basename "$0"): the server did not start:" >&2
    cat "${log:-$folder/log}" >&2
    exit 1
}

# Run the command with what tests/settings.py needs to reach the server.
run_with() {
    export INVITATION_TEST_DB=$1 INVITATION_TEST_DB_HOST=127.0.0.1 INVITATION_TEST_DB_PORT=$2
    export INVITATION_TEST_DB_USER=$3 INVITATION_TEST_DB_PASSWORD=$4
    shift 4
    "$@"
}
