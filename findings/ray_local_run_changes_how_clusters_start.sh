#!/usr/bin/env bash
# ray 2.60.0: one local run decides whether a later cluster asks for a token, and its nodes do not offer it.
#
# Seen: `ray.init()` without an address, as a program on one machine does it, writes a token to
# ~/.ray/auth_token. From then on `ray start --head` with the same home makes a cluster that asks for that token,
# while `ray start --address HOST:PORT` and `ray.init(address="HOST:PORT")`, with the same home and the token
# in it, do not send it: both fail to connect. Before the local run the same commands work. With RAY_AUTH_MODE=token
# they work again. Whoever tried a program locally first, and then followed a guide of two commands for a cluster,
# meets an authentication error in the second one.
#
# Linux; Ray's processes are started in a group of their own and ended as one. Exit 1 where the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
groups=()
end_groups() {
    for group in "${groups[@]}"; do
        kill -KILL -- "-$group" 2>/dev/null || true
        wait "$group" 2>/dev/null || true
    done
    groups=()
}
trap 'end_groups; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ray==2.60.0
export HOME="$folder/home" RAY_USAGE_STATS_ENABLED=0
mkdir "$HOME"
unset RAY_ADDRESS RAY_AUTH_MODE RAY_AUTH_TOKEN RAY_AUTH_TOKEN_PATH
"$folder/venv/bin/python" -c 'import ray; print("ray", ray.__version__)'

head() {  # a head node on a free port; its address
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    setsid "$folder/venv/bin/ray" start --head --node-ip-address 127.0.0.1 --port "$port" --num-cpus 1 \
        --object-store-memory 100000000 --include-dashboard false --temp-dir "$folder/$1" --block \
        >"$folder/$1.log" 2>&1 &
    groups+=($!)
    for _ in $(seq 120); do
        grep -q "Ray runtime started" "$folder/$1.log" && return
        sleep 1
    done
    cat "$folder/$1.log"
    exit 1
}
connects() {  # whether a driver in the same home reaches the head node
    timeout 180 "$folder/venv/bin/python" - "127.0.0.1:$port" >"$folder/driver.log" 2>&1 <<'PYTHON'
import sys

import ray

ray.init(address=sys.argv[1], log_to_driver=False)
print("connected to", len(ray.nodes()), "node")
PYTHON
}
expect() {  # what is being looked at, and how it must end
    if connects; then seen=connects; else seen="is refused"; fi
    echo "$1: a driver $seen"
    [ "$seen" = "$2" ] || { echo changed; exit 1; }
}

head before
[ ! -e "$HOME/.ray/auth_token" ]
expect "before any local run" connects
end_groups

timeout 180 "$folder/venv/bin/python" -c 'import ray; ray.init(num_cpus=1, include_dashboard=False); ray.shutdown()' \
    >"$folder/local.log" 2>&1
[ -s "$HOME/.ray/auth_token" ] && echo "a local run has left ~/.ray/auth_token"

head after
expect "after it, the same commands" "is refused"
grep -q "AuthenticationError\|InvalidAuthToken" "$folder/driver.log"
export RAY_AUTH_MODE=token
expect "after it, with RAY_AUTH_MODE=token" connects
