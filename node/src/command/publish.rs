//! `belay policy publish`: a folder becomes the next release, signed in this process.
//!
//! Header and approval leave in one piece with the policy, and the node takes all or nothing, so a
//! publish that fails leaves the old release in force. A draft and a rollback take the same way.
//! Beacons, quorum and liars stay as they are
//! unless the folder says otherwise. Refused here: publishing over a release nobody expected.

use super::door;
use super::operator::Operator;
use super::programs::look_up;
use crate::api::Ask;
use crate::api::policy::{
    AutonomySaid, BeaconSaid, PolicySaid, ProgramsSaid, ReleaseSaidWhole, announced_said,
    data_said, data_words, profiles_said,
};
use crate::cli::{Context, Publish, Signing};
use crate::clock;
use crate::door::DoorName;
use crate::fault::Fault;
use crate::founding::{ADOPT_WITHIN_MS, RELEASE_LIFE_MS};
use crate::policy_folder::{Beacons, Source, faults, span_words};
use crate::screen::{Shown, talk};
use belay_identity::body::{
    Action, Approve, Body, DeviceKind, Policy, Reason, Release, ReleaseVersion,
};
use belay_identity::key::unhex;
use belay_identity::limits::REASON_BYTES_MAX;
use belay_identity::{Class, PublicKey, StatementId};
use belay_mesh::gate::{LANGUAGE, rule_changes};
use serde::Serialize;
use serde_json::json;
use std::process::ExitCode;

/// What a release changes against the one in force.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Changes {
    rules_added: Vec<String>,
    rules_removed: Vec<String>,
    rules_changed: Vec<String>,
    settings: Vec<Change>,
}

/// One setting that reads otherwise.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Change {
    what: String,
    from: String,
    to: String,
}

/// Who gives leases under a release.
struct Givers {
    names: Vec<String>,
    keys: Vec<PublicKey>,
    always_on: u64,
    quorum: u64,
    liars: u64,
    /// Those who may pass their answers on.
    gateways: Vec<(String, PublicKey)>,
}

/// What is to be released, and by whom.
pub(super) struct Asked<'a> {
    pub(super) source: Source,
    /// The statements that carry the heads of the draft it was made of.
    pub(super) drafts: Vec<StatementId>,
    pub(super) reason: Option<Reason>,
    pub(super) expect: Option<&'a str>,
    pub(super) signing: &'a Signing,
    pub(super) schema: &'static str,
}

pub(crate) fn run(context: &Context, ask: &Publish) -> Result<ExitCode, Fault> {
    let source = Source::read(&ask.folder).map_err(|fault| with_the_rest(ask, fault))?;
    let (drafts, reason) = (Vec::new(), reason(&ask.said.remarked.message)?);
    let (expect, signing) = (ask.said.expect.as_deref(), &ask.said.remarked.signing);
    let schema = "belay.policy.publish/1";
    release(context, &Asked { source, drafts, reason, expect, signing, schema })
}

/// Why a release is made; nothing where nobody says.
pub(super) fn reason(message: &str) -> Result<Option<Reason>, Fault> {
    if message.len() > REASON_BYTES_MAX {
        let what = format!("a reason of {} bytes; at most {REASON_BYTES_MAX} fit", message.len());
        return Err(Fault::wrong_use(what, "say the rest in the draft's edits"));
    }
    Ok((!message.is_empty()).then(|| Reason(message.to_owned())))
}

