//! `belay manifest`: name programs, and see how each stands.
//!
//! A manifest is signed in this process with an operator's key of the policy role. It permits
//! nothing by itself: a release lists it. Refused here: a name that reads like a known one, a
//! second name for a known file unless asked for, and a file that is no program.

use super::door;
use super::operator::Operator;
use crate::api::programs::{ManifestSaid, ProgramSaid};
use crate::api::{Ask, StatusSaid};
use crate::cli::Context;
use crate::cli::manifests::Sign;
use crate::door::DoorName;
use crate::fault::{Fault, io};
use crate::policy_folder::span_ms;
use crate::program::{self, ProgramError};
use crate::screen::{Shown, table};
use belay_identity::body::{Body, Build, Manifest, ProgramName};
use belay_identity::key::{hex, unhex};
use belay_identity::{Class, FleetId, Signed, Statement};
use serde::Serialize;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// The exit code of a check that found a difference.
const DIFFERS: u8 = 7;
/// The exit code of what is denied.
const DENIED: u8 = 3;

/// Signs a manifest and hands it to the node.
pub(crate) fn sign(context: &Context, ask: &Sign) -> Result<ExitCode, Fault> {
    let manifest = read(ask)?;
    let known: Vec<ManifestSaid> = door(context, DoorName::Operator)?.call(&Ask::Manifests)?;
    check_alone(&known, &manifest, ask.beside)?;
    let mut operator = Operator::unlock(context, &ask.signing)?;
    let place = operator.place(Class::AuthorityPlus)?;
    let author = place.operator_name();
    let publisher = ask.publisher.clone().unwrap_or_else(|| author.clone());
    let manifest = Manifest { publisher, ..manifest };
    manifest
        .check()
        .map_err(|fault| Fault::wrong_use(fault, "see `belay manifest sign --help`"))?;
    let signed = operator.say(place, Body::from(manifest.clone()), Vec::new(), None)?;
    if let Some(out) = &ask.out {
        std::fs::write(out, signed.bytes()).map_err(io(out.display()))?;
    }
    let (id, title) = (signed.id().to_hex(), manifest.title());
    let data = json!({
        "id": id,
        "name": manifest.name.as_str(),
        "version": manifest.version,
        "author": author,
        "hashes": manifest.builds.iter().map(|build| hex(&build.file)).collect::<Vec<_>>(),
        "out": ask.out.as_ref().map(|out| out.display().to_string()),
    });
    let mut words = format!("{title} is signed by {author}.\n");
    for build in &manifest.builds {
        words += &format!("  {}  {}\n", hex(&build.file), build.platform);
    }
    words += &format!(
        "manifest {id}\nIt permits nothing yet: list “{title}” under [programs] in release.toml.\n"
    );
    Shown::whole("belay.manifest.sign/1", &data, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn read(ask: &Sign) -> Result<Manifest, Fault> {
    let mut builds = ask.files.iter().map(|word| build_of(word)).collect::<Result<Vec<_>, _>>()?;
    for word in &ask.hash {
        builds.push(hashed(word)?);
    }
    let first = ask.files.first().map(|word| parted(word).1);
    let name = match (&ask.name, first) {
        (Some(name), _) => name.clone(),
        (None, Some(file)) => super::agent::name_of(Path::new(file)),
        (None, None) => {
            return Err(Fault::wrong_use(
                "a program without a file here needs a name",
                "give --name",
            ));
        }
    };
    let name = ProgramName::new(&name).map_err(|error| {
        let hint = "choose another with --name; letters of other scripts would look like these";
        Fault::wrong_use(error, hint)
    })?;
    let bad = |word: &String| {
        Fault::wrong_use(format!("“{word}” is no duration"), "write 500ms, 2s or up to 10s")
    };
    let grace = ask.stop_grace.as_ref();
    Ok(Manifest {
        name,
        version: ask.version.clone(),
        publisher: String::new(),
        builds,
        tools: ask.tools.clone(),
        stop_grace_ms: grace.map(|word| span_ms(word).ok_or_else(|| bad(word))).transpose()?,
        rings: ask.rings.clone(),
    })
}

/// `PLATFORM=FILE`, or a file of this platform.
fn build_of(word: &str) -> Result<Build, Fault> {
    let (platform, file) = parted(word);
    let platform = platform.map_or_else(here, str::to_owned);
    Ok(Build { platform, file: looked(file)?.program() })
}

fn parted(word: &str) -> (Option<&str>, &str) {
    match word.split_once('=') {
        // A file may have such a name itself.
        Some((platform, file)) if !Path::new(word).exists() => (Some(platform), file),
        Some(_) | None => (None, word),
    }
}

fn hashed(word: &str) -> Result<Build, Fault> {
    let parts = word.split_once('=');
    let parts = parts.and_then(|(platform, hash)| Some((platform, unhex(hash)?.try_into().ok()?)));
    let (platform, file) = parts.ok_or_else(|| {
        let hint = "write PLATFORM=HASH, as linux/aarch64= and the 64 digits of `sha256sum`";
        Fault::wrong_use(format!("“{word}” is no platform with a hash"), hint)
    })?;
    Ok(Build { platform: platform.to_owned(), file })
}

/// This platform, as a manifest names it.
fn here() -> String {
    format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH)
}

fn looked(file: &str) -> Result<program::Looked, Fault> {
    let path = std::env::var("PATH").unwrap_or_default();
    // A bare name means the file in this folder, as every other command of files reads it.
    let file = if file.contains('/') { file.to_owned() } else { format!("./{file}") };
    program::look(&file, &path).map_err(|error: ProgramError| {
        let hint = error.hint();
        Fault::wrong_use(error, hint)
    })
}

/// No other name reads like this one, and no other manifest names these files.
fn check_alone(known: &[ManifestSaid], manifest: &Manifest, beside: bool) -> Result<(), Fault> {
    let look = manifest.name.look();
    let reads_alike = |other: &&ManifestSaid| {
        let name = ProgramName::new(&other.name);
        other.name != manifest.name.as_str() && name.is_ok_and(|name| name.look() == look)
    };
    if let Some(other) = known.iter().find(reads_alike) {
        let what = format!(
            "“{}” reads like “{}”, which {} signed: people would take one for the other",
            manifest.name, other.name, other.author
        );
        return Err(Fault::exit(DIFFERS, what, "choose another name with --name"));
    }
    let files: Vec<String> = manifest.builds.iter().map(|build| hex(&build.file)).collect();
    let shares = |other: &&ManifestSaid| other.builds.iter().any(|b| files.contains(&b.hash));
    match known.iter().find(shares) {
        Some(other) if !beside => {
            let what = format!(
                "{}@{}, signed by {}, names one of these files already (manifest {})",
                other.name, other.version, other.author, other.id
            );
            let hint = "list that one; --beside signs a second, and where they differ the narrower \
                        word counts";
            Err(Fault::exit(DIFFERS, what, hint))
        }
        Some(_) | None => Ok(()),
    }
}

/// One file of a program, and how it stands.
#[derive(Serialize)]
struct Checked {
    path: String,
    /// `program`, or `interpreter` of a script.
    role: &'static str,
    #[serde(flatten)]
    said: ProgramSaid,
}

/// What a file is, and how it stands here.
pub(crate) fn check(context: &Context, file: &Path) -> Result<ExitCode, Fault> {
    if let Some(signed) = signed_manifest(file) {
        return check_signed(context, file, signed);
    }
    let looked = looked(&file.display().to_string())?;
    let mut door = door(context, DoorName::Operator)?;
    let mut checked = Vec::new();
    for (at, opened) in looked.files.iter().enumerate() {
        let named = Some(hex(&opened.hash));
        let said: Vec<ProgramSaid> = door.call(&Ask::Programs { named })?;
        let role = if at == 0 { "program" } else { "interpreter" };
        let path = opened.path.display().to_string();
        checked.extend(said.into_iter().map(|said| Checked { path: path.clone(), role, said }));
    }
    let blocked = checked.iter().any(|one| one.said.verdict.as_deref() == Some("blocked"));
    let row = |one: &Checked| {
        format!(
            "{} {}\n  sha256   {}\n  verdict  {}\n",
            one.role,
            one.path,
            one.said.hash,
            one.said.words()
        )
    };
    let words: String = checked.iter().map(row).collect();
    Shown::whole("belay.manifest.check/1", &checked, words).show(context.format)?;
    if !blocked {
        return Ok(ExitCode::SUCCESS);
    }
    let hint = "`belay manifest sign` and the next release let it run; a hold is lifted by name";
    Err(Fault::exit(DENIED, format!("{} is blocked here", file.display()), hint))
}

fn signed_manifest(file: &Path) -> Option<Signed<Statement>> {
    let most = belay_identity::limits::STATEMENT_BYTES_MAX as u64;
    let small = std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.len() <= most);
    let bytes = small.then(|| std::fs::read(file).ok())??;
    Signed::<Statement>::parse(&bytes).ok()
}

