//! The second step: two operators write one policy, cut off from each other, and both sign it.
//!
//! The second operator's key is made on a device behind the relay and named by the root. Each adds
//! a rule while neither can hear the other; healed, every device reads one document that names who
//! wrote which line, and the release made of it takes both. Refused here: believing that the path
//! was cut; each is seen to lack the other's rule.

use super::failure::Failure;
use super::fleet::{Fleet, capital};
use super::limits::LINKED_MAX;
use super::said::{Draft, Epoch, Proposal, short};
use super::stage::Stage;
use serde::Serialize;
use std::fs;
use std::time::Instant;

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    /// Who wrote in the document.
    pub(super) authors: usize,
    /// Branches that stood beside each other when the path was healed.
    pub(super) branches: u64,
    /// Changes of the document.
    pub(super) changes: usize,
    /// From the healed path until both devices read one document.
    pub(super) healed_to_one_ms: u64,
    /// The release that both signed.
    pub(super) release: String,
}

const DRAFT: &str = "careful";
const APPROVAL_NEEDED: i32 = 8;

/// The rules that the two add: one at the end, one at the beginning.
const NO_WIPE: &str = "\n@id(\"demo.no-wipe\")\nforbid (principal, action == \
    Belay::Action::\"tool.call\", resource == Belay::Target::\"wipe\");\n";
const NO_NIGHT: &str = "@id(\"demo.no-night-shift\")\nforbid (principal, action, resource) \
    when { context.args.contains(\"night=yes\") };\n\n";

/// An operator, and where his key lies.
struct Writer<'a> {
    name: &'static str,
    device: &'static str,
    unlock: &'a str,
}

/// Plays the scene; nothing of the work has begun.
pub(super) fn write(stage: &Stage, fleet: &Fleet) -> Result<Option<Written>, Failure> {
    let founder = fleet.telling.founder();
    let behind = fleet.telling.devices.iter().find(|d| fleet.telling.is_behind_relay(d.name));
    let Some(device) = behind.map(|device| device.name) else { return Ok(None) };
    stage.step("Two operators write one policy, each without the other, and both sign it");
    let unlock = stage.path(&format!("{device}.unlock"));
    let op = Writer { name: "op", device: founder, unlock: &fleet.unlock };
    let ada = Writer { name: "ada", device, unlock: &unlock };
    name(stage, fleet, &op, &ada)?;
    op.sign(stage, &["policy", "draft", "new", DRAFT], &[0])?;
    wait_for(stage, device, "the draft", |draft| draft.changes.len() == 1)?;
    stage.relays.iter().for_each(|relay| relay.cut());
    op.add(stage, |rules| format!("{rules}{NO_WIPE}"))?;
    ada.add(stage, |rules| format!("{NO_NIGHT}{rules}"))?;
    for writer in [&op, &ada] {
        let there = draft(stage, writer.device)?;
        if there.changes.len() != 2 {
            let what = format!("{} has heard of the other's rule through the cut", writer.device);
            return Err(Failure::Contradiction(what));
        }
    }
    stage.say(&format!(
        "the path is cut; op adds a rule on {founder}, ada one on {device}: neither has the other's"
    ));
    stage.relays.iter().for_each(|relay| relay.heal());
    let healed = Instant::now();
    let one = one_document(stage, &op, &ada)?;
    let healed_to_one_ms = u64::try_from(healed.elapsed().as_millis()).unwrap_or(u64::MAX);
    stage.say(&format!(
        "healed: {healed_to_one_ms} ms later both read one document of {} changes by {}",
        one.changes.len(),
        one.draft.authors.join(" and ")
    ));
    let (authors, changes) = (one.draft.authors.len(), one.changes.len());
    ada.sign(stage, &["policy", "draft", "merge", DRAFT], &[0])?;
    let release = release(stage, fleet, &op, &ada)?;
    Ok(Some(Written { authors, branches: one.draft.heads, changes, healed_to_one_ms, release }))
}

/// The root names the second operator.
fn name(stage: &Stage, fleet: &Fleet, op: &Writer<'_>, ada: &Writer<'_>) -> Result<(), Failure> {
    let card = stage.path("ada.card");
    ada.sign(stage, &["operator", "card", "--name", ada.name, "--out", &card], &[0])?;
    let add = ["operator", "add", &card, "--roles", "policy", "--yes"];
    let Epoch { epoch } = op.sign(stage, &add, &[0])?.data()?;
    for device in fleet.telling.devices {
        let state = format!("root epoch {epoch} stands on {}", device.name);
        stage.patience.wait_for(&state, LINKED_MAX, || {
            Ok((stage.status(device.name)?.epoch == epoch).then_some(()))
        })?;
    }
    stage.say(&format!(
        "ada's key is made on {} and never leaves it; the root names her in epoch {epoch}",
        ada.device
    ));
    Ok(())
}

