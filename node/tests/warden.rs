//! Stories of one warden and one task, through the channel, the facts and what the system shows.

mod support;

use belay_node::os::{boot_id, boot_now_ns, parents_of};
use belay_node::warden::{FromWarden, Seen, TaskSpec, TaskStdio, ToWarden};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use std::time::{Duration, Instant};
use support::{PATIENCE, SECOND_NS, Task, dead, eventually, hear_any, is_doubt};

const EMPTY: fn(&FromWarden) -> bool =
    |fact| matches!(fact, FromWarden::Empty { seen: Seen::NoChildrenLeft, .. });

/// A script that writes a line every 20 ms.
const TICKER: &str = "while :; do echo x >> ticks; sleep 0.02; done";

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a pid");
    kill_process(pid, signal).expect("it exists");
}

/// Goal: a task that ends by itself is told in order, and the facts say the same.
#[test]
fn a_natural_exit_is_told_and_kept() {
    let mut task = Task::running("echo out; echo err >&2; exit 7");
    let heard = task.hear_to_the_end();
    assert_eq!(heard[0], FromWarden::Exited { code: Some(7), signal: None });
    assert!(heard.len() == 2 && EMPTY(&heard[1]));
    assert_eq!(task.facts()[1..], heard);
    let FromWarden::Started { boot_id: boot, .. } = &task.facts()[0] else { panic!("a start") };
    assert_eq!(*boot, boot_id().expect("a boot"));
    assert_eq!(task.read("output"), "out\nerr\n");
}

/// Goal: nothing starts before the first lease, and an end before it leaves proof of nothing left.
#[test]
fn nothing_starts_without_a_lease() {
    let mut task = Task::given("touch ran");
    task.tell(&ToWarden::End { grace_ms: 100 });
    let heard = task.hear_to_the_end();
    assert!(heard.len() == 1 && EMPTY(&heard[0]));
    assert!(!task.path("ran").exists());
}

/// Goal: output beyond the limit is dropped, and its writer neither blocks nor breaks.
#[test]
fn output_is_capped_and_drained() {
    let mut task = Task::running("head -c 3000000 /dev/zero && echo done > fine");
    let heard = task.hear_to_the_end();
    assert_eq!(heard[0], FromWarden::Exited { code: Some(0), signal: None });
    assert_eq!(task.read("output").len(), 1_000);
    assert_eq!(task.read("fine"), "done\n");
}

/// Goal: the task starts with its own environment, in a
/// session of its own, dying with its warden.
#[test]
fn the_task_inherits_nothing_of_the_warden() {
    let script = "env > environment; \
                  ulimit -c > core; cut -d' ' -f6 /proc/$$/stat > sid";
    let mut task = Task::shaped(script, |spec| spec.env.push(("A".into(), "b c".into())));
    task.run_for_ms(30_000);
    let pid = task.started();
    task.hear_to_the_end();
    let mut names: Vec<String> = task
        .read("environment")
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0.to_owned()))
        .filter(|name| name != "PWD" && name != "_" && name != "SHLVL" && name != "OLDPWD")
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["A", "PATH"]);
    assert_eq!((task.read("core").trim(), task.read("sid").trim()), ("0", &*pid.to_string()));
}

/// Goal: the task blocks no signal and ignores none that the test's own parent does not.
/// Method: a program that prints its own masks; a shell changes them while it starts others.
#[test]
fn the_task_starts_with_clean_signals() {
    let mut task = Task::running_shaped("", |spec| {
        spec.program = "grep".into();
        spec.args = ["-E", "^Sig(Blk|Ign)", "/proc/self/status"].map(str::to_owned).to_vec();
    });
    task.hear_to_the_end();
    let own = std::fs::read_to_string("/proc/self/status").expect("readable");
    let of_test = own.lines().find(|line| line.starts_with("SigIgn")).expect("a line");
    // A Rust program itself ignores the broken pipe, which is reset for children.
    // Above 31 stand the C library's own signals, which it sets as it likes.
    let mask = |line: &str| {
        let digits = line.rsplit('\t').next().unwrap_or_default();
        u64::from_str_radix(digits, 16).map(|mask| mask & 0x7fff_ffff)
    };
    let signals = task.read("output");
    let found: Vec<u64> = signals.lines().map(|line| mask(line).expect("a mask")).collect();
    assert_eq!(found, [0, mask(of_test).expect("a mask") & !(1 << (13 - 1))]);
}

