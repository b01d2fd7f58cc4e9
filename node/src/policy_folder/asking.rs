//! A question to a policy in people's words: `agent:crawler call shell/exec with command=ls`.
//!
//! Refused here: guessing. A word that means nothing is named with what is nearest to it.

use crate::fault::Fault;
use belay_identity::body::DeviceKind;
use belay_mesh::gate::{Asking, Verb};
use std::collections::VecDeque;

/// How a question reads.
pub(crate) const FORM: &str = "[agent:NAME] [user:NAME] [project:NAME] [class:NAME] [device:NAME] \
    ACTION TARGET [with KEY=VALUE …] [when wall=sealed depth=2 data=CLASS \
    arriving site=NAME kind=laptop saw=diskEncrypted,secureBoot,timeKnown]";

/// Levels of enforcement as rules read them.
const WALLS: [&str; 4] = ["none", "hooks only", "partial", "sealed"];

/// Reads a question; one word with blanks in it is taken apart as a shell would.
pub(crate) fn asking(words: &[String]) -> Result<Asking, Fault> {
    let mut words: VecDeque<String> = match words {
        [whole] => split(whole)?.into(),
        words => words.to_vec().into(),
    };
    let mut who = Vec::new();
    let action = loop {
        let word = words.pop_front().ok_or_else(|| wrong("no action in it".into()))?;
        match (word.split_once(':'), verb(&word)) {
            (_, Some(verb)) => break verb,
            (Some((kind, name)), None) => who.push((kind.to_owned(), name.to_owned())),
            (None, None) if word == "on" => {}
            (None, None) => return Err(wrong(unknown_action(&word))),
        }
    };
    let target = words.pop_front().ok_or_else(|| wrong("no target after the action".into()))?;
    let mut asking = Asking::plain(action, &target);
    let mut circumstances = false;
    for word in words {
        match (word.as_str(), word.split_once('=')) {
            ("with", _) => circumstances = false,
            ("when", _) => circumstances = true,
            ("on", _) => {}
            ("arriving", _) if circumstances => asking.arriving = true,
            (_, Some((key, value))) if circumstances => circumstance(&mut asking, key, value)?,
            (_, Some((key, value))) => asking.args.push((key.to_owned(), value.to_owned())),
            (word, None) => match word.split_once(':') {
                Some((kind, name)) => who.push((kind.to_owned(), name.to_owned())),
                None => return Err(wrong(format!("“{word}” means nothing there"))),
            },
        }
    }
    for (kind, name) in who {
        party(&mut asking, &kind, name)?;
    }
    Ok(asking)
}

/// The action of a whole name or of its verb.
pub(crate) fn verb(word: &str) -> Option<Verb> {
    let verb = |verb: &Verb| verb.text().split_once('.').is_some_and(|(_, verb)| verb == word);
    Verb::named(word).or_else(|| Verb::ALL.into_iter().find(verb))
}

/// Says that an action is unknown, and which is nearest.
pub(crate) fn unknown_action(word: &str) -> String {
    let names = Verb::ALL.map(Verb::text);
    let verbs = names.iter().filter_map(|name| name.split_once('.').map(|(_, verb)| verb));
    match nearest(word, names.into_iter().chain(verbs)) {
        Some(meant) => format!("“{word}” is no action; did you mean {meant}?"),
        None => format!("“{word}” is no action; they are {}", names.join(", ")),
    }
}

/// What of several words somebody probably meant.
pub(crate) fn nearest<'a>(word: &str, of: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = |known: &&str| strsim::damerau_levenshtein(word, known);
    of.into_iter().min_by_key(far).filter(|known| far(known) <= 1 + word.len() / 3)
}

/// Puts a principal or a device into a question.
pub(crate) fn party(asking: &mut Asking, kind: &str, name: String) -> Result<(), Fault> {
    let of = match kind {
        "agent" => &mut asking.agent,
        "user" => &mut asking.user,
        "project" => &mut asking.project,
        "class" => &mut asking.class,
        "device" => &mut asking.device,
        "manifest" => &mut asking.manifest,
        other => {
            let kinds = ["agent", "user", "project", "class", "device", "manifest"];
            let meant = nearest(other, kinds).map(|kind| format!("; did you mean {kind}:{name}?"));
            let meant = meant.unwrap_or_default();
            return Err(wrong(format!("“{other}:{name}” names no kind of principal{meant}")));
        }
    };
    *of = name;
    Ok(())
}

/// Puts a circumstance into a question.
pub(crate) fn circumstance(asking: &mut Asking, key: &str, value: &str) -> Result<(), Fault> {
    let odd = |what: &str| wrong(format!("{key}={value}: {what}"));
    match key {
        "wall" if WALLS.contains(&value) => asking.wall = value.to_owned(),
        "wall" => return Err(odd("a wall is none, “hooks only”, partial or sealed")),
        "depth" => asking.depth = value.parse().map_err(|_| odd("depth is a number"))?,
        "data" => asking.data_class = value.to_owned(),
        "site" => asking.site = value.to_owned(),
        "kind" if DeviceKind::from_word(value).is_some() => asking.kind = value.to_owned(),
        "kind" => return Err(odd("a device is a laptop, phone, robot, gateway or server")),
        "saw" => saw(asking, value).map_err(|word| odd(&unknown_posture(word)))?,
        "arriving" => asking.arriving = value.parse().map_err(|_| odd("say true or false"))?,
        "lease_ms" => asking.lease_ms = value.parse().map_err(|_| odd("a number"))?,
        other => {
            let known = ["wall", "depth", "data", "site", "kind", "saw", "arriving", "lease_ms"];
            let meant = nearest(other, known).map(|key| format!("; did you mean {key}?"));
            return Err(wrong(format!(
                "“{other}” is no circumstance{}",
                meant.unwrap_or_default()
            )));
        }
    }
    Ok(())
}

