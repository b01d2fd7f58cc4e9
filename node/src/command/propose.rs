//! `belay policy propose`: a draft becomes the next release, signed in this process.
//!
//! The header names the draft's head, so an approval is of the draft as it was shown and lapses
//! when it changes. Refused here: a draft that `policy check` would refuse, and one whose branches
//! nobody has looked at together.

use super::draft;
use super::publish::{Asked, reason, release};
use crate::api::draft::DraftSaid;
use crate::api::id_from_text;
use crate::cli::Context;
use crate::cli::operators::Propose;
use crate::fault::Fault;
use crate::policy_folder::{Source, faults_of_texts};
use belay_identity::StatementId;
use std::process::ExitCode;

pub(crate) fn run(context: &Context, ask: &Propose) -> Result<ExitCode, Fault> {
    let said = draft::ask(context, &ask.draft)?;
    one_branch(&ask.draft, &said)?;
    let source = source(&ask.draft, &said)?;
    let head = |id: &String| id_from_text(id).map(StatementId);
    let heads: Result<Vec<StatementId>, _> = said.heads.iter().map(head).collect();
    let drafts = heads.map_err(|no| Fault::failed(no.why, "use one version of belay"))?;
    let (reason, expect) = (reason(&ask.said.remarked.message)?, ask.said.expect.as_deref());
    let (signing, schema) = (&ask.said.remarked.signing, "belay.policy.propose/1");
    release(context, &Asked { source, drafts, reason, expect, signing, schema })
}

fn one_branch(name: &str, said: &DraftSaid) -> Result<(), Fault> {
    let hint = format!("look at them together: `belay policy draft merge {name}`");
    match said.draft.heads {
        0 | 1 => Ok(()),
        many => {
            let what =
                format!("draft {name} has {many} branches that nobody has looked at together");
            Err(Fault::exit(7, what, hint))
        }
    }
}

/// The release that the draft would be, or every fault that it has.
fn source(name: &str, said: &DraftSaid) -> Result<Source, Fault> {
    let texts = said.texts();
    let found = faults_of_texts(&texts);
    if let Some(first) = found.first() {
        let line = first.line.map(|line| format!(":{line}")).unwrap_or_default();
        let rule = first.rule.as_ref().map(|rule| format!(" [{rule}]")).unwrap_or_default();
        let what = format!("draft {name}, {}{line}{rule}: {}", first.file, first.what);
        let hint = match found.len() {
            1 => first.next.clone(),
            many => {
                let next = &first.next;
                format!("{next}; {} more: write it out and `belay policy check` it", many - 1)
            }
        };
        return Err(Fault::exit(7, what, hint));
    }
    let text = |file: &str| texts.get(file).map(String::as_str).unwrap_or_default();
    Source::read_texts(&format!("draft {name}"), text("policy.cedar"), text("release.toml"))
}