/// Goal: what the node itself inherited, and could not mark, does not reach a task.
/// Method: a descriptor without the mark, and a program that lists its own (3 is the listing).
#[test]
fn the_task_has_three_descriptors() {
    let inheritable = rustix::io::dup(std::io::stderr()).expect("a copy");
    let mut task = Task::running_shaped("", |spec| {
        spec.program = "ls".into();
        spec.args = vec!["/proc/self/fd".to_owned()];
    });
    task.hear_to_the_end();
    assert_eq!(task.read("output").split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
    drop(inheritable);
}

/// Goal: a caller deep in the tree is traced up to its warden.
#[test]
fn a_caller_stands_under_its_warden() {
    let task = Task::running("sh -c 'echo $$ > inner; sleep 60; :'");
    let chain = parents_of(task.pid_in("inner"));
    assert_eq!(chain.get(1).map(|parent| parent.0), Some(task.warden));
    assert_eq!(chain.get(2).map(|parent| parent.0), Some(std::process::id()));
}

/// Goal: who handles the request to end has the grace for it; who ignores it is killed after it.
#[test]
fn a_child_that_ignores_the_request_is_killed() {
    let mut task = Task::running("trap '' TERM; echo $$ > ready; while :; do sleep 0.05; done");
    task.pid_in("ready");
    let asked = Instant::now();
    task.tell(&ToWarden::End { grace_ms: 200 });
    let heard = task.hear_to_the_end();
    assert_eq!(heard[0], FromWarden::Exited { code: None, signal: Some(9) });
    assert!(asked.elapsed() >= Duration::from_millis(200));
    assert!(EMPTY(heard.last().expect("an end")));
}

/// Goal: the request reaches everybody, also below, and is handled within the grace.
#[test]
fn everybody_is_asked_first() {
    let below = "trap \"echo bye > below; exit 0\" TERM; echo $$ > b; while :; do sleep 0.01; done";
    let script = format!(
        "sh -c '{below}' & trap 'wait; exit 3' TERM; echo $$ > a; while :; do sleep 0.01; done"
    );
    let mut task = Task::running(&script);
    task.pid_in("a");
    task.pid_in("b");
    task.tell(&ToWarden::End { grace_ms: 15_000 });
    let heard = task.hear_to_the_end();
    assert_eq!(heard[0], FromWarden::Exited { code: Some(3), signal: None });
    assert_eq!(task.read("below"), "bye\n");
}

/// Goal: a daemon that forked twice into a session of its own stays of the task after the first
/// process ended, and is found and killed.
#[test]
fn a_daemon_is_found_and_killed() {
    let daemon = "trap \"\" TERM HUP; echo $$ > daemon; while :; do sleep 0.05; done";
    let mut task = Task::running(&format!("setsid -f sh -c '{daemon}'; exit 0"));
    assert_eq!(task.hear(), FromWarden::Exited { code: Some(0), signal: None });
    let daemon = task.pid_in("daemon");
    assert!(!dead(daemon));
    task.tell(&ToWarden::End { grace_ms: 50 });
    assert!(task.hear_to_the_end().iter().all(EMPTY));
    assert!(dead(daemon));
}

/// Goal: at the end of the lease nothing is written any more, at once; a new lease thaws.
/// Method: the writer's own times on the boot clock are not known, so the file is watched: after
/// "frozen" is heard its length never changes, and "frozen" comes right after the lease's end. A
/// machine busy with other things may be late once and again, but not each time.
#[test]
fn a_lapse_freezes_at_once_and_a_lease_thaws() {
    let mut task = Task::running(TICKER);
    let deadline = Instant::now() + PATIENCE;
    loop {
        task.grows("ticks");
        let until = task.run_for_ms(200);
        let heard = task.hear();
        let FromWarden::Frozen { boot_ns } = heard else { panic!("expected a freeze: {heard:?}") };
        stays_as_long(&task, "ticks", Duration::from_millis(300));
        task.run_for_ms(30_000);
        assert!(matches!(task.hear(), FromWarden::Thawed { .. }));
        task.grows("ticks");
        assert!(boot_ns >= until, "{} ns early", until - boot_ns);
        let late_ns = boot_ns - until;
        if late_ns < SECOND_NS / 10 {
            break;
        }
        assert!(Instant::now() < deadline, "late each time, now by {late_ns} ns");
    }
}

/// Watches a file that nobody may write any more.
fn stays_as_long(task: &Task, name: &str, watch: Duration) {
    let length = task.read(name).len();
    let watched = Instant::now();
    while watched.elapsed() < watch {
        assert_eq!(task.read(name).len(), length);
    }
}

/// Goal: an order to freeze holds until the next lease, and whoever had stopped himself before
/// stays stopped after it.
#[test]
fn a_freeze_holds_and_leaves_sleepers_asleep() {
    let script = format!("sh -c 'echo $$ > sleeper; kill -STOP $$; echo > woken' & {TICKER}");
    let mut task = Task::running(&script);
    let sleeper = task.pid_in("sleeper");
    let stopped = || std::fs::read_to_string(format!("/proc/{sleeper}/stat")).ok();
    eventually("a sleeper", || stopped()?.contains(") T ").then_some(()));
    task.tell(&ToWarden::Freeze);
    assert!(matches!(task.hear(), FromWarden::Frozen { .. }));
    task.run_for_ms(30_000);
    assert!(matches!(task.hear(), FromWarden::Thawed { .. }));
    task.grows("ticks");
    assert!(stopped().is_some_and(|stat| stat.contains(") T ")) && !task.path("woken").exists());
}

/// Goal: who is told to stand still waits for the next word, also beyond the lapse grace; once the
/// node is gone the grace runs.
#[test]
fn a_pause_outlasts_the_lapse_grace() {
    let mut task = Task::running_shaped(TICKER, |spec| spec.lapse_grace_ms = 200);
    task.tell(&ToWarden::Freeze);
    let FromWarden::Frozen { boot_ns } = task.hear() else { panic!("expected a freeze") };
    eventually("five times the grace has passed", || {
        (boot_now_ns() > boot_ns + SECOND_NS).then_some(())
    });
    task.run_for_ms(30_000);
    assert!(matches!(task.hear(), FromWarden::Thawed { .. }));
    task.grows("ticks");
}

/// Goal: a part that somebody else lets go on while the tree is frozen is stopped again.
#[test]
fn a_frozen_tree_is_stopped_again() {
    let mut task = Task::shaped("exec sleep 60", |_| {});
    task.run_for_ms(30_000);
    let first = task.started();
    task.tell(&ToWarden::Freeze);
    assert!(matches!(task.hear(), FromWarden::Frozen { .. }));
    signal(first, Signal::CONT);
    let state = || std::fs::read_to_string(format!("/proc/{first}/stat")).unwrap_or_default();
    eventually("stopped again", || state().contains(") T ").then_some(()));
}

/// Goal: a lease further ahead than 30 s counts as 30 s.
/// Method: no waiting: the clamp is exact in its own test; here the warden accepts it and lives.
#[test]
fn a_far_lease_is_accepted_and_cut() {
    let mut task = Task::given("echo $$ > ready; sleep 60");
    task.tell(&ToWarden::Run { until_boot_ns: u64::MAX });
    task.started();
    task.pid_in("ready");
    task.tell(&ToWarden::End { grace_ms: 1_000 });
    assert!(task.hear_to_the_end().iter().any(EMPTY));
}

/// Goal: frozen longer than the lapse grace, the task is ended without ever running again.
#[test]
fn the_lapse_grace_ends_the_task() {
    let script = format!("trap 'echo ran > late' TERM; {TICKER}");
    let mut task = Task::running_shaped(&script, |spec| spec.lapse_grace_ms = 2_000);
    let until = task.run_for_ms(200);
    let heard = task.hear_to_the_end();
    assert!(matches!(heard[0], FromWarden::Frozen { .. }));
    assert_eq!(heard[1], FromWarden::Exited { code: None, signal: Some(9) });
    let Some(FromWarden::Empty { boot_ns, .. }) = heard.last() else { panic!("an end") };
    assert!(*boot_ns >= until + 2 * SECOND_NS);
    assert!(!task.path("late").exists());
}

/// Goal: when the node is gone the tree freezes and ends, long before its lease would, and the
/// facts alone tell it.
#[test]
fn a_closed_channel_freezes_then_ends() {
    let mut task = Task::running_shaped(TICKER, |spec| spec.lapse_grace_ms = 2_000);
    task.grows("ticks");
    let closed_at = boot_now_ns();
    task.channel = None;
    let mut facts = task.facts_at_the_end();
    facts.retain(|fact| !is_doubt(fact));
    let FromWarden::Frozen { boot_ns } = facts[1] else { panic!("expected a freeze: {facts:?}") };
    assert!(boot_ns < closed_at + 15 * SECOND_NS);
    assert_eq!(facts[2], FromWarden::Exited { code: None, signal: Some(9) });
    assert!(EMPTY(&facts[3]));
}

/// Goal: an end while frozen kills without letting anyone run: no lease would allow it.
#[test]
fn an_end_while_frozen_kills_without_thawing() {
    let script = format!("trap 'echo ran > late; exit 0' TERM; {TICKER}");
    let mut task = Task::running(&script);
    task.grows("ticks");
    task.tell(&ToWarden::Freeze);
    assert!(matches!(task.hear(), FromWarden::Frozen { .. }));
    let length = task.read("ticks").len();
    task.tell(&ToWarden::End { grace_ms: 5_000 });
    task.run_for_ms(30_000);
    let heard = task.hear_to_the_end();
    assert_eq!(heard[0], FromWarden::Exited { code: None, signal: Some(9) });
    assert_eq!((task.read("ticks").len(), task.path("late").exists()), (length, false));
}

/// Goal: the end is final: a later lease neither thaws nor prolongs it.
#[test]
fn nothing_follows_the_end() {
    let mut task = Task::running("trap '' TERM; echo $$ > ready; while :; do sleep 0.05; done");
    task.pid_in("ready");
    task.tell(&ToWarden::End { grace_ms: 100 });
    task.run_for_ms(30_000);
    let heard = task.hear_to_the_end();
    assert_eq!(heard[0], FromWarden::Exited { code: None, signal: Some(9) });
}

/// Goal: children that outrun single signals, each starting its successor and leaving, are ended.
/// Method: four such chains, which give up by themselves after 30 s.
#[test]
fn a_fork_happy_tree_is_ended() {
    let hop = "echo >> hops; [ $(date +%s) -lt $1 ] && sh ./hop $1 & exit 0";
    let mut task = Task::given(
        "end=$(($(date +%s) + 30)); for chain in 1 2 3 4; do sh ./hop $end & done; sleep 60",
    );
    std::fs::write(task.path("hop"), hop).expect("writable");
    task.run_for_ms(30_000);
    task.started();
    for _growth in 0..20 {
        task.grows("hops");
    }
    task.tell(&ToWarden::End { grace_ms: 100 });
    let heard = task.hear_to_the_end();
    assert!(EMPTY(heard.last().expect("an end")), "{heard:?}");
}

/// Goal: a bomb that doubles is ended while it grows.
/// Method: it doubles nine times at most, and each process leaves after 30 s.
#[test]
fn a_fork_bomb_is_ended() {
    let bomb = "if [ $1 -gt 0 ]; then sh ./bomb $(($1 - 1)) & sh ./bomb $(($1 - 1)) & fi; \
                echo >> born; exec sleep 30";
    let mut task = Task::given("exec sh ./bomb 9");
    std::fs::write(task.path("bomb"), bomb).expect("writable");
    task.run_for_ms(30_000);
    task.started();
    task.grows("born");
    task.tell(&ToWarden::End { grace_ms: 0 });
    let heard = task.hear_to_the_end();
    assert!(EMPTY(heard.last().expect("an end")), "{heard:?}");
}

/// Goal: a broad fork storm is frozen at a lapse, with every member seen standing.
#[test]
fn a_fork_storm_freezes() {
    let script = "end=$(($(date +%s) + 20)); \
                  while [ $(date +%s) -lt $end ]; do sleep 0.05 & sleep 0.05 & sleep 0.05 & done";
    let mut task = Task::running(script);
    task.tell(&ToWarden::Freeze);
    let told = Instant::now();
    while !matches!(task.hear(), FromWarden::Frozen { .. }) {
        assert!(told.elapsed() < PATIENCE);
    }
}

/// Goal: a program that does not exist, and a folder that does not, are refused with the reason.
#[test]
fn what_cannot_run_is_refused() {
    let mut task = Task::shaped("", |spec| spec.program = "no-such-program".into());
    task.run_for_ms(30_000);
    let heard = task.hear_to_the_end();
    let FromWarden::Refused { why } = &heard[0] else { panic!("expected a refusal: {heard:?}") };
    assert!(why.contains("no-such-program") && why.contains("No such file"), "{why}");
    assert!(heard.len() == 2 && EMPTY(&heard[1]) && task.facts() == heard);

    let mut task = Task::shaped("", |spec| spec.cwd = "/no/such/folder".into());
    task.run_for_ms(30_000);
    assert!(matches!(task.hear(), FromWarden::Refused { why } if why.contains("/no/such/folder")));
}

/// Goal: a folder that has facts already gets no second warden.
#[test]
fn a_used_folder_is_refused() {
    let first = Task::running("exit 0");
    let folder = first.folder.path().to_path_buf();
    let mut second = Task::shaped("exit 0", |spec| spec.folder = folder);
    assert!(matches!(second.hear(), FromWarden::Refused { why } if why.contains("facts")));
}

/// Goal: when the warden is killed, the task's first process dies with it.
#[test]
fn the_first_process_dies_with_its_warden() {
    let mut task = Task::shaped("exec sleep 60", |_| {});
    task.run_for_ms(30_000);
    let first = task.started();
    signal(task.warden, Signal::KILL);
    eventually("death with the warden", || dead(first).then_some(()));
    task.channel = None;
}

/// Goal: whoever started an agent in front ends it by ending its warden (a shell's `kill %1`, a
/// `timeout`), also where it stands still and its main process is gone. Method: a tree that tidies
/// up when it is asked; then one whose main process has left a child, frozen.
#[test]
fn a_foreground_warden_ends_its_tree_when_it_is_asked() {
    let front = |spec: &mut TaskSpec| spec.stdio = TaskStdio::Inherit;
    let script = "trap 'exit 9' TERM; touch ready; while :; do sleep 0.01; done";
    let mut task = Task::running_shaped(script, front);
    eventually("a trap", || task.path("ready").exists().then_some(()));
    signal(task.warden, Signal::TERM);
    assert_eq!(task.hear(), FromWarden::Exited { code: Some(9), signal: None });
    assert!(matches!(task.hear(), FromWarden::Empty { .. }));

    let script = format!("({TICKER}) & exit 0");
    let mut task = Task::running_shaped(&script, front);
    assert_eq!(task.hear(), FromWarden::Exited { code: Some(0), signal: None });
    task.grows("ticks");
    task.tell(&ToWarden::Freeze);
    assert!(matches!(task.hear(), FromWarden::Frozen { .. }));
    signal(task.warden, Signal::TERM);
    assert!(matches!(task.hear_to_the_end().last(), Some(FromWarden::Empty { .. })));
}

/// Goal: signals aimed at a warden that the node started do not end it.
#[test]
fn a_warden_does_not_obey_signals() {
    let mut task = Task::running(TICKER);
    for one in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::TSTP, Signal::USR1] {
        signal(task.warden, one);
    }
    task.grows("ticks");
    task.tell(&ToWarden::Freeze);
    assert!(matches!(task.hear(), FromWarden::Frozen { .. }));
}

/// Goal: an end that cannot be recorded is not told as proven.
/// Method: the warden's own file size limit is set to nothing, which refuses every further write.
#[test]
fn an_unrecorded_end_is_not_proven() {
    let mut task = Task::running("while [ ! -e go ]; do sleep 0.01; done");
    let warden = Pid::from_raw(task.warden.cast_signed());
    let nothing = Rlimit { current: Some(0), maximum: Some(0) };
    prlimit(warden, Resource::Fsize, nothing).expect("a limit");
    std::fs::write(task.path("go"), "").expect("writable");
    assert_eq!(task.hear(), FromWarden::Exited { code: Some(0), signal: None });
    let doubt = hear_any(task.channel.as_mut().expect("open"));
    assert!(matches!(doubt, FromWarden::NotProven { why, .. } if why.contains("recorded")));
    assert_eq!(task.facts().len(), 1);
}

/// Goal: a foreground task without a terminal uses the warden's own streams.
#[test]
fn inherited_streams_need_no_terminal() {
    let mut task =
        Task::running_shaped("read line; exit 5", |spec| spec.stdio = TaskStdio::Inherit);
    assert_eq!(task.hear(), FromWarden::Exited { code: Some(5), signal: None });
    assert!(!task.path("output").exists());
}
