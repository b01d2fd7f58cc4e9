//! The eighth step: the case, checked by a process that knows nothing, and a changed copy of it.

use super::command::Belay;
use super::failure::{Failure, io};
use super::fleet::Fleet;
use super::limits::COMMAND_MAX;
use super::said::{Proved, Verified, short};
use super::stage::Stage;
use std::fs;
use std::path::{Path, PathBuf};

const CHECK_FAILED: i32 = 7;

/// How a receipt's content type stands in a case.
const RECEIPT_TYPE: &[u8] = b"application/vnd.belay.receipt+cbor";
/// How the name of a receipt's author begins.
const DEVICE_PATH: &[u8] = b"/device/";
/// How a hash begins in CBOR: 32 bytes follow.
const HASH_HEAD: &[u8] = &[0x58, 0x20];

/// A case, and what became of it.
#[derive(Debug)]
pub(super) struct Proof {
    /// Where the case is.
    pub(super) file: PathBuf,
    /// A process with no state and an empty home verified it.
    pub(super) verified: bool,
    /// The same refused it with one byte of a receipt changed, and named the receipt.
    pub(super) tampered_rejected: bool,
}

/// Writes the case, has it verified, and has a changed copy refused.
pub(super) fn prove(
    stage: &Stage,
    fleet: &Fleet,
    order: &str,
    out: &Path,
) -> Result<Proof, Failure> {
    stage.step("The case: written, verified by a separate process, and changed");
    let founder = fleet.telling.founder();
    let file = out.join(format!("demo-{}.belaycase", short(order)));
    let name = file.to_str().ok_or_else(|| Failure::Machine {
        what: format!("{}: this path is not UTF-8", file.display()),
        hint: "choose another folder with --out",
    })?;
    let proved: Proved = stage.ask(founder, &["prove", order, "--out", name], &[0])?.data()?;
    if !(proved.complete && proved.proven) {
        let what = "`belay prove` wrote a case that is not complete and proven".to_owned();
        return Err(Failure::Contradiction(what));
    }
    let bytes = fs::metadata(&file).map_err(io(&file))?.len();
    stage.say(&format!("case file of {bytes} bytes: {name}"));
    let verified = verify(stage, fleet, name)?;
    let tampered_rejected = refuse_changed(stage, fleet, &file)?;
    Ok(Proof { file, verified, tampered_rejected })
}

/// Verifies in a process whose home is an empty folder, so that only the file and the root count.
fn verify(stage: &Stage, fleet: &Fleet, case: &str) -> Result<bool, Failure> {
    let stranger = stranger(stage, "stranger")?;
    let check = ["--json", "verify", case, "--root", &fleet.root];
    let answer = stranger.run(&stage.patience, &check, COMMAND_MAX)?.wants(&[0])?;
    let said: Verified = answer.data()?;
    let held = said.checks.iter().filter(|check| check.holds).count();
    let whole = said.verified && said.complete && said.proven && held == said.checks.len();
    if !whole || held == 0 || said.root != fleet.root {
        let what = "`belay verify` ended with exit 0 without every check holding".to_owned();
        return Err(Failure::Contradiction(what));
    }
    stage.say(&format!("`belay verify`, with no state and an empty home: all {held} checks hold"));
    Ok(whole)
}

fn refuse_changed(stage: &Stage, fleet: &Fleet, case: &Path) -> Result<bool, Failure> {
    let bytes = fs::read(case).map_err(io(case))?;
    let Some((changed, at)) = change_a_receipt(&bytes) else {
        let what = "the case holds no receipt of a device".to_owned();
        return Err(Failure::Contradiction(what));
    };
    let copy = stage.path("changed.belaycase");
    fs::write(&copy, changed).map_err(io(Path::new(&copy)))?;
    let stranger = stranger(stage, "second-stranger")?;
    let check = ["--json", "verify", &copy, "--root", &fleet.root];
    let answer = stranger.run(&stage.patience, &check, COMMAND_MAX)?.wants(&[CHECK_FAILED])?;
    let said = answer.last_words();
    stage.say(&format!("byte {at} of a copy changed: exit {CHECK_FAILED}: {said}"));
    let named = said.contains("receipt");
    if !named {
        let what = "`belay verify` refused the changed case without naming the receipt".to_owned();
        return Err(Failure::Contradiction(what));
    }
    Ok(named)
}

fn stranger(stage: &Stage, name: &str) -> Result<Belay, Failure> {
    let home = PathBuf::from(stage.path(name));
    fs::create_dir(&home).map_err(io(&home))?;
    Ok(stage.stranger(home))
}

/// The case with one bit of a receipt changed, in the first hash after its author's name, and where
/// that was: still well-formed, so that only the signature can tell.
pub(super) fn change_a_receipt(case: &[u8]) -> Option<(Vec<u8>, usize)> {
    let receipt = find(case, RECEIPT_TYPE, 0)?;
    let author = find(case, DEVICE_PATH, receipt)?;
    let at = find(case, HASH_HEAD, author)? + HASH_HEAD.len();
    let mut changed = case.to_vec();
    *changed.get_mut(at)? ^= 1;
    Some((changed, at))
}

fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}
