//! Whoever sends what we would never write: each malformed item is refused by its name, through the
//! public doors of `belay-identity`, and nothing panics.

mod codec;
mod envelope;
pub(crate) mod forge;
pub(crate) mod keys;
mod payload;
mod random;