/// What a device sees of itself, by the names that rules have for it.
const POSTURE: [&str; 3] = ["diskEncrypted", "secureBoot", "timeKnown"];

/// Puts what the device saw of itself into a question, names with commas between; of a word that is
/// no such name, that word.
fn saw<'v>(asking: &mut Asking, value: &'v str) -> Result<(), &'v str> {
    for name in value.split(',').filter(|name| !name.is_empty()) {
        match name {
            "diskEncrypted" => asking.posture.disk_encrypted = true,
            "secureBoot" => asking.posture.secure_boot = true,
            "timeKnown" => asking.time_known = true,
            other => return Err(other),
        }
    }
    Ok(())
}

fn unknown_posture(word: &str) -> String {
    match nearest(word, POSTURE) {
        Some(meant) => format!("“{word}” is nothing a device sees; did you mean {meant}?"),
        None => format!("“{word}” is nothing a device sees; it sees {}", POSTURE.join(", ")),
    }
}

fn seen(asking: &Asking) -> Vec<&'static str> {
    let seen = [asking.posture.disk_encrypted, asking.posture.secure_boot, asking.time_known];
    POSTURE.into_iter().zip(seen).filter_map(|(name, seen)| seen.then_some(name)).collect()
}

/// Words as a shell would read them; quotes hold blanks together.
fn split(text: &str) -> Result<Vec<String>, Fault> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for sign in text.chars() {
        match (quote, sign) {
            (Some(open), sign) if sign == open => quote = None,
            (Some(_), sign) => word.get_or_insert_default().push(sign),
            (None, '"' | '\'') => {
                word.get_or_insert_default();
                quote = Some(sign);
            }
            (None, sign) if sign.is_whitespace() => words.extend(word.take()),
            (None, sign) => word.get_or_insert_default().push(sign),
        }
    }
    if let Some(open) = quote {
        return Err(wrong(format!("a {open} is not closed")));
    }
    words.extend(word);
    Ok(words)
}

fn wrong(what: String) -> Fault {
    Fault::wrong_use(format!("the question does not read: {what}"), format!("write {FORM}"))
}

/// The question again, as it would be asked.
pub(crate) fn words(asking: &Asking) -> String {
    let plain = Asking::plain(asking.action, &asking.target);
    let mut text = String::new();
    let parties = [
        ("agent", &asking.agent, &plain.agent),
        ("user", &asking.user, &plain.user),
        ("project", &asking.project, &plain.project),
        ("class", &asking.class, &plain.class),
        ("device", &asking.device, &plain.device),
    ];
    for (kind, name, usual) in parties {
        if name != usual || kind == "agent" {
            text += &format!("{kind}:{name} ");
        }
    }
    text += &format!("{} {}", asking.action.text(), asking.target);
    if !asking.args.is_empty() {
        let pairs = asking.args.iter().map(|(key, value)| match value.contains(' ') {
            true => format!("{key}=\"{value}\""),
            false => format!("{key}={value}"),
        });
        text += &format!(" with {}", pairs.collect::<Vec<_>>().join(" "));
    }
    let mut when = Vec::new();
    if asking.wall != plain.wall {
        when.push(format!("wall=\"{}\"", asking.wall));
    }
    if asking.depth != plain.depth {
        when.push(format!("depth={}", asking.depth));
    }
    if asking.arriving {
        when.push("arriving".into());
    }
    if !asking.data_class.is_empty() {
        when.push(format!("data={}", asking.data_class));
    }
    if !asking.site.is_empty() {
        when.push(format!("site={}", asking.site));
    }
    if !asking.kind.is_empty() {
        when.push(format!("kind={}", asking.kind));
    }
    if !seen(asking).is_empty() {
        when.push(format!("saw={}", seen(asking).join(",")));
    }
    if !when.is_empty() {
        text += &format!(" when {}", when.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{asking, words};

    fn read(text: &str) -> Result<String, String> {
        asking(&[text.to_owned()]).map(|asking| words(&asking)).map_err(|fault| fault.what)
    }

    /// Goal: a question reads as people write it, and back; what does not read says why. Method:
    /// every part of it, then each kind of mistake.
    #[test]
    fn questions_read_as_people_write_them() {
        let whole = "agent:crawler project:docs device:press-07 tool.call shell/exec with \
                     command=\"git push\" path=/x when wall=\"sealed\" depth=2 arriving data=secret site=plant \
                     kind=robot saw=diskEncrypted,timeKnown";
        assert_eq!(read(whole).as_deref(), Ok(whole));
        let short = read("agent:crawler call shell/exec on device:d command=ls");
        let same = "agent:crawler device:d tool.call shell/exec with command=ls";
        assert_eq!(short.as_deref(), Ok(same));
        let wrongs = [
            ("agent:a cal shell/exec", "did you mean call?"),
            ("agent:a call", "no target"),
            ("agent:a", "no action"),
            ("agnet:a call x", "did you mean agent:a?"),
            ("call x when wal=none", "did you mean wall?"),
            ("call x when wall=high", "a wall is"),
            ("call x when kind=toaster", "a device is"),
            ("call x when saw=diskEncripted", "did you mean diskEncrypted?"),
            ("call x when depth=deep", "a number"),
            ("call x \"y", "not closed"),
            ("call x y", "means nothing"),
        ];
        for (text, why) in wrongs {
            let said = read(text).expect_err(text);
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
