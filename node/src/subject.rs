//! Subjects as people write them: `agent:planner`, `device:robot and user:ada`.
//!
//! Refused here: saying whether anything carries the name; the node knows.

use crate::fault::Fault;
use belay_identity::body::{Subject, Term};
use belay_identity::key::unhex;
use belay_identity::principal::{
    AgentId, ClassId, DeviceId, OperatorId, ProjectId, TrustDomain, UserId,
};

const HINT: &str = "write agent:NAME, user:NAME, project:NAME, class:NAME, device:NAME, operator:NAME or \
                    manifest:HASH";

/// Reads up to three terms, with or without `and` between them.
pub(crate) fn read(domain: &TrustDomain, words: &[String]) -> Result<Subject, Fault> {
    let terms = words.iter().filter(|word| *word != "and").map(|word| term(domain, word));
    let terms = terms.collect::<Result<Vec<_>, Fault>>()?;
    Subject::new(terms).map_err(|error| Fault::wrong_use(error, HINT))
}

/// A trust domain in which a name is as good or bad as in any other.
pub(crate) fn any_domain() -> Result<TrustDomain, Fault> {
    TrustDomain::new("a").map_err(|error| Fault::failed(error, "report this"))
}

fn term(domain: &TrustDomain, word: &str) -> Result<Term, Fault> {
    let bad = || Fault::wrong_use(format!("“{word}” is no subject"), HINT);
    let (kind, name) = word.split_once(':').ok_or_else(bad)?;
    Ok(match kind {
        "agent" => Term::Agent(AgentId::new(domain, name).map_err(|_| bad())?),
        "user" => Term::User(UserId::new(domain, name).map_err(|_| bad())?),
        "project" => Term::Project(ProjectId::new(domain, name).map_err(|_| bad())?),
        "class" => Term::Class(ClassId::new(domain, name).map_err(|_| bad())?),
        "device" => Term::Device(DeviceId::new(domain, name).map_err(|_| bad())?),
        "operator" => Term::Operator(OperatorId::new(domain, name).map_err(|_| bad())?),
        "manifest" => {
            let hash = unhex(name).and_then(|bytes| bytes.try_into().ok());
            Term::Manifest(hash.ok_or_else(bad)?)
        }
        _ => return Err(bad()),
    })
}