/// Waits until both devices read the same files, in which both rules stand.
fn one_document(stage: &Stage, op: &Writer<'_>, ada: &Writer<'_>) -> Result<Draft, Failure> {
    wait_for(stage, op.device, "both rules", |draft| draft.changes.len() == 3)?;
    let state = format!("{} and {} read one document", op.device, ada.device);
    stage.patience.wait_for(&state, LINKED_MAX, || {
        let (here, there) = (draft(stage, op.device)?, draft(stage, ada.device)?);
        let whole = |rule: &str| here.files.iter().any(|file| file.has(rule));
        let both = whole("demo.no-wipe") && whole("demo.no-night-shift");
        Ok((both && here.files == there.files).then_some(here))
    })
}

/// Proposed by the one, approved by the other; waits until it judges everywhere.
fn release(
    stage: &Stage,
    fleet: &Fleet,
    op: &Writer<'_>,
    ada: &Writer<'_>,
) -> Result<String, Failure> {
    wait_for(stage, op.device, "the merge", |draft| draft.draft.heads == 1)?;
    let propose = ["policy", "propose", DRAFT, "-m", "two rules by two operators"];
    let said: Proposal = op.sign(stage, &propose, &[APPROVAL_NEEDED])?.data()?;
    let state = format!("ada can read and approve release {}", said.version);
    stage.patience.wait_for(&state, LINKED_MAX, || {
        let approve = ["approve", &said.id, "--yes", "--unlock-file", ada.unlock];
        let answer = stage.try_ask(ada.device, &approve)?;
        Ok((answer.exit == Some(0)).then_some(()))
    })?;
    for device in fleet.telling.devices {
        let state = format!("release {} judges on {}", said.version, device.name);
        stage.patience.wait_for(&state, LINKED_MAX, || {
            let status = stage.status(device.name)?;
            // The one before it judges beside it until everybody has had time to adopt it.
            let whole = status.releases.iter().all(|one| one.whole);
            let judges = status.releases.iter().any(|one| one.version == said.version);
            Ok((judges && whole && status.run != "lapsed").then_some(()))
        })?;
    }
    let Proposal { version, id } = said;
    stage.say(&format!(
        "release {version} ({}): proposed by op, approved by ada, judges on all {} devices",
        short(&id),
        fleet.telling.count
    ));
    Ok(version)
}

impl Writer<'_> {
    fn sign(
        &self,
        stage: &Stage,
        args: &[&str],
        exits: &[i32],
    ) -> Result<super::command::Answer, Failure> {
        stage.ask(self.device, &[args, &["--unlock-file", self.unlock]].concat(), exits)
    }

    /// Adds to the rules of the draft, in a folder of his own.
    fn add(&self, stage: &Stage, change: impl FnOnce(&str) -> String) -> Result<(), Failure> {
        let folder = stage.path(&format!("{DRAFT}-{}", self.name));
        let out = ["policy", "draft", "show", DRAFT, "--out", &folder];
        stage.ask(self.device, &out, &[0])?;
        let file = format!("{folder}/policy.cedar");
        let path = std::path::Path::new(&file);
        let rules = fs::read_to_string(path).map_err(super::failure::io(path))?;
        fs::write(path, change(&rules)).map_err(super::failure::io(path))?;
        self.sign(stage, &["policy", "draft", "edit", DRAFT, "--from", &folder], &[0])?;
        Ok(())
    }
}

fn draft(stage: &Stage, device: &str) -> Result<Draft, Failure> {
    stage.ask(device, &["policy", "draft", "show", DRAFT], &[0])?.data()
}

fn wait_for(
    stage: &Stage,
    device: &str,
    what: &str,
    so: impl Fn(&Draft) -> bool,
) -> Result<(), Failure> {
    let state = format!("{} has {what}", capital(device));
    stage.patience.wait_for(&state, LINKED_MAX, || {
        let answer = stage.try_ask(device, &["policy", "draft", "show", DRAFT])?;
        // Before its beginning has come nobody knows the draft.
        let known = (answer.exit == Some(0)).then(|| answer.data::<Draft>()).transpose()?;
        Ok(known.filter(|draft| so(draft)).map(drop))
    })
}
