//! What is left of a task whose warden is gone: found by the marks in its environment, and ended.
//!
//! Somebody who kills node and warden together leaves processes below nobody. They still carry the
//! task's own two variables, which no program sets by chance. What stands below a living warden is
//! never touched here, and nothing found here proves anything: the receipt stays not-proven.

use super::super::Process;
use super::process::{find_process, keeps_a_task, parents_of, send};
use rustix::process::Signal;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Killed processes vanish within milliseconds; forks that outrun this are found at the next start.
const STRAYS_TIME_MAX: Duration = Duration::from_millis(2_000);
const STRAYS_LOOK_EVERY: Duration = Duration::from_millis(5);

/// Ends every process that carries all of these `NAME=value` marks and stands below no warden; who
/// they were. Takes 2 s at most.
pub fn end_strays(marks: &[String]) -> Vec<Process> {
    let started = Instant::now();
    let mut ended: Vec<Process> = Vec::new();
    loop {
        let strays = strays(marks);
        if strays.is_empty() || started.elapsed() > STRAYS_TIME_MAX {
            return ended;
        }
        for stray in strays {
            send(stray, Signal::KILL);
            if !ended.contains(&stray) {
                ended.push(stray);
            }
        }
        sleep(STRAYS_LOOK_EVERY);
    }
}

fn strays(marks: &[String]) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| carries(*pid, marks) && !below_a_warden(*pid))
        .filter_map(find_process)
        .collect()
}

fn carries(pid: u32, marks: &[String]) -> bool {
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
    let has = |mark: &String| environment.split(|byte| *byte == 0).any(|v| v == mark.as_bytes());
    !marks.is_empty() && marks.iter().all(has)
}

fn below_a_warden(pid: u32) -> bool {
    parents_of(pid).iter().any(|(parent, _)| keeps_a_task(*parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a marked process below nobody is ended, one with half the marks is not. Method: two
    /// children of the test, which is no warden.
    #[test]
    fn marked_processes_below_no_warden_are_ended() {
        let marks = ["BELAY_TEST_A", "BELAY_TEST_B"].map(|n| format!("{n}={}", std::process::id()));
        let child = |count: usize| {
            let mut command = std::process::Command::new("/bin/sleep");
            let pairs = marks[..count].iter().filter_map(|mark| mark.split_once('='));
            command.arg("60").envs(pairs).spawn().expect("sleep")
        };
        let (mut marked, mut half) = (child(2), child(1));
        let ended = end_strays(&marks);
        assert!(ended.iter().any(|process| process.pid == marked.id()));
        assert!(ended.iter().all(|process| process.pid != half.id()));
        marked.wait().expect("it was ended");
        half.kill().and_then(|()| half.wait()).expect("it ran on");
    }
}
