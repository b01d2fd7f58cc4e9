# Work on the robot: writes every 50 ms, from three processes of which two are hard to end.
# $1 its mark; $2, given to the one in a session of its own, the file that it writes.
PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}
DEMO_MARK=$1
export PATH DEMO_MARK

# Ends by itself after some minutes, should nobody stop it.
keep_writing() {
    round=0
    while [ "$round" -lt 2400 ]; do
        date +%s%N >>"$1"
        round=$((round + 1))
        sleep 0.05
    done
}

if [ $# -eq 2 ]; then
    keep_writing "$2"
    exit
fi
# Ignores terminate.
(trap '' TERM; keep_writing ignores-terminate.log) &
# Forks twice, the second time into a new session; its parent is gone at once.
(setsid /bin/sh "$0" "$1" new-session.log &)
keep_writing worker.log