/// Signs the next release, or says yes to another operator's equal one.
pub(super) fn release(context: &Context, asked: &Asked<'_>) -> Result<ExitCode, Fault> {
    let mut door = door(context, DoorName::Operator)?;
    let policy: PolicySaid = door.call(&Ask::Policy { agent: None })?;
    let source = look_up(asked.source.clone(), &mut door, &policy.ring)?;
    let (drafts, reason) = (asked.drafts.clone(), asked.reason.clone());
    let asked = &Asked { source, drafts, reason, ..*asked };
    let source = &asked.source;
    check_expected(asked.expect, &policy)?;
    let givers = givers(source, &policy)?;
    let changes = changes(source, &givers, &policy)?;
    warn(&givers, &policy.judging);
    // Of several that judge apart none is in force alone, and a release that reads like one of them
    // is what ends that.
    if let ([release], true) = (policy.judging.as_slice(), changes == Changes::default()) {
        let words = format!("Release {} in force reads like this already.", release.version);
        let data = json!({ "published": false, "version": release.version, "id": release.id });
        Shown::whole(asked.schema, &data, words).show(context.format)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut operator = Operator::unlock(context, asked.signing)?;
    let (id, version) = sign(&mut operator, asked, &givers, &policy)?;
    let after: PolicySaid = operator.door().call(&Ask::Policy { agent: None })?;
    show(context, asked.schema, &id, &version, &changes, &after)
}

/// The first fault, and how many more there are.
fn with_the_rest(ask: &Publish, fault: Fault) -> Fault {
    let more = faults(&ask.folder).len().saturating_sub(1);
    if more == 0 {
        return fault;
    }
    let hint = format!(
        "{}; `belay policy check {}` lists this and {more} more",
        fault.hint,
        ask.folder.display()
    );
    Fault { hint, ..fault }
}

/// The version in force is the one that the operator saw, or it is said who changed it.
fn check_expected(expect: Option<&str>, policy: &PolicySaid) -> Result<(), Fault> {
    let Some(expect) = expect else { return Ok(()) };
    let expect = expect.trim_start_matches('v');
    let what = match policy.judging.as_slice() {
        [one] if one.version == expect => return Ok(()),
        [] => format!("no release is in force, not {expect}"),
        [one] => format!(
            "release {} is in force, published by {}, not {expect}",
            one.version, one.author
        ),
        several => {
            let each = several.iter().map(|r| format!("{} of {}", r.version, r.author));
            format!("{} judge apart, not {expect} alone", each.collect::<Vec<_>>().join(" and "))
        }
    };
    let hint = "look at it with `belay policy effective`, then publish with --expect that version";
    Err(Fault::exit(7, what, hint))
}

fn givers(source: &Source, policy: &PolicySaid) -> Result<Givers, Fault> {
    let name = |device: &BeaconSaid| device.name.clone();
    let (names, gateways, quorum, liars) = match (&source.beacons, policy.judging.first()) {
        (Some(Beacons { devices, quorum, liars, gateways }), _) => {
            (devices.clone(), gateways.clone(), *quorum, *liars)
        }
        (None, Some(old)) => {
            let passing: Vec<String> = old.gateways.iter().map(name).collect();
            (old.beacons.iter().map(name).collect::<Vec<_>>(), passing, old.quorum, old.liars)
        }
        (None, None) => {
            let hint = "name them in release.toml: [beacons] with devices and quorum";
            return Err(Fault::wrong_use("no release is in force to take the beacons from", hint));
        }
    };
    let old = policy.judging.iter().flat_map(|old| old.beacons.iter().chain(&old.gateways));
    let known: Vec<_> = policy.devices.iter().chain(old).collect();
    let find = |name: &String| {
        known.iter().find(|device| device.name == *name).copied().ok_or_else(|| {
            let names: Vec<&str> = policy.devices.iter().map(|d| d.name.as_str()).collect();
            let hint = format!("the fleet's devices are {}", names.join(", "));
            Fault::exit(7, format!("beacons: no device {name} is in this fleet"), hint)
        })
    };
    let found = names.iter().map(find).collect::<Result<Vec<_>, Fault>>()?;
    let key = |text: &String| unhex(text).and_then(|bytes| bytes.try_into().ok()).map(PublicKey);
    let keys = found.iter().map(|device| key(&device.key)).collect::<Option<Vec<_>>>();
    let odd = || Fault::failed("the node names a device without a key", "use one version of belay");
    let keys = keys.ok_or_else(odd)?;
    let passing = gateways.iter().map(|name| Ok((name.clone(), find(name)?)));
    let passing = passing.collect::<Result<Vec<_>, Fault>>()?;
    let passing = passing.into_iter().map(|(name, said)| Some((name, key(&said.key)?)));
    let gateways = passing.collect::<Option<Vec<_>>>().ok_or_else(odd)?;
    let always_on = found.iter().filter(|device| device.always_on).count() as u64;
    Ok(Givers { names, keys, always_on, quorum, liars, gateways })
}

fn warn(givers: &Givers, judging: &[ReleaseSaidWhole]) {
    if let [newest, apart @ ..] = judging
        && !apart.is_empty()
    {
        let apart: Vec<&str> = apart.iter().map(|release| release.version.as_str()).collect();
        talk(format_args!(
            "belay: warning: release {} and {} judge apart; what is told to change is told against \
             {}",
            newest.version,
            apart.join(" and "),
            newest.version,
        ));
    }
    if givers.always_on < givers.quorum {
        talk(format_args!(
            "belay: warning: a lease needs {} of {}, and only {} of these are always on (gateways \
             and servers): a device runs out of leases while the others sleep",
            givers.quorum,
            givers.names.join(", "),
            givers.always_on,
        ));
    }
    let names = |old: &ReleaseSaidWhole| -> Vec<String> {
        old.beacons.iter().map(|beacon| beacon.name.clone()).collect()
    };
    if judging.iter().any(|old| names(old) != givers.names) {
        talk(
            "belay: warning: the beacons change: an order given just before is in force only once \
             the new ones have it too; `belay status` says which orders are",
        );
    }
}

/// Signs header and approval, or the approval that another operator's equal proposal lacks.
fn sign(
    operator: &mut Operator,
    asked: &Asked<'_>,
    givers: &Givers,
    policy: &PolicySaid,
) -> Result<(String, String), Fault> {
    let mut place = operator.place(Class::AuthorityMinus)?;
    let source = &asked.source;
    let drafts: Vec<String> = asked.drafts.iter().map(StatementId::to_hex).collect();
    let body = source.policy.to_bytes();
    let autonomy = AutonomySaid::from(&source.autonomy);
    let same = |release: &&ReleaseSaidWhole| {
        let keys: Vec<&str> = release.beacons.iter().map(|beacon| beacon.key.as_str()).collect();
        let ours: Vec<String> = givers.keys.iter().map(PublicKey::to_hex).collect();
        release.body.as_deref() == Some(&crate::api::to_text(&body))
            && release.autonomy == autonomy
            && release.profiles == profiles_said(&source.profiles)
            && release
                .gateways
                .iter()
                .map(|said| &said.name)
                .eq(givers.gateways.iter().map(|g| &g.0))
            && keys == ours
            && release.drafts == drafts
            && (release.quorum, release.liars) == (givers.quorum, givers.liars)
    };
    if let Some(proposed) = policy.proposed.iter().find(same) {
        let of = StatementId(
            crate::api::id_from_text(&proposed.id)
                .map_err(|refusal| Fault::failed(refusal.why, "use one version of belay"))?,
        );
        let yes = operator.sign_next(&mut place, Approve { of }.into(), Vec::new(), None)?;
        operator.hand_in(&[yes], &[])?;
        return Ok((proposed.id.clone(), proposed.version.clone()));
    }
    let version = version(&policy.next)?;
    let now_ms = clock::wall_ms();
    let header = Release {
        version: version.clone(),
        ring: policy.ring.clone(),
        body: Policy::hash(&body),
        beacons: givers.keys.clone(),
        quorum: givers.quorum,
        liars: givers.liars,
        autonomy: source.autonomy.clone(),
        adopt_by_ms: now_ms.saturating_add(ADOPT_WITHIN_MS),
        language: LANGUAGE,
        drafts: asked.drafts.clone(),
        reason: asked.reason.clone(),
        gateways: givers.gateways.iter().map(|(_, key)| *key).collect(),
        profiles: source.profiles.clone(),
    };
    let until = Some(now_ms.saturating_add(RELEASE_LIFE_MS));
    let header = operator.sign_next(&mut place, Body::Release(header), Vec::new(), until)?;
    let id = header.id();
    let yes = operator.sign_next(&mut place, Approve { of: id }.into(), Vec::new(), None)?;
    operator.hand_in(&[header, yes], &[body])?;
    Ok((id.to_hex(), version.to_string()))
}

fn version(text: &str) -> Result<ReleaseVersion, Fault> {
    let parts = text.split_once('.');
    let parts = parts.and_then(|(epoch, n)| Some((epoch.parse().ok()?, n.parse().ok()?)));
    let odd = || Fault::failed(format!("“{text}” is no version"), "use one version of belay");
    parts.map(|(epoch, number)| ReleaseVersion { epoch, number }).ok_or_else(odd)
}

fn changes(source: &Source, givers: &Givers, policy: &PolicySaid) -> Result<Changes, Fault> {
    let Some(old) = policy.judging.first() else { return Ok(Changes::default()) };
    let body = old.body.as_deref().and_then(unhex);
    let before = body.and_then(|bytes| Policy::from_bytes(&bytes).ok());
    let old_rules = before.as_ref().map(|policy| policy.rules.as_str()).unwrap_or_default();
    let rules = rule_changes(old_rules, &source.policy.rules)
        .map_err(|error| Fault::exit(7, error.to_string(), error.hint()))?;
    let mut settings = Vec::new();
    let mut note = |what: &str, from: String, to: String| {
        if from != to {
            settings.push(Change { what: what.to_owned(), from, to });
        }
    };
    for action in Action::ALL {
        let class = action.as_str();
        let from = old.modes.iter().find(|(known, _)| known == class);
        let from = from.map(|(_, mode)| mode.clone()).unwrap_or_default();
        note(&format!("modes.{class}"), from, source.policy.modes.of(*action).as_str().into());
    }
    let spans = AutonomySaid::from(&source.autonomy).spans();
    for ((name, from), (_, to)) in old.autonomy.spans().into_iter().zip(spans) {
        if from != to {
            note(name, span_words(from), span_words(to));
        }
    }
    for kind in DeviceKind::ALL {
        let from = profile_words(&old.profiles, kind.as_str());
        let to = profile_words(&profiles_said(&source.profiles), kind.as_str());
        note(&format!("profiles.{kind}"), from, to);
    }
    let programs = ProgramsSaid::of(&source.policy);
    note("programs.sanctioned", old.programs.sanctioned.join(", "), programs.sanctioned.join(", "));
    note("programs.tolerated", old.programs.tolerated.join(", "), programs.tolerated.join(", "));
    note("programs.unknown", old.programs.unknown.clone(), programs.unknown);
    note("links.mdns", old.announced.join(", "), announced_said(&source.policy).join(", "));
    note("data", data_words(&old.data), data_words(&data_said(&source.policy)));
    note("projects", old.projects.join(", "), source.policy.projects.join(", "));
    note("classes", old.classes.join(", "), source.policy.classes.join(", "));
    let names: Vec<String> = old.beacons.iter().map(|beacon| beacon.name.clone()).collect();
    note("beacons.devices", names.join(", "), givers.names.join(", "));
    let passing = old.gateways.iter().map(|device| device.name.clone()).collect::<Vec<_>>();
    let now = givers.gateways.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    note("beacons.gateways", passing.join(", "), now.join(", "));
    note("beacons.quorum", old.quorum.to_string(), givers.quorum.to_string());
    note("beacons.liars", old.liars.to_string(), givers.liars.to_string());
    let (rules_added, rules_removed) = (rules.added, rules.removed);
    Ok(Changes { rules_added, rules_removed, rules_changed: rules.changed, settings })
}

/// The spans of one kind of device, for people; nothing where they are as for the rest.
pub(super) fn profile_words(profiles: &[(String, AutonomySaid)], kind: &str) -> String {
    let own = profiles.iter().find(|(of, _)| of == kind);
    let spans = own.map(|(_, autonomy)| autonomy.spans());
    let words = spans.into_iter().flatten().map(|(name, ms)| format!("{name} {}", span_words(ms)));
    words.collect::<Vec<_>>().join(", ")
}

fn show(
    context: &Context,
    schema: &str,
    id: &str,
    version: &str,
    changes: &Changes,
    after: &PolicySaid,
) -> Result<ExitCode, Fault> {
    let published = after.judging.iter().any(|release| release.id == id);
    let data = json!({
        "published": published,
        "version": version,
        "id": id,
        "changes": changes,
    });
    let mut words = match published {
        true => format!(
            "Release {version} is in force here and on its way to the fleet. For {} the one before \
             it judges as well, and the stricter answer holds.\n",
            span_words(ADOPT_WITHIN_MS)
        ),
        false => format!("Release {version} is proposed; the old one stays in force.\n"),
    };
    words += &change_words(changes);
    words += &format!("release {id}\n");
    let missing = if published { Vec::new() } else { vec!["an approval".to_owned()] };
    Shown { schema, missing, data: &data, words }.show(context.format)?;
    if published {
        return Ok(ExitCode::SUCCESS);
    }
    let what = format!("release {version} needs the approval of one more operator");
    let who = after.operators.join(", ");
    let id = id.get(..16).unwrap_or(id);
    let hint = format!("another of {who} says yes: belay approve {id}");
    Err(Fault::exit(8, what, hint))
}

fn change_words(changes: &Changes) -> String {
    let rules = [
        ("added", &changes.rules_added),
        ("removed", &changes.rules_removed),
        ("changed", &changes.rules_changed),
    ];
    let rules = rules
        .into_iter()
        .flat_map(|(what, ids)| ids.iter().map(move |id| format!("  rule {id} {what}\n")));
    let settings = changes.settings.iter();
    let settings = settings.map(|c| format!("  {}: {} -> {}\n", c.what, c.from, c.to));
    rules.chain(settings).collect()
}
