//! A line for a shell: which programs it names.
//!
//! A line that is one program with its words is an act on that program. Any other is an act on the
//! shell, so a rule that permits one program never permits what is strung behind it. The programs
//! of such a line are told beside it as far as they stand there plainly: a rule that forbids one
//! catches plain use, not somebody who hides it.
//!
//! Refused here: running, expanding or resolving anything.

use super::limits::PROGRAMS_MAX;
use std::collections::BTreeSet;

/// The target of a line that is more than one program.
pub(super) const SHELL: &str = "sh";

/// The program of a line that is nothing else, as it was typed.
pub(super) fn lone_program(line: &str) -> Option<String> {
    let mut quote = None;
    for letter in line.trim().chars() {
        quote = match (quote, letter) {
            (None, '\'' | '"') => Some(letter),
            (Some(open), letter) if open == letter => None,
            (Some('\''), _) => quote,
            (_, '$' | '`' | '\\') => return None,
            (None, ';' | '&' | '|' | '<' | '>' | '(' | ')' | '{' | '}' | '\n' | '\r') => {
                return None;
            }
            (_, _) => quote,
        };
    }
    let first = line.split_whitespace().next().filter(|_| quote.is_none())?;
    (is_plain(first) && !is_word_of_the_shell(first)).then(|| first.to_owned())
}

/// The programs that stand plainly in a line, by file name; none where they are too many to tell.
pub(super) fn programs(line: &str) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let ends =
        |letter: char| matches!(letter, ';' | '&' | '|' | '(' | ')' | '{' | '}' | '`' | '\n');
    for part in line.split(ends) {
        let words = part.split_whitespace().map(|word| word.trim_matches(['"', '\'', '!', '$']));
        let mut words = words.skip_while(|word| {
            word.is_empty() || is_word_of_the_shell(word) || is_assignment(word)
        });
        let name = words.next().and_then(|word| word.rsplit('/').next());
        found.extend(name.filter(|name| is_plain(name)).map(str::to_owned));
    }
    (found.len() <= PROGRAMS_MAX).then_some(found)
}

fn is_plain(word: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./+:@,".contains(letter);
    !word.is_empty() && !word.starts_with('-') && word.chars().all(plain)
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// Words after which another program may stand, or which run what their own words say.
fn is_word_of_the_shell(word: &str) -> bool {
    const WORDS: [&str; 24] = [
        "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac",
        "in", "function", "time", "coproc", "select", "eval", "exec", "source", ".", "command",
        "builtin", "trap",
    ];
    WORDS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what permits one program permits no second one. Method: lines that are one program,
    /// and every way known to put another behind it.
    #[test]
    fn a_line_with_a_second_program_is_the_shells() {
        for (line, program) in [
            ("git status", "git"),
            ("  git commit -m 'a; b (c) $x' ", "git"),
            ("git log --format=\"a|b\"", "git"),
            ("./run.sh --all", "./run.sh"),
        ] {
            assert_eq!(lone_program(line).as_deref(), Some(program), "{line}");
        }
        for line in [
            "git status; rm x",
            "git status && rm x",
            "git status\nrm x",
            "git status | sh",
            "git $(rm x)",
            "git \"`rm x`\"",
            "git status > x",
            "git \\\n; rm x",
            "A=b git status",
            "eval git",
            "exec git",
            "'git' status",
            "git 'open",
            "{ rm x; }",
            "",
        ] {
            assert_eq!(lone_program(line), None, "{line}");
        }
    }

    /// Goal: programs that stand plainly behind each other are told. Method: lines with several.
    #[test]
    fn plain_programs_of_a_line_are_told() {
        let told = |line: &str| programs(line).map(|found| Vec::from_iter(found).join(" "));
        let seen = told("cd /x && A=1 /bin/rm -rf y | tee \"$(date)\"; if true; then sudo ls; fi");
        assert_eq!(seen.as_deref(), Some("cd date rm sudo tee true"));
        assert_eq!(told("! grep x"), Some("grep".into()));
        let many: String = (0..=PROGRAMS_MAX).map(|at| format!("p{at};")).collect();
        assert_eq!(told(&many), None);
    }
}
