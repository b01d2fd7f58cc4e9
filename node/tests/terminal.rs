//! Stories of a warden in the foreground of a real terminal.
//!
//! In the product such a warden is the command that a person typed, so it needs a program that
//! becomes one when told. That program is this test itself: it has its own `main`, which plays the
//! warden and the trampoline when it is started by their names, and the stories otherwise.

mod support;

use belay_node::os::boot_now_ns;
use belay_node::warden::channel::send;
use belay_node::warden::{EXEC_TASK, FromWarden, TaskStdio, ToWarden, WARDEN, run};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::tcgetpgrp;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::Instant;
use std::{env, fs, panic};
use support::{LOOK_EVERY, PATIENCE, eventually, hear_sure, spec};
use tempfile::TempDir;

/// The word by which this program is a warden in the terminal; a socket's path follows.
const FOREGROUND: &str = "foreground";

type Story = (&'static str, fn());

/// Names each story as the runners of tests expect it.
macro_rules! stories {
    ($($story:ident),* $(,)?) => { [$((stringify!($story), $story as fn())),*] };
}

const STORIES: [Story; 5] = stories![
    an_interrupt_reaches_the_agent_only,
    the_agent_reads_the_terminal,
    a_pause_freezes_and_a_continue_thaws,
    an_end_reaches_a_suspended_warden,
    a_group_kill_spares_the_warden,
];

fn main() -> ExitCode {
    let args: Vec<OsString> = env::args_os().collect();
    match args.get(1).and_then(|word| word.to_str()) {
        Some(FOREGROUND) => foreground(args.get(2)),
        Some(WARDEN | EXEC_TASK) => belay_node::run(args),
        Some(_) | None if env::var_os(CLEAN).is_none() => begin_again_clean(&args),
        Some(_) | None => tell(&Asked::read(env::args().skip(1))),
    }
}

/// Set once the signals of this process are those of a terminal.
const CLEAN: &str = "BELAY_TERMINAL_SIGNALS";

/// A shell's background job ignores interrupts, and programs hand that down: a terminal does not.
/// This program starts itself again as a terminal would.
fn begin_again_clean(args: &[OsString]) -> ExitCode {
    let mut again = Command::new("env");
    again
        .arg("--default-signal=INT,QUIT,TSTP,TTIN,TTOU,HUP")
        .arg(env::current_exe().expect("it runs"));
    let failed = again.args(&args[1..]).env(CLEAN, "1").exec();
    panic!("`env --default-signal` of coreutils 8.31 or newer is needed: {failed}");
}

/// Serves one task in this terminal, fed over the socket whose path is given.
fn foreground(socket: Option<&OsString>) -> ExitCode {
    run(UnixStream::connect(socket.expect("a path")).expect("the story listens"))
}

/// What the runner of tests asks for: `cargo test` passes its own words on, `cargo nextest` lists
/// the stories and then starts each by its whole name.
#[derive(Default)]
struct Asked {
    words: Vec<String>,
    whole_names: bool,
    list_only: bool,
    ignored_only: bool,
}

impl Asked {
    fn read(mut args: impl Iterator<Item = String>) -> Self {
        let mut asked = Self::default();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--exact" => asked.whole_names = true,
                "--list" => asked.list_only = true,
                "--ignored" => asked.ignored_only = true,
                // Nothing is captured, hidden or done at once here, so these change nothing.
                "--nocapture" | "--no-capture" | "--show-output" | "--include-ignored" => {}
                "--quiet" | "-q" => {}
                "--format" | "--color" | "--test-threads" => drop(args.next()),
                option if option.starts_with("--test-threads=") => {}
                option if option.starts_with('-') => {
                    panic!("the terminal stories know no {option}")
                }
                word => asked.words.push(word.to_owned()),
            }
        }
        asked
    }

    /// No story is ever ignored.
    fn wants(&self, name: &str) -> bool {
        let fits =
            |word: &String| if self.whole_names { name == word } else { name.contains(word) };
        !self.ignored_only && (self.words.is_empty() || self.words.iter().any(fits))
    }
}

