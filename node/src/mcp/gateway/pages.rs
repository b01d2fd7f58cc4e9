//! The pages of a list, bounded whatever a server says of the next one.
//!
//! Refused here: a list without end.

use super::super::json::Json;
use super::super::limits::{LISTED_MAX, PAGES_MAX};

/// The pages of a list so far.
#[derive(Debug, Default)]
pub(super) struct Pages {
    items: Vec<Json>,
    read: usize,
}

/// What a page leads to.
pub(super) enum Paged {
    /// The next page.
    Next(Json),
    /// That was all.
    All(Vec<Json>),
    /// It lies about its pages.
    Endless,
}

impl Pages {
    /// Takes one page in.
    pub(super) fn take(&mut self, result: &Json, member: &str) -> Paged {
        self.read += 1;
        self.items.extend(result.get(member).and_then(Json::as_list).unwrap_or_default().to_vec());
        if self.items.len() > LISTED_MAX || self.read > PAGES_MAX {
            return Paged::Endless;
        }
        match result.get("nextCursor").and_then(Json::as_text) {
            Some(cursor) if !cursor.is_empty() => {
                Paged::Next(Json::object([("cursor", Json::text(cursor))]))
            }
            Some(_) | None => Paged::All(std::mem::take(&mut self.items)),
        }
    }
}
