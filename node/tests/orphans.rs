//! The node's side of a killed warden. Alone in its process: it speaks of all children.

mod support;

use belay_node::os::{become_subreaper, end_orphans, has_ended, process_alive};
use rustix::process::{Pid, Signal, kill_process};
use support::{Task, dead, eventually};

/// Goal: what a killed warden leaves comes to the node and is ended; another warden's task is not
/// touched.
#[test]
fn a_dead_wardens_orphans_are_ended() {
    become_subreaper().expect("a subreaper");
    let other = Task::running("echo $$ > ready; sleep 60");
    let bystander = other.pid_in("ready");
    let task = Task::running(
        "setsid -f sh -c 'echo $$ > daemon; trap \"\" TERM; while :; do sleep 0.05; done'; \
         sh -c 'echo $$ > child; sleep 60; :'",
    );
    let (daemon, child) = (task.pid_in("daemon"), task.pid_in("child"));
    let warden = Pid::from_raw(task.warden.cast_signed()).expect("a pid");
    kill_process(warden, Signal::KILL).expect("it exists");
    eventually("the warden's end", || has_ended(task.warden).then_some(()));

    let report = end_orphans(&[other.warden]);
    let ended: Vec<u32> = report.ended.iter().map(|process| process.pid).collect();
    assert!(ended.contains(&daemon) && ended.contains(&child), "{report:?}");
    assert!(report.left.is_empty() && dead(daemon) && dead(child) && !dead(bystander));
    assert!(report.ended.iter().all(|p| !process_alive(p.pid, p.start_time)));
    assert_eq!(end_orphans(&[other.warden]), Default::default());
}
