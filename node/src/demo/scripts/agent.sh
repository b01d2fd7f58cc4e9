# An agent: asks to do what it is told, hands work on where there is somebody, and then writes every
# 50 ms from three processes, of which two are hard to end. It knows Belay only as a command.
# $1 its mark, $2 belay, $3 how marks begin, $4 what it asks to do; then of each further device its
# name, its agent's name, and what that one asks to do.
# The process in a session of its own gets $1, and as $2 the file that it writes.
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

ask() {
    name=$1
    shift
    "$belay" --json "$@" >"$name.out" 2>"$name.err"
    echo $? >"$name.part"
    mv "$name.part" "$name.exit"
}

if [ $# -eq 2 ]; then
    keep_writing "$2"
    exit
fi
mark=$1 belay=$2 begin=$3 act=$4
shift 4
case $act in
search) ask act act tool.call search ;;
move) ask act act motion.move arm --arg speed=9 ;;
esac
if [ $# -gt 0 ]; then
    device=$1 agent=$2 act=$3
    shift 3
    ask offload task offload --to "$device" --name "$agent" -- \
        /bin/sh "$0" "$begin+$device" "$belay" "$begin" "$act" "$@"
fi
# Ignores terminate.
(trap '' TERM; keep_writing ignores-terminate.log) &
# Forks twice, the second time into a new session; its parent is gone at once.
(setsid /bin/sh "$0" "$mark" new-session.log &)
keep_writing main.log
