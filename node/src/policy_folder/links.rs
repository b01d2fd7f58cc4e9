//! `[links]` of `release.toml`: which kinds of devices are announced on their local network that
//! are not announced by themselves.
//!
//! Laptops and phones move about among strangers, so they keep silent until a release names them;
//! robots, gateways and servers are announced wherever their own `node.toml` does not say no.
//! Refused here: silencing a device, which is its own file's word.

use belay_identity::body::{DeviceKind, Policy};
use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LinksFile {
    mdns: Vec<Spanned<String>>,
}

/// What a word for no kind is told.
pub(super) const MDNS_HINT: &str = "links.mdns lists laptop or phone; robots, gateways and servers \
                                    are announced without it";

impl LinksFile {
    /// The words that name no kind which is silent by itself.
    pub(super) fn wrong(&self) -> Option<&Spanned<String>> {
        let silent = |word: &Spanned<String>| {
            DeviceKind::from_word(word.get_ref()).is_some_and(|kind| kind.moves_about())
        };
        self.mdns.iter().find(|word| !silent(word))
    }

    /// Writes the kinds into a policy, each once and in order.
    pub(super) fn fill(&self, policy: &mut Policy) {
        let kinds = self.mdns.iter().filter_map(|word| DeviceKind::from_word(word.get_ref()));
        policy.announced = kinds.collect();
        policy.announced.sort_by_key(|kind| kind.code());
        policy.announced.dedup();
    }
}
