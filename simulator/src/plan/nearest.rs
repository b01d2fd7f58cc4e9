//! The nearest real key to one that a plan does not have.
//!
//! The reader of TOML names the unknown key and all that it would take, each between backticks;
//! here the likeliest of them is chosen. Refused here: reading the plan.

use strsim::damerau_levenshtein;

/// In words for people: what was meant, if anything is near enough to be meant.
pub(super) fn meant(message: &str) -> Option<String> {
    let (_, after) = message.split_once("unknown field `")?;
    let mut words = after.split('`').step_by(2);
    let unknown = words.next()?;
    let far = |key: &&str| damerau_levenshtein(unknown, key);
    let nearest = words.filter(|key| !key.is_empty()).min_by_key(far)?;
    Some(format!("the nearest real key to `{unknown}` is `{nearest}`"))
}
