//! A terminal with a shell in it, for a story that types as a person does.
//!
//! The shell says after each command how it ended, in a file beside the terminal, so that nothing
//! has to be read out of what a person sees. Refused here: a command that never ends.

use super::waiting::{SOON, must, wait_for};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Wide enough that no line is folded.
const SIZE: Winsize = Winsize { ws_row: 50, ws_col: 240, ws_xpixel: 0, ws_ypixel: 0 };
/// The longest that one line may take: a stop waits half a minute for its proof.
const LINE_MAX: Duration = Duration::from_secs(60);
/// As often as a screen is redrawn.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What asks for something typed that nobody may see.
const SECRETS: [&str; 2] = ["assphrase", "Again: "];

/// A shell in a pseudo-terminal; dropping it hangs up.
#[derive(Debug)]
pub(super) struct Terminal {
    name: String,
    keys: File,
    shell: Child,
    home: PathBuf,
    screen: Arc<Mutex<String>>,
    exits: PathBuf,
    looked: usize,
}

impl Terminal {
    /// Opens a shell whose prompt is `name$ `, or that of the agent in it, with a home of its own
    /// and these programs first.
    pub(super) fn open(folder: &Path, programs: &Path, name: &str) -> Self {
        let home = folder.join(format!("home-{name}"));
        must(fs::create_dir(&home), home.display());
        let exits = home.join(".exits");
        must(fs::write(&exits, ""), exits.display());
        // Read by this shell and by an agent's that is one, after the system's own.
        let prompt = format!("PS1='$(a=${{BELAY_AGENT:-{name}}}; echo ${{a##*/}})$ '");
        let habits = format!("{prompt}\nPROMPT_COMMAND='echo $? >>{}'\n", exits.display());
        must(fs::write(home.join(".bashrc"), habits), ".bashrc");
        let keys = must(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY), "a terminal");
        must(grantpt(&keys).and_then(|()| unlockpt(&keys)), "a terminal");
        must(tcsetwinsize(&keys, SIZE), "its size");
        let path = must(ptsname(&keys, Vec::new()), "its name").to_string_lossy().into_owned();
        let side = || must(OpenOptions::new().read(true).write(true).open(&path), &path);
        let system = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("setsid");
        shell.args(["--ctty", "env", "--default-signal", "bash"]);
        shell.args(["--noprofile", "--noediting", "-i"]);
        shell.env_clear().current_dir(folder).env("HOME", &home).env("TERM", "dumb");
        shell.env("PATH", format!("{}:{system}", programs.display())).env("USER", name);
        shell.stdin(side()).stdout(side()).stderr(side());
        let shell = must(shell.spawn(), "setsid of util-linux");
        let screen = Arc::new(Mutex::new(String::new()));
        let keys = File::from(keys);
        read_on(must(keys.try_clone(), "a second descriptor"), Arc::clone(&screen));
        Self { name: name.to_owned(), keys, shell, home, screen, exits, looked: 0 }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is the last thing on the screen.
    pub(super) fn ends_with(&self, text: &str) -> bool {
        self.screen().ends_with(text)
    }

    /// Waits until the shell wants the next line.
    pub(super) fn wait_for_prompt(&self, prompt: &str) {
        wait_for(&format!("{} shows “{prompt}”", self.name), SOON, || {
            self.ends_with(prompt).then_some(())
        });
    }

    /// The home of whoever types.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// Types a line, and the secret wherever one is asked for; how the line ended, if it did in
    /// time.
    pub(super) fn type_line(&mut self, line: &str, secret: &str) -> Option<i32> {
        let (before, mut seen) = (self.exits().len(), self.screen().len());
        self.press(line);
        let begun = Instant::now();
        while begun.elapsed() < LINE_MAX {
            thread::sleep(LOOK_EVERY);
            let screen = self.screen();
            let news = screen.get(seen..).unwrap_or_default();
            if SECRETS.iter().any(|asks| news.contains(asks)) && news.ends_with(": ") {
                seen = screen.len();
                self.press(secret);
            }
            let exits = self.exits();
            if exits.len() > before && screen.ends_with("$ ") {
                return exits.last().copied();
            }
        }
        None
    }

    /// What came on the screen since the last look.
    pub(super) fn news(&mut self) -> String {
        let screen = self.screen();
        let news = screen.get(self.looked..).unwrap_or_default().to_owned();
        self.looked = screen.len();
        news
    }

    fn press(&mut self, line: &str) {
        must(self.keys.write_all(format!("{line}\n").as_bytes()), &self.name);
    }

    fn screen(&self) -> String {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn exits(&self) -> Vec<i32> {
        let text = must(fs::read_to_string(&self.exits), self.exits.display());
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A shell that has ended already is neither killed nor waited for again.
        let _killed = self.shell.kill();
        let _reaped = self.shell.wait();
    }
}

/// Puts what the shell shows on the screen, until the terminal is closed.
fn read_on(mut keys: File, screen: Arc<Mutex<String>>) {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        // The kernel answers with an error once nobody has the other side open.
        while let Ok(count @ 1..) = keys.read(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..count]).replace('\r', "");
            screen.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        }
    });
}
