//! The shape of a rules text, looked at before Cedar sees it.
//!
//! Cedar's parser recurses without a look at its stack, so a text with enough brackets ends the
//! process, and its type checker lets a rule pass when the stack runs low. This file finds where
//! each rule begins and refuses shapes that could do either. It goes over the bytes once, without
//! recursion. Refused here: understanding the rules.

use super::RulesError;

/// Longest text of one release's rules, bytes: room for `RULES_MAX` rules of 400 bytes.
pub(crate) const RULES_BYTES_MAX: usize = 4 << 20;
/// Most rules in one release: the largest set whose judging time is measured.
pub(crate) const RULES_MAX: usize = 10_000;
/// Deepest nesting of brackets in one rule. Cedar's parser recurses without looking at its stack
/// and ends the process between 100 and 150 levels on a thread of 2 MiB.
pub(crate) const RULE_NESTING_MAX: usize = 32;
/// Most brackets, dots, operators and `if`s in one rule. Longer chains exhaust Cedar's type
/// checker, which then lets the rule pass unchecked; that was seen from 600 on, on 2 MiB.
pub(crate) const RULE_STEPS_MAX: usize = 256;

/// The line on which each rule begins. Looks at every byte once and calls nothing that recurses, so
/// that no text can harm the parser that follows.
pub(super) fn outline(cedar: &str) -> Result<Vec<usize>, RulesError> {
    if cedar.len() > RULES_BYTES_MAX {
        return Err(RulesError::TooLarge { bytes: cedar.len() });
    }
    let mut lines = Vec::new();
    let (mut line, mut nesting, mut steps, mut inside) = (1, 0_usize, 0, false);
    let mut rest = cedar.as_bytes();
    while let Some((token, after)) = next_token(rest) {
        if !inside && token.is_text() {
            if lines.len() == RULES_MAX {
                return Err(RulesError::TooMany { line });
            }
            lines.push(line);
            inside = true;
        }
        match token {
            Token::Opening => (nesting, steps) = (nesting + 1, steps + 1),
            Token::Closing => nesting = nesting.saturating_sub(1),
            Token::Step => steps += 1,
            Token::End => (nesting, steps, inside) = (0, 0, false),
            Token::Blank | Token::Plain => {}
        }
        if nesting > RULE_NESTING_MAX || steps > RULE_STEPS_MAX {
            return Err(RulesError::TooIntricate { line });
        }
        line += newlines(&rest[..rest.len() - after.len()]);
        rest = after;
    }
    Ok(lines)
}

/// What a stretch of text does to the shape of a rule.
#[derive(Clone, Copy)]
enum Token {
    Opening,
    Closing,
    Step,
    End,
    Blank,
    Plain,
}

impl Token {
    const fn is_text(self) -> bool {
        match self {
            Self::Opening | Self::Closing | Self::Step | Self::End | Self::Plain => true,
            Self::Blank => false,
        }
    }
}

/// The next stretch of text and what follows it.
fn next_token(rest: &[u8]) -> Option<(Token, &[u8])> {
    let (first, after) = rest.split_first()?;
    Some(match first {
        b'/' if after.first() == Some(&b'/') => {
            (Token::Blank, skip(rest, |b| b != b'\n' && b != b'\r'))
        }
        b'"' => (Token::Plain, skip_string(after)),
        b'(' | b'[' | b'{' => (Token::Opening, after),
        b')' | b']' | b'}' => (Token::Closing, after),
        b'.' | b'&' | b'|' | b'+' | b'-' | b'*' | b'!' => (Token::Step, after),
        b';' => (Token::End, after),
        b if b.is_ascii_whitespace() => (Token::Blank, after),
        b if is_word(*b) => {
            let after = skip(rest, is_word);
            let word = &rest[..rest.len() - after.len()];
            (if word == b"if" { Token::Step } else { Token::Plain }, after)
        }
        _ => (Token::Plain, after),
    })
}

fn skip(rest: &[u8], still: impl Fn(u8) -> bool) -> &[u8] {
    let length = rest.iter().position(|&b| !still(b)).unwrap_or(rest.len());
    &rest[length..]
}

/// What follows the closing quote; nothing when there is none.
fn skip_string(mut rest: &[u8]) -> &[u8] {
    loop {
        match rest {
            [] | [b'\\'] => return &[],
            [b'\\', _, after @ ..] => rest = after,
            [b'"', after @ ..] => return after,
            [_, after @ ..] => rest = after,
        }
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

pub(super) fn newlines(text: &[u8]) -> usize {
    text.iter().filter(|&&b| b == b'\n').count()
}
