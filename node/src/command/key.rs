//! `belay key unlock-file`: a file that opens sealed keys.

use crate::cli::Context;
use crate::fault::{Fault, io};
use crate::os;
use crate::screen::Shown;
use crate::vault::new_unlock_file;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn unlock_file(context: &Context, out: &Path) -> Result<ExitCode, Fault> {
    os::hide_memory().map_err(io("closing this process's memory"))?;
    new_unlock_file(out).map_err(|error| Fault::wrong_use(&error, error.hint()))?;
    let words = format!("Wrote {}. Whoever has it can use the keys it opens.", out.display());
    let data = json!({ "file": out.display().to_string() });
    Shown::whole("belay.key.unlock-file/1", &data, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}
