# What the tests of kqctl share; to be sourced. The programs come from the build directory $KEYQUORUM_BUILD, or else build/.
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${KEYQUORUM_BUILD:-$root/build}
kqctl=$build/service/ctl/kqctl
dir=$(mktemp -d "${TMPDIR:-/tmp}/kqctl.XXXXXX")
pids=() count=0
unset KEYQUORUM_CONF

clean_up() {
    local status=$?
    trap - EXIT
    for pid in "${pids[@]}"; do
        kill -CONT "$pid" 2>/dev/null || true
        kill -TERM "$pid" 2>/dev/null || true
    done
    for pid in "${pids[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$dir"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    echo "not ok - $*"
    sed 's/^/  out: /' "$dir/out" 2>/dev/null || true
    sed 's/^/  err: /' "$dir/err" 2>/dev/null || true
    for log in "$dir"/*/log; do
        [[ ! -s $log ]] || tail -n 5 "$log" | sed "s|^|  $log: |"
    done
    exit 1
}

# Run kqctl, without a terminal, and check its exit status. What it prints is in out and err afterwards.
run() { # STATUS ARGUMENT…
    local expected=$1 status=0
    shift
    setsid -w "$kqctl" "$@" >"$dir/out" 2>"$dir/err" <"$input" || status=$?
    ((status == expected)) || fail "kqctl $*: exit status $status instead of $expected"
    count=$((count + 1))
    if ((expected == 1 || expected == 2)); then
        grep -q '^kqctl: ' "$dir/err" || fail "kqctl $*: no word of what is wrong"
    fi
}
input=/dev/null

# The same on a terminal, where each ANSWER is typed at the next prompt; nothing of those that begin with "secret" may be shown.
typed() { # STATUS "ANSWER ANSWER..." ARGUMENT...
    python3 - "$1" "$2" "$kqctl" "${@:3}" >"$dir/out" 2>"$dir/err" <<'PYTHON' || fail "on a terminal: kqctl ${*:3}"
import os, pty, sys, termios
expected, answers, command = int(sys.argv[1]), sys.argv[2].split(), sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(command[0], command)
left, text, start = list(answers), "", 0
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    text += piece.decode()
    if text.endswith(": ") and len(text) > start and left:
        start = len(text)
        os.write(terminal, left.pop(0).encode().decode("unicode_escape").encode("latin1") + b"\n")
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(text)
assert status == expected, f"exit status {status} instead of {expected}"
assert not left, f"not asked for: {left}"
assert "secret" not in text, "a secret was shown"
assert termios.tcgetattr(terminal)[3] & termios.ECHO, "the echo is off"
PYTHON
    count=$((count + 1))
}

says() { # PATTERN: standard error matches it
    grep -Eq -- "$1" "$dir/err" || fail "standard error does not say '$1'"
}

prints() { # PATTERN: standard output matches it
    grep -Eq -- "$1" "$dir/out" || fail "standard output does not print '$1'"
}

json() { # EXPRESSION: true of the document d on standard output
    python3 -c "import json, sys; d = json.load(open(sys.argv[1])); sys.exit(not ($1))" "$dir/out" || fail "not true of the JSON: $1"
}

ok() {
    echo "ok - $*"
}
