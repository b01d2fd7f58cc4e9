//! Judging a case file by nothing but its bytes.
//!
//! Every signature is checked for the fleet whose founding root stands in the file, every view is
//! folded anew, the case is gathered again, and each check is named with its result. What was
//! changed is named exactly: which statement, of which kind, by whom.
//!
//! Refused here: trusting a root. Where none was given the fingerprint is reported, and whoever
//! reads the report compares it.

use super::closure::named_by;
use super::{Branch, BranchState, Case, CaseError, CaseFile, Facts};
use crate::authority::Authority;
use crate::orders::Orders;
use crate::registry::Registry;
use crate::set::Set;
use crate::tasks::Tasks;
use belay_identity::principal::Principal;
use belay_identity::{Body, FleetId, Signed, SignedError, Statement, Verified};
use std::sync::Arc;

/// What was found in a case file whose every signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The fleet that it is a case of; its hex is the fingerprint.
    pub fleet: FleetId,
    /// True when this fleet was given to compare with; otherwise whoever reads must compare.
    pub compared: bool,
    /// The case, gathered again from the statements in the file.
    pub case: Case,
    /// Every check, in the order in which it was made.
    pub checks: Vec<Check>,
}

/// One check and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was checked.
    pub what: String,
    /// What was found.
    pub found: Found,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It holds.
    Holds,
    /// Something is lacking, so it shows nothing: the case is incomplete or unproven.
    Lacks(String),
    /// It is wrong: what the file says cannot be so.
    Fails(String),
}

impl Report {
    /// True when no check failed; the case may still be incomplete.
    pub fn holds(&self) -> bool {
        !self.checks.iter().any(|check| matches!(check.found, Found::Fails(_)))
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.found {
            Found::Holds => write!(f, "{}: holds", self.what),
            Found::Lacks(why) => write!(f, "{}: lacking: {why}", self.what),
            Found::Fails(why) => write!(f, "{}: FAILS: {why}", self.what),
        }
    }
}

/// Judges a case file: derives everything anew from its bytes, for the fleet given, or, where none
/// is given, for the one that is founded in it.
pub fn verify(bytes: &[u8], root: Option<FleetId>) -> Result<Report, CaseError> {
    let file = CaseFile::read(bytes)?;
    let parsed = parse(&file)?;
    let fleet = founding(&parsed, root)?;
    let (set, mut checks) = check_signatures(parsed, fleet)?;
    let authority = Authority::fold(&set);
    let orders = Orders::fold(&set, &authority);
    let registry = Registry::fold(&set, &authority);
    let tasks = Tasks::fold(&set);
    let case = Case::gather(&set, &authority, &orders, &registry, &tasks, file.order);
    checks.push(check_root(&authority, fleet));
    checks.push(check_order(&case));
    checks.push(check_names(&set));
    checks.extend(case.branches.iter().map(check_branch));
    Ok(Report { fleet, compared: root.is_some(), case, checks })
}

fn parse(file: &CaseFile) -> Result<Vec<Signed<Statement>>, CaseError> {
    let of = file.statements.len();
    let read = |(at, bytes): (usize, &Arc<[u8]>)| {
        Signed::parse(bytes).map_err(|why| CaseError::Statement {
            number: at + 1,
            of,
            what: "not readable".into(),
            why,
        })
    };
    file.statements.iter().enumerate().map(read).collect()
}

fn founding(parsed: &[Signed<Statement>], root: Option<FleetId>) -> Result<FleetId, CaseError> {
    let is_founding = |signed: &&Signed<Statement>| match &signed.claim().body {
        Body::Root(root) => root.number == 1,
        _ => false,
    };
    let mut found: Vec<FleetId> =
        parsed.iter().filter(is_founding).map(|signed| FleetId(signed.founding_id().0)).collect();
    found.dedup();
    match (root, found.as_slice()) {
        (_, []) => Err(CaseError::NoRoot),
        (Some(given), all) if all.contains(&given) => Ok(given),
        (Some(given), [found, ..]) => Err(CaseError::OtherFleet { given, found: *found }),
        (None, [found]) => Ok(*found),
        (None, _) => Err(CaseError::SeveralRoots),
    }
}

