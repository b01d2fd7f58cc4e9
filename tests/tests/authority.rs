//! Authority at one device's door: every threshold act, and everything that must not count.
//!
//! One real engine, several people with keys of their own; every write succeeds. What is refused is
//! refused before it is counted, by name; and what a liar has put into the set all the same changes
//! nothing there.

mod approvals;
mod bad_roots;
mod desk;
mod epochs;
mod further;
mod orders_only;
