# An agent: asks twice, hands work to the robot, and goes on writing.
# $1 belay, $2 the folder for what is seen, $3 the worker, $4 and $5 the marks of both.
PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}
DEMO_MARK=$4
export PATH DEMO_MARK
belay=$1 folder=$2 worker=$3 worker_mark=$5

ask() {
    name=$1
    shift
    "$belay" --json "$@" >"$folder/$name.out" 2>"$folder/$name.err"
    echo $? >"$folder/$name.part"
    mv "$folder/$name.part" "$folder/$name.exit"
}

ask allowed act tool.call search
ask denied act motion.move arm --arg speed=9
ask offload task offload --to robot --name worker -- /bin/sh "$worker" "$worker_mark"

# Ends by itself after some minutes, should nobody stop it.
round=0
while [ "$round" -lt 2400 ]; do
    date +%s%N >>"$folder/planner.log"
    round=$((round + 1))
    sleep 0.05
done
