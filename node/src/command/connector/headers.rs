//! The file of headers that open a server: `Name: value`, one on a line.
//!
//! Empty lines and lines that begin with `#` are passed over. Refused here: a file that others may
//! read, because what stands in it is a secret.

use crate::fault::{Fault, io};
use crate::mcp::connectors::check_headers;
use crate::vault::Headers;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes that are read: twice what can be kept, comments included.
const FILE_BYTES_MAX: u64 = 8 * 1024;

pub(super) fn read(path: &Path) -> Result<Headers, Fault> {
    let at = || path.display();
    let file = File::open(path).map_err(io(at()))?;
    let mode = file.metadata().map_err(io(at()))?.mode() & 0o777;
    if mode & 0o077 != 0 {
        let what = format!("{}: others may read it (mode {mode:o})", at());
        return Err(Fault::wrong_use(what, format!("`chmod 600 {}`", at())));
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(io(at()))?;
    let mut headers = Headers::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            let what = format!("{}:{}: no header", at(), number + 1);
            return Err(Fault::wrong_use(what, "write `Name: value`"));
        };
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    check_headers(&headers)?;
    Ok(headers)
}