fn check_signatures(
    parsed: Vec<Signed<Statement>>,
    fleet: FleetId,
) -> Result<(Set, Vec<Check>), CaseError> {
    let of = parsed.len();
    let (mut set, mut checks) = (Set::new(fleet), Vec::new());
    let mut last = None;
    for (at, signed) in parsed.into_iter().enumerate() {
        let (number, what) = (at + 1, describe(signed.claim()));
        let held = signed.verify(&fleet).map_err(|why: SignedError| CaseError::Statement {
            number,
            of,
            what: what.clone(),
            why,
        })?;
        if last.replace(held.id()).is_some_and(|last| last >= held.id()) {
            return Err(CaseError::Disorder { number, of, what });
        }
        let what = format!("signature of {} {} by {}", held.body.kind(), short(&held), who(&held));
        checks.push(Check { what, found: Found::Holds });
        set.insert(Arc::new(held));
    }
    Ok((set, checks))
}

fn check_root(authority: &Authority, fleet: FleetId) -> Check {
    let what = format!("root epochs of fleet {fleet}");
    let found = match authority.standing() {
        Some(_) => Found::Holds,
        None => Found::Fails("none of them has the approvals of its threshold".into()),
    };
    Check { what, found }
}

fn check_order(case: &Case) -> Check {
    let what = format!("order {}", &case.order.to_hex()[..8]);
    let found = match &case.fault {
        None => Found::Holds,
        Some(fault) => Found::Fails(fault.to_string()),
    };
    Check { what, found }
}

/// Checks that nothing was left out that the statements themselves name.
fn check_names(set: &Set) -> Check {
    let absent = set.iter().find_map(|held| {
        let named = named_by(held).into_iter().find(|id| set.get(id).is_none());
        named.map(|id| (held, id))
    });
    let found = match absent {
        None => Found::Holds,
        Some((held, id)) => Found::Lacks(format!("{} {} names {id}", describe(held), short(held))),
    };
    Check { what: "everything that the statements name is in the case".into(), found }
}

fn check_branch(branch: &Branch) -> Check {
    let agent = branch.agent.as_ref().map_or("unknown agent", |agent| agent.name());
    let device = branch.device.as_ref().map_or("unknown device", |device| device.name());
    let award = branch.award.map(|award| format!(", award {}", &award.to_hex()[..8]));
    let what = format!("end of {agent} on {device}{}", award.unwrap_or_default());
    let found = match &branch.state {
        BranchState::Proven(_) | BranchState::Refused => Found::Holds,
        BranchState::Unproven(facts) => Found::Lacks(describe_facts(facts)),
        BranchState::Missing(why) => Found::Lacks(why.to_string()),
    };
    Check { what, found }
}

fn describe_facts(facts: &Facts) -> String {
    format!("{} ({}, {})", facts.outcome, facts.cause, facts.seen)
}

fn describe(statement: &Statement) -> String {
    format!("{} by {}", statement.body.kind(), who(statement))
}

fn who(statement: &Statement) -> String {
    let id = statement.author.to_string();
    match &statement.author {
        Principal::Root(_) => "root".into(),
        Principal::Operator(_)
        | Principal::Device(_)
        | Principal::User(_)
        | Principal::Agent(_)
        | Principal::Project(_)
        | Principal::Class(_)
        | Principal::Invite(_) => {
            let mut words = id.rsplit('/');
            let name = words.next().unwrap_or_default();
            format!("{} {name}", words.next().unwrap_or_default())
        }
    }
}

fn short(held: &Verified<Statement>) -> String {
    held.id().to_hex()[..8].to_owned()
}
