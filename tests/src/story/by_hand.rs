//! The README's block for real devices, typed line by line into terminals: one for each name before
//! a `$`, as a reader would have them open side by side.
//!
//! A line ends with 0 unless its comment names another exit. What every terminal showed is kept as
//! it came. Refused here: a line that is not in the README, and a word changed in one that is.

use super::terminal::Terminal;
use super::waiting::{SOON, must};
use super::witness::Process;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The heading under which the block stands.
const HEADING: &str = "## For real";
/// Typed at every prompt for a passphrase.
const PASSPHRASE: &str = "correct horse battery";
/// Wherever a comment says which exit a line has.
const EXIT: &str = "exit ";

/// One line of the block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Whose terminal, or the agent in it.
    pub who: String,
    /// What is typed, its comment included.
    pub typed: String,
    /// How it has to end.
    pub exit: i32,
}

/// Types the block of this README with this executable; what the terminals showed.
pub fn by_hand(exe: &Path, readme: &str) -> String {
    let lines = block(readme);
    assert!(lines.len() > 3, "no block of `name$ command` lines stands under “{HEADING}”");
    let made = tempfile::Builder::new().prefix("belay-by-hand-").tempdir();
    let folder = must(made, "a temporary folder");
    let programs = folder.path().join("bin");
    must(fs::create_dir(&programs), "bin");
    must(std::os::unix::fs::symlink(exe, programs.join("belay")), "belay");
    let mut table = Table { folder: folder.path(), programs: &programs, seats: BTreeMap::new() };
    let mut kept = String::new();
    for line in &lines {
        table.play(line, &mut kept);
    }
    table.leave(&mut kept);
    kept
}

/// The lines of the block that carry a prompt.
pub fn block(readme: &str) -> Vec<Line> {
    let section = readme.split(HEADING).nth(1).unwrap_or_default();
    let block = section.split("```").nth(1).unwrap_or_default();
    block.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<Line> {
    let (who, typed) = text.split_once("$ ")?;
    let plain = !who.is_empty() && who.bytes().all(|byte| byte.is_ascii_lowercase());
    let comment = typed.split_once(" # ").map_or("", |(_, comment)| comment);
    let exit = comment.split_once(EXIT).map(|(_, rest)| rest);
    let digits = exit.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    let exit = digits.and_then(|digits| digits.parse().ok()).unwrap_or(0);
    plain.then(|| Line { who: who.to_owned(), typed: typed.trim().to_owned(), exit })
}

/// The terminals on the reader's desk.
struct Table<'a> {
    folder: &'a Path,
    programs: &'a Path,
    seats: BTreeMap<String, Terminal>,
}

impl Table<'_> {
    /// Types one line where its prompt stands, and waits for the next prompt there.
    fn play(&mut self, line: &Line, kept: &mut String) {
        let prompt = format!("{}$ ", line.who);
        let seat = match self.seats.values().position(|seat| seat.ends_with(&prompt)) {
            Some(at) => self.seats.values_mut().nth(at),
            None => Some(
                self.seats
                    .entry(line.who.clone())
                    .or_insert_with(|| Terminal::open(self.folder, self.programs, &line.who)),
            ),
        };
        let Some(seat) = seat else { return };
        seat.wait_for_prompt(&prompt);
        show(seat, kept);
        let exit = seat.type_line(&line.typed, PASSPHRASE);
        show(seat, kept);
        assert_eq!(exit, Some(line.exit), "“{}” ended otherwise:\n{kept}", line.typed);
    }

    /// Shows what came last anywhere.
    fn leave(&mut self, kept: &mut String) {
        self.seats.values_mut().for_each(|seat| show(seat, kept));
    }
}

impl Drop for Table<'_> {
    fn drop(&mut self) {
        for seat in self.seats.values() {
            let mut down = Command::new(self.programs.join("belay"));
            down.arg("down").env_clear().env("HOME", seat.home());
            // A device that never came up, or was taken down by the block, has no node.
            let _down = down.stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
        self.seats.clear();
        // A block that did not come to its end leaves agents, each under a warden that waits.
        let mark = self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let left = || Process::marked(&mark);
        let begun = Instant::now();
        while !left().is_empty() && begun.elapsed() < SOON {
            left().iter().for_each(Process::kill);
        }
    }
}

/// What a terminal showed since it was last looked at, under its name.
fn show(seat: &mut Terminal, kept: &mut String) {
    let news = seat.news();
    if !news.trim().is_empty() {
        let _written = writeln!(kept, "[{}]\n{}", seat.name(), news.trim_end());
    }
}
