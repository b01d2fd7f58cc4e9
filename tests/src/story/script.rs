//! The programs that agents run in the stories: plain shell, which knows Belay only as a command.

use super::waiting::must;
use std::fs;
use std::path::Path;

/// The files that a worker writes.
pub const WORKER_FILES: [&str; 3] = ["main.log", "ignores.log", "session.log"];

/// Writes every 50 ms, from three processes: one ignores terminate, one is in a session of its own.
/// `$1` is its mark, `$2` only given to the one in its own session. Ends by itself after minutes.
const WORKER: &str = r#"
STORY_MARK=$1
export STORY_MARK
keep_writing() {
    round=0
    while [ "$round" -lt 4000 ]; do
        echo "$round" >>"$1"
        round=$((round + 1))
        sleep 0.05
    done
}
if [ $# -eq 2 ]; then
    keep_writing "$2"
    exit
fi
(trap '' TERM; keep_writing ignores.log) &
(setsid /bin/sh "$0" "$1" session.log &)
keep_writing main.log
"#;

/// Asks `belay` and keeps what it said: `ask NAME ARGS…` writes NAME.out and NAME.err, then
/// NAME.exit.
const ASKING: &str = r#"
ask() {
    name=$1
    shift
    "$belay" --json "$@" >"$seen/$name.out" 2>"$seen/$name.err" </dev/null
    echo $? >"$seen/$name.part"
    mv "$seen/$name.part" "$seen/$name.exit"
}
"#;

/// Writes the worker's script.
pub(super) fn worker(folder: &Path) -> String {
    write(&folder.join("worker.sh"), WORKER)
}

/// Writes a script that may `ask`, under the variables `belay` and `seen`.
pub(super) fn asking(folder: &Path, name: &str, exe: &Path, lines: &str) -> String {
    let (seen, exe) = (folder.join("seen"), exe.display());
    let head = format!("belay='{exe}' seen='{}'\n", seen.display());
    write(&folder.join(format!("{name}.sh")), &format!("{head}{ASKING}\n{lines}\n"))
}

fn write(path: &Path, text: &str) -> String {
    must(fs::write(path, text), path.display());
    path.display().to_string()
}