fn check_signed(
    context: &Context,
    file: &Path,
    signed: Signed<Statement>,
) -> Result<ExitCode, Fault> {
    let name = file.display();
    let mut door = door(context, DoorName::Operator)?;
    let status: StatusSaid = door.call(&Ask::Status)?;
    let fleet = FleetId(
        crate::api::id_from_text(&status.fleet)
            .map_err(|refusal| Fault::failed(refusal.why, "use one version of belay"))?,
    );
    let differs = |what: String, hint: &str| Fault::exit(DIFFERS, what, hint);
    let signed = signed.verify(&fleet).map_err(|error| {
        let hint = "get it again from whoever signed it, in this fleet";
        differs(format!("{name} was changed, or signed for another fleet: {error}"), hint)
    })?;
    let Body::Manifest(manifest) = &signed.body else {
        let hint = "`belay manifest sign --out FILE` writes one";
        return Err(differs(format!("{name} is signed, and no manifest"), hint));
    };
    let known: Vec<ManifestSaid> = door.call(&Ask::Manifests)?;
    let id = signed.id().to_hex();
    let stands = known.iter().any(|one| one.id == id);
    let title = manifest.title();
    let data =
        json!({ "id": id, "title": title, "author": signed.author.to_string(), "stands": stands });
    let word = if stands { "stands here" } else { "does not stand here" };
    let words =
        format!("{title}, manifest {id}\n  signed   {}\n  state    {word}\n", signed.author);
    Shown::whole("belay.manifest.check/1", &data, words).show(context.format)?;
    if stands {
        return Ok(ExitCode::SUCCESS);
    }
    let what = format!(
        "{title} does not stand here: its author holds no policy role, or it has not arrived"
    );
    Err(differs(what, "have a policy operator of this fleet sign it: `belay manifest sign`"))
}