/// One story after the other, in this thread; a story that fails does not keep the next from
/// being told.
fn tell(asked: &Asked) -> ExitCode {
    let wanted: Vec<Story> = STORIES.into_iter().filter(|(name, _)| asked.wants(name)).collect();
    if asked.list_only {
        wanted.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} of {} stories", wanted.len(), STORIES.len());
    let failed: Vec<&str> = wanted.iter().filter(|story| !holds(story)).map(|s| s.0).collect();
    println!(
        "\nterminal: {} held, {} failed {failed:?}\n",
        wanted.len() - failed.len(),
        failed.len()
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn holds((name, story): &Story) -> bool {
    let began = Instant::now();
    let held = panic::catch_unwind(story).is_ok();
    let verdict = if held { "ok" } else { "FAILED" };
    println!("story {name} ... {verdict} ({:.2} s)", began.elapsed().as_secs_f64());
    held
}

struct Session {
    folder: TempDir,
    keys: File,
    warden: Pid,
    channel: UnixStream,
}

impl Session {
    /// A terminal whose foreground is a warden running the script.
    fn of(script: &str) -> Self {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a terminal");
        grantpt(&keys).expect("granted");
        unlockpt(&keys).expect("unlocked");
        let name = ptsname(&keys, Vec::new()).expect("a name").into_string().expect("text");
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("run.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let screen = || {
            Stdio::from(OpenOptions::new().read(true).write(true).open(&name).expect("a screen"))
        };
        #[expect(clippy::zombie_processes, reason = "each story reaps it by its pid")]
        let warden = Command::new("setsid")
            .arg("--ctty")
            .arg(env::current_exe().expect("this program"))
            .args([FOREGROUND.as_ref(), socket.as_os_str()])
            .stdin(screen())
            .stdout(screen())
            .stderr(screen())
            .spawn()
            .expect("setsid of util-linux");
        listener.set_nonblocking(true).expect("a setting");
        let (mut channel, _) = eventually("the warden's visit", || listener.accept().ok());
        channel.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut spec = spec(folder.path(), script);
        spec.stdio = TaskStdio::Inherit;
        spec.lapse_grace_ms = 60_000;
        send(&mut channel, &ToWarden::Begin(spec)).expect("sent");
        let warden = Pid::from_raw(warden.id().cast_signed()).expect("a pid");
        Self { folder, keys: keys.into(), warden, channel }
    }

    fn run(&mut self) {
        let until_boot_ns = boot_now_ns() + 30_000_000_000;
        send(&mut self.channel, &ToWarden::Run { until_boot_ns }).expect("sent");
    }

    fn hear(&mut self) -> FromWarden {
        hear_sure(&mut self.channel)
    }

    fn press(&mut self, key: u8) {
        self.keys.write_all(&[key]).expect("a key");
    }

    fn wrote(&self, name: &str) {
        let path = self.folder.path().join(name);
        eventually(name, || path.exists().then_some(()));
    }

    fn stopped(&self) {
        eventually("a stopped job", || {
            let (_, status) =
                waitpid(Some(self.warden), WaitOptions::UNTRACED | WaitOptions::NOHANG)
                    .expect("our child")?;
            status.stopped().then_some(())
        });
    }

    /// Two signals of one number are one while the first is unread.
    fn has_heard_its_signals(&self) {
        let path = format!("/proc/{}/status", self.warden.as_raw_nonzero());
        eventually("a listening warden", || {
            let status = fs::read_to_string(&path).expect("alive");
            let unread = "ShdPnd:\t0000000000000000";
            (status.contains("State:\tS") && status.contains(unread)).then_some(())
        });
    }

    fn exit_status(&self) -> Option<i32> {
        eventually("the warden's end", || {
            let (_, status) =
                waitpid(Some(self.warden), WaitOptions::NOHANG).expect("our child")?;
            Some(status.exit_status())
        })
    }
}

impl Drop for Session {
    /// A failed story leaves a warden that waits for its lapse grace; until it is reaped its pid
    /// is its own.
    fn drop(&mut self) {
        let _told = send(&mut self.channel, &ToWarden::End { grace_ms: 0 });
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline
            && matches!(waitpid(Some(self.warden), WaitOptions::NOHANG), Ok(None))
        {
            let _woken = kill_process(self.warden, Signal::CONT);
            sleep(LOOK_EVERY);
        }
    }
}

const CTRL_C: u8 = 3;
const CTRL_Z: u8 = 26;

/// Goal: Ctrl-C reaches the agent and not its warden, which stays to tell the end.
fn an_interrupt_reaches_the_agent_only() {
    let mut session = Session::of(
        "trap 'echo > interrupted; exit 4' INT; touch ready; while :; do sleep 0.02; done",
    );
    session.run();
    assert!(matches!(session.hear(), FromWarden::Started { .. }));
    session.wrote("ready");
    session.press(CTRL_C);
    session.wrote("interrupted");
    assert_eq!(session.hear(), FromWarden::Exited { code: Some(4), signal: None });
    assert!(matches!(session.hear(), FromWarden::Empty { .. }));
    assert_eq!(session.exit_status(), Some(4));
}

/// Goal: the agent reads what is typed, so the terminal is its own.
fn the_agent_reads_the_terminal() {
    let mut session = Session::of("touch ready; read answer; echo \"$answer\" > answer; exit 0");
    session.run();
    session.wrote("ready");
    session.keys.write_all(b"yes\n").expect("keys");
    session.wrote("answer");
    assert!(matches!(session.hear(), FromWarden::Started { .. }));
    assert_eq!(session.hear(), FromWarden::Exited { code: Some(0), signal: None });
}

/// Goal: Ctrl-Z gives the shell its job back with the whole tree frozen; continuing it thaws the
/// tree and returns the terminal; a wake by the node only lets the warden listen.
fn a_pause_freezes_and_a_continue_thaws() {
    let daemon = "while :; do echo >> daemon; sleep 0.02; done";
    let mut session = Session::of(&format!("setsid -f sh -c '{daemon}'; touch ready; read answer"));
    session.run();
    assert!(matches!(session.hear(), FromWarden::Started { .. }));
    session.wrote("ready");
    session.wrote("daemon");
    session.press(CTRL_Z);
    session.stopped();
    assert!(matches!(session.hear(), FromWarden::Frozen { .. }));
    assert_eq!(tcgetpgrp(&session.keys).ok(), Some(session.warden));
    let path = session.folder.path().to_path_buf();
    let length = |name: &str| fs::metadata(path.join(name)).map_or(0, |file| file.len());
    let before = length("daemon");
    // This process is the channel's other end, so its own signal is the node's wake; the shell's
    // comes from a process of another number.
    kill_process(session.warden, Signal::CONT).expect("alive");
    session.has_heard_its_signals();
    send(&mut session.channel, &ToWarden::Freeze).expect("sent");
    assert_eq!(length("daemon"), before);
    let shell = format!("kill -CONT {}", session.warden.as_raw_nonzero());
    assert!(Command::new("sh").args(["-c", &shell]).status().expect("a shell").success());
    session.run();
    assert!(matches!(session.hear(), FromWarden::Thawed { .. }));
    eventually("the daemon goes on", || (length("daemon") > before).then_some(()));
    session.press(CTRL_C);
    assert_eq!(session.hear(), FromWarden::Exited { code: None, signal: Some(2) });
    send(&mut session.channel, &ToWarden::End { grace_ms: 0 }).expect("sent");
    assert!(matches!(session.hear(), FromWarden::Empty { .. }));
    session.exit_status();
}

/// Goal: a suspended warden that the node wakes hears the end and obeys it.
fn an_end_reaches_a_suspended_warden() {
    let mut session = Session::of("touch ready; read answer");
    session.run();
    session.wrote("ready");
    session.press(CTRL_Z);
    session.stopped();
    send(&mut session.channel, &ToWarden::End { grace_ms: 0 }).expect("sent");
    kill_process(session.warden, Signal::CONT).expect("alive");
    while !matches!(session.hear(), FromWarden::Empty { .. }) {}
    session.exit_status();
}

/// Goal: a task that kills its whole process group does not kill its warden.
fn a_group_kill_spares_the_warden() {
    let mut session = Session::of("kill -KILL 0");
    session.run();
    assert!(matches!(session.hear(), FromWarden::Started { .. }));
    assert_eq!(session.hear(), FromWarden::Exited { code: None, signal: Some(9) });
    assert!(matches!(session.hear(), FromWarden::Empty { .. }));
    assert_eq!(session.exit_status(), Some(128 + 9));
}
