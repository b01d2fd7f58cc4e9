//! The head of a device's audit log: how far it goes, and what its last row hashes to.
//!
//! Refused here: the rows; they stay on the device, and whoever reads them links them again.

use crate::record;

record! {
    /// How far a device's audit log goes; a register.
    pub struct AuditHead("audit-head") {
        /// The number of its last row, from 1.
        1 => rows: u64,
        /// SHA-256 of that row, which names the one before it.
        2 => hash: [u8; 32],
    }
}