/// Every program known here.
pub(crate) fn list(context: &Context) -> Result<ExitCode, Fault> {
    let all: Vec<ProgramSaid> =
        door(context, DoorName::Operator)?.call(&Ask::Programs { named: None })?;
    let row = |one: &ProgramSaid| {
        let manifest = one.manifests.first();
        let platform = manifest.and_then(|m| m.builds.iter().find(|build| build.hash == one.hash));
        let listed = match (one.orders.is_empty(), one.listed) {
            (false, _) => "by order".to_owned(),
            (true, true) => one.release.clone().unwrap_or_default(),
            (true, false) => "-".to_owned(),
        };
        vec![
            one.title().unwrap_or_else(|| "-".into()),
            one.verdict.clone().unwrap_or_else(|| "not judged".into()),
            listed,
            manifest.map(|manifest| manifest.author.clone()).unwrap_or_else(|| "-".into()),
            platform.map(|build| build.platform.clone()).unwrap_or_else(|| "-".into()),
            one.hash.chars().take(16).collect(),
        ]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let words = match rows.is_empty() {
        true => "No program is known here.\n".to_owned(),
        false => {
            table(&["PROGRAM", "VERDICT", "LISTED IN", "SIGNED BY", "PLATFORM", "SHA256"], &rows)
        }
    };
    Shown::whole("belay.manifest.list/1", &all, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

/// One manifest's programs, or one program.
pub(crate) fn show(context: &Context, name: &str) -> Result<ExitCode, Fault> {
    let name = name.strip_prefix("manifest:").unwrap_or(name);
    let ask = Ask::Programs { named: Some(name.to_owned()) };
    let all: Vec<ProgramSaid> = door(context, DoorName::Operator)?.call(&ask)?;
    let words: String = all.iter().map(words_of).collect();
    Shown::whole("belay.manifest.show/1", &all, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn words_of(one: &ProgramSaid) -> String {
    let mut text = format!("manifest:{}\n", one.hash);
    let mut line = |name: &str, value: String| text += &format!("  {name:<10} {value}\n");
    line("verdict", one.words());
    for manifest in &one.manifests {
        line(
            "program",
            format!("{}@{} by {}", manifest.name, manifest.version, manifest.publisher),
        );
        line("signed by", format!("{} ({})", manifest.author, manifest.id));
        let platform = manifest.builds.iter().find(|build| build.hash == one.hash);
        line("platform", platform.map(|build| build.platform.clone()).unwrap_or_default());
        let list = |all: &[String], none: &str| match all {
            [] => none.to_owned(),
            all => all.join(", "),
        };
        line("needs", list(&manifest.tools, "it does not say"));
        line("rings", list(&manifest.rings, "every ring"));
        let grace = manifest.stop_grace_ms.map(|ms| format!("{ms} ms"));
        line("stop grace", grace.unwrap_or_else(|| "the usual".into()));
        if !manifest.look_alikes.is_empty() {
            line("beware", format!("its name reads like {}", manifest.look_alikes.join(", ")));
        }
        for rival in &manifest.rivals {
            line("beside", format!("manifest {rival} names one of its files too"));
        }
    }
    for order in &one.orders {
        line("order", format!("{} by {} ({})", order.kind, order.author, order.id));
    }
    line("to stop it", format!("belay stop manifest:{}", one.hash));
    text
}
