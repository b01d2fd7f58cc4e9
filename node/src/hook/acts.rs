//! The acts that several agents' tools share: a shell's line, a patch.
//!
//! Refused here: the names of tools; each agent's own file has those.

use super::call::{Act, Acts, CallError};
use super::shell_line::{SHELL, lone_program, programs};

/// A line that a shell is to run.
pub(super) fn shell(line: &str) -> Result<Act, CallError> {
    let found = programs(line).ok_or(CallError::TooMuch("many programs in one line"))?;
    let target = lone_program(line).unwrap_or_else(|| SHELL.to_owned());
    let act = Act::on("work.run", target).with("command", line);
    Ok(found.into_iter().fold(act, |act, program| act.with("program", program)))
}

/// A patch in the form that Codex applies: a write for every file it touches, with the whole patch.
pub(super) fn patch(text: &str) -> Result<Acts, CallError> {
    const FILE: [&str; 4] =
        ["*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: "];
    // Codex trims a line before it looks whether that begins a file.
    let lines = text.lines().map(str::trim);
    let paths = lines.filter_map(|line| FILE.iter().find_map(|m| line.strip_prefix(m)));
    let write = |path: &str| Act::on_path("local.write", path.trim()).with("content", text);
    let acts: Acts = paths.map(write).collect();
    if acts.is_empty() {
        return Err(CallError::NotUnderstood("the patch names no file".into()));
    }
    Ok(acts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every file of a patch is judged. Method: one of each kind, and a patch without any.
    #[test]
    fn every_file_of_a_patch_is_a_write() {
        let text = "*** Begin Patch\n*** Add File: a\n+x\n*** Update File: /b\n*** Move to: c\n\
                    *** Delete File: d\n*** End Patch";
        let acts = patch(text).expect("a patch");
        let targets: Vec<&str> = acts.iter().map(|act| act.target.as_str()).collect();
        assert_eq!(targets, ["a", "/b", "c", "d"]);
        assert!(acts.iter().all(|act| act.action == "local.write" && act.is_path));
        let behind = "*** Begin Patch\n*** Add File: a\n+x\n \t*** Add File: /other\n+y\n";
        assert_eq!(patch(behind).expect("a patch")[1].target, "/other");
        assert!(patch("nothing").is_err());
    }
}
