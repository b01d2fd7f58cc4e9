//! The file of an authority that vouches for a server: certificates as PEM.
//!
//! Refused here: a file without one, and keeping anything else that stands in it.

use crate::fault::{Fault, io};
use crate::mcp::connectors::check_ca;
use crate::mcp::limits::CA_BYTES_MAX;
use std::fs::File;
use std::io::Read;
use std::path::Path;

pub(super) fn read(path: &Path) -> Result<String, Fault> {
    let at = || path.display();
    let file = File::open(path).map_err(io(at()))?;
    let most = u64::try_from(CA_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = String::new();
    file.take(most).read_to_string(&mut text).map_err(io(at()))?;
    check_ca(&text)
        .map_err(|fault| Fault::wrong_use(format!("{}: {}", at(), fault.what), &fault.hint))?;
    Ok(text)
}
