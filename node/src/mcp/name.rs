//! Names of tools and prompts: which are plain, which are one, and how they are shown.
//!
//! A rule is written for a name and a person reads it; so a name that can be taken for another is
//! not passed on. Two names are one when they are equal after NFKC, folding of case, and the
//! skeleton of look-alikes (UTS 39, section 4). Refused here: mending a name.

use super::limits::{CONNECTOR_NAME_BYTES_MAX, NAME_BYTES_MAX, SHOWN_NAME_BYTES_MAX};
use sha2::{Digest, Sha256};
use std::fmt;
use unicode_normalization::UnicodeNormalization;
use unicode_security::{GeneralSecurityProfile, MixedScript, confusable_detection::skeleton};

/// What stands between a connector and its tool where several are behind one endpoint.
pub(crate) const BETWEEN: &str = "__";

/// Why a name is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameFault {
    /// Nothing, or more than `NAME_BYTES_MAX`.
    Length,
    /// A letter that is not seen, turns the direction round, or has another form.
    Letter,
    /// Letters of several scripts.
    Mixed,
}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => write!(f, "a name has 1 to {NAME_BYTES_MAX} bytes"),
            Self::Letter => f.write_str("it has a letter that is not seen as it is written"),
            Self::Mixed => f.write_str("it mixes letters of several scripts"),
        }
    }
}

/// Whether a name can only be read as what it is.
pub(crate) fn check(name: &str) -> Result<(), NameFault> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(NameFault::Length);
    }
    let plain = |c: char| c.is_ascii_graphic() || c == ' ';
    let allowed = |c: char| plain(c) || (!c.is_ascii() && c.identifier_allowed());
    if !name.chars().all(allowed) || name.trim() != name || !name.nfkc().eq(name.chars()) {
        return Err(NameFault::Letter);
    }
    if name.is_single_script() { Ok(()) } else { Err(NameFault::Mixed) }
}

/// What names that are one have in common.
pub(crate) fn folded(name: &str) -> String {
    let folded: String = name.nfkc().flat_map(char::to_lowercase).collect();
    skeleton(&folded).flat_map(char::to_lowercase).collect()
}

/// Whether a connector may be called so: it stands in rules, in files and in front of tools.
pub(crate) fn is_connector(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=CONNECTOR_NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// What a client is shown for a tool of a connector that is one of several. A name that is too
/// long ends in eight digits of the hash of the whole, so that no cut makes two names one.
pub(crate) fn shown(connector: &str, name: &str) -> String {
    let whole = format!("{connector}{BETWEEN}{name}");
    if whole.len() <= SHOWN_NAME_BYTES_MAX {
        return whole;
    }
    let digest = belay_identity::key::hex(&Sha256::digest(&whole)[..4]);
    let mut end = SHOWN_NAME_BYTES_MAX - 1 - digest.len();
    while !whole.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}_{digest}", &whole[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: names that can be taken for others are refused, ordinary ones are not.
    #[test]
    fn doubtful_names_are_refused() {
        for good in ["read_file", "a", "git.log/v2-x", "überblick", "читать", "検索"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let bad = [
            ("", NameFault::Length),
            (&"x".repeat(NAME_BYTES_MAX + 1), NameFault::Length),
            ("read\u{200b}file", NameFault::Letter),
            ("read\u{202e}elif", NameFault::Letter),
            ("read\nfile", NameFault::Letter),
            ("read_file ", NameFault::Letter),
            ("ｒead_file", NameFault::Letter),
            ("u\u{308}ber", NameFault::Letter),
            ("\u{e0072}ead", NameFault::Letter),
            ("reаd_file", NameFault::Mixed),
        ];
        for (name, fault) in bad {
            assert_eq!(check(name), Err(fault), "{name:?}");
        }
    }

    /// Goal: look-alikes fold to one name, and others do not.
    #[test]
    fn look_alikes_are_one() {
        for (one, other) in
            [("Read_File", "read_file"), ("pay", "рау"), ("l0gin", "lOgin"), ("ﬁle", "file")]
        {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        assert_ne!(folded("read_file"), folded("read_files"));
    }

    /// Goal: what is shown has its bound, and no cut makes two names one.
    #[test]
    fn cut_names_stay_apart() {
        let long = "x".repeat(100);
        let (one, other) =
            (shown("files", &format!("{long}1")), shown("files", &format!("{long}2")));
        assert!(one.len() <= SHOWN_NAME_BYTES_MAX && one != other, "{one} {other}");
        assert_eq!(shown("files", "read"), "files__read");
        assert!(shown("f", &"ä".repeat(50)).len() <= SHOWN_NAME_BYTES_MAX);
    }

    /// Goal: a connector's name is a plain word.
    #[test]
    fn connectors_have_plain_names() {
        assert!(is_connector("files") && is_connector("git-2"));
        for bad in ["", "Files", "a_b", "-a", "a-", "a/b", "a:b", &"a".repeat(25)] {
            assert!(!is_connector(bad), "{bad}");
        }
    }
}
