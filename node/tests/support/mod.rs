//! A node's side of one warden, for stories: start it, tell it, hear it, look at its folder.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each story uses its own part")]

use belay_node::os::{boot_now_ns, has_ended};
use belay_node::warden::channel::{receive, send};
use belay_node::warden::{FromWarden, TaskSpec, TaskStdio, ToWarden, read_facts, spawn};
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nothing that is awaited takes longer on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const LOOK_EVERY: Duration = Duration::from_millis(2);
pub const SECOND_NS: u64 = 1_000_000_000;
/// The key that seals facts here; a node derives one per task.
pub const FACTS_KEY: [u8; 32] = [8; 32];

/// The product's own program, which knows how to be a warden.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_belay"))
}

/// Waits for an observed state.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "never seen: {what}");
        sleep(LOOK_EVERY);
    }
}

/// The warden's next word, be it a doubt.
pub fn hear_any(channel: &mut UnixStream) -> FromWarden {
    let heard = receive(channel).expect("the warden speaks");
    heard.expect("the warden has more to say")
}

/// The warden's next word that it is sure of: on a busy machine, where a signalled process waits
/// long for its turn, it first says honestly that it has not seen everybody stand still.
pub fn hear_sure(channel: &mut UnixStream) -> FromWarden {
    loop {
        let heard = hear_any(channel);
        if !is_doubt(&heard) {
            return heard;
        }
    }
}

pub fn is_doubt(said: &FromWarden) -> bool {
    matches!(said, FromWarden::NotProven { .. })
}

/// A task that is a shell script, in a folder of its own.
pub struct Task {
    pub folder: TempDir,
    pub warden: u32,
    pub channel: Option<UnixStream>,
}

pub fn spec(folder: &Path, script: &str) -> TaskSpec {
    TaskSpec {
        files: Vec::new(),
        folder: folder.to_path_buf(),
        program: PathBuf::from("/bin/sh"),
        args: vec!["-c".to_owned(), script.to_owned()],
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        cwd: folder.to_path_buf(),
        stdio: TaskStdio::Captured { limit_bytes: 1_000 },
        tools_door: false,
        lapse_grace_ms: 60_000,
        facts_key: FACTS_KEY,
    }
}

impl Task {
    /// Gives the script to a warden, without a lease.
    pub fn given(script: &str) -> Self {
        Self::shaped(script, |_| {})
    }

    pub fn shaped(script: &str, shape: impl FnOnce(&mut TaskSpec)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spec = spec(folder.path(), script);
        shape(&mut spec);
        let (warden, channel) = spawn(program()).expect("a warden");
        channel.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut task = Self { folder, warden, channel: Some(channel) };
        task.tell(&ToWarden::Begin(spec));
        task
    }

    /// Runs the script under a long lease and waits until it runs.
    pub fn running(script: &str) -> Self {
        Self::running_shaped(script, |_| {})
    }

    pub fn running_shaped(script: &str, shape: impl FnOnce(&mut TaskSpec)) -> Self {
        let mut task = Self::shaped(script, shape);
        task.run_for_ms(30_000);
        task.started();
        task
    }

    pub fn tell(&mut self, message: &ToWarden) {
        send(self.channel.as_mut().expect("open"), message).expect("the warden listens");
    }

    pub fn run_for_ms(&mut self, ms: u64) -> u64 {
        let until_boot_ns = boot_now_ns() + ms * 1_000_000;
        self.tell(&ToWarden::Run { until_boot_ns });
        until_boot_ns
    }

    pub fn hear(&mut self) -> FromWarden {
        hear_sure(self.channel.as_mut().expect("open"))
    }

    pub fn started(&mut self) -> u32 {
        let heard = self.hear();
        let FromWarden::Started { pid, .. } = heard else { panic!("expected a start: {heard:?}") };
        pid
    }

    /// Everything up to and with the last record.
    pub fn hear_to_the_end(&mut self) -> Vec<FromWarden> {
        let mut all = Vec::new();
        while !matches!(all.last(), Some(FromWarden::Empty { .. })) {
            all.push(self.hear());
        }
        all
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Waits until the script has written a pid into a file.
    pub fn pid_in(&self, name: &str) -> u32 {
        eventually(name, || self.read(name).strip_suffix('\n')?.parse().ok())
    }

    pub fn facts(&self) -> Vec<FromWarden> {
        read_facts(self.folder.path(), &FACTS_KEY).map(|facts| facts.records).unwrap_or_default()
    }

    pub fn facts_at_the_end(&self) -> Vec<FromWarden> {
        eventually("the last fact", || {
            let facts = self.facts();
            matches!(facts.last(), Some(FromWarden::Empty { .. })).then_some(facts)
        })
    }

    /// Waits until the file grows, so its writer runs.
    pub fn grows(&self, name: &str) {
        let before = self.read(name).len();
        eventually("growth", || (self.read(name).len() > before).then_some(()));
    }
}

impl Drop for Task {
    /// A warden whose channel closes ends its task after the grace, so a failed story asks first.
    fn drop(&mut self) {
        if let Some(channel) = &mut self.channel {
            let _told = send(channel, &ToWarden::End { grace_ms: 0 });
        }
        let deadline = Instant::now() + PATIENCE;
        while !has_ended(self.warden) && Instant::now() < deadline {
            sleep(LOOK_EVERY);
        }
    }
}

/// Whether a pid is gone or only waits to be reaped.
pub fn dead(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    matches!(state, None | Some('Z' | 'X'))
}
