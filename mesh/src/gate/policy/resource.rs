//! What an action's target is to the rules: a text becomes a tool of a connector, a path in its
//! folders, a host in its domains.
//!
//! Asked for by text, judged by type: whatever a text is called by, the same thing gets the same
//! name here, so `/work/../etc/passwd` is below `/etc` and `EXAMPLE.org.` is `example.org`.
//! Refused here: the file system and name servers; links and addresses are the asker's to resolve.

use super::question::{Action, Question};
use core::net::IpAddr;
use std::borrow::Cow;

/// Most parts of a path, a host or a model: each may be an entity that a rule names, and all of
/// them are looked up before the first rule is met. Linux resolves no more than 40 links on a way.
pub(crate) const RESOURCE_PARTS_MAX: usize = 64;

/// What a fact of a question is about: a type of entity, or a circumstance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Agent,
    User,
    Project,
    Class,
    Target,
    Connector,
    Tool,
    Path,
    Model,
    Host,
    Program,
    Device,
    Delegate,
    Actuator,
    /// The device on which the action would happen.
    Here,
    /// The site of that device.
    Site,
    Wall,
    DataClass,
    /// An argument, as `key=value`.
    Arg,
    /// The key of an argument, as a rule reads it in `argKeys`.
    ArgKey,
}

impl Kind {
    pub(super) const ALL: [Self; 20] = [
        Self::Agent,
        Self::User,
        Self::Project,
        Self::Class,
        Self::Target,
        Self::Connector,
        Self::Tool,
        Self::Path,
        Self::Model,
        Self::Host,
        Self::Program,
        Self::Device,
        Self::Delegate,
        Self::Actuator,
        Self::Here,
        Self::Site,
        Self::Wall,
        Self::DataClass,
        Self::Arg,
        Self::ArgKey,
    ];

    /// The type of entity in rules; none for circumstances.
    pub(super) const fn entity_type(self) -> Option<&'static str> {
        Some(match self {
            Self::Agent => "Belay::Agent",
            Self::User => "Belay::User",
            Self::Project => "Belay::Project",
            Self::Class => "Belay::Class",
            Self::Target => "Belay::Target",
            Self::Connector => "Belay::Connector",
            Self::Tool => "Belay::Tool",
            Self::Path => "Belay::Path",
            Self::Model => "Belay::Model",
            Self::Host => "Belay::Host",
            Self::Program => "Belay::Program",
            Self::Device => "Belay::Device",
            Self::Delegate => "Belay::Delegate",
            Self::Actuator => "Belay::Actuator",
            Self::Here | Self::Site | Self::Wall | Self::DataClass | Self::Arg | Self::ArgKey => {
                return None;
            }
        })
    }

    pub(super) fn of_entity(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.entity_type() == Some(name))
    }

    /// True for what a principal is or is in.
    pub(super) const fn is_of_principal(self) -> bool {
        matches!(self, Self::Agent | Self::User | Self::Project | Self::Class)
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// The type of what an action is done to.
    pub(super) const fn of_resource(action: Action) -> Self {
        match action {
            Action::Read | Action::Write => Self::Path,
            Action::InferHere | Action::InferElsewhere => Self::Model,
            Action::Call => Self::Tool,
            Action::Connect => Self::Host,
            Action::Run | Action::Install => Self::Program,
            Action::Offload => Self::Device,
            Action::Delegate => Self::Delegate,
            Action::Move => Self::Actuator,
        }
    }
}

/// A target, typed.
#[derive(Debug, Clone)]
pub(super) struct Resource<'q> {
    pub(super) kind: Kind,
    /// Its name among entities of its type.
    pub(super) id: Cow<'q, str>,
    /// As it was asked for.
    pub(super) name: &'q str,
    pub(super) parts: Parts<'q>,
}

/// What a rule may look at besides the name.
#[derive(Debug, Clone)]
pub(super) enum Parts<'q> {
    Tool { connector: &'q str, tool: &'q str },
    Path,
    Host { host: String, port: u16, ip: bool },
    Program { program: &'q str },
    Named,
}

impl<'q> Resource<'q> {
    /// Types the target of a question.
    ///
    /// # Errors
    /// A target of more than `RESOURCE_PARTS_MAX` parts, in words.
    pub(super) fn of(question: &Question<'q>) -> Result<Self, String> {
        let name = question.target;
        let kind = Kind::of_resource(question.action);
        let (id, parts) = match kind {
            Kind::Path => (normal_path(name), Parts::Path),
            Kind::Host => host_of(name),
            Kind::Tool => {
                let (connector, tool) = name.split_once('/').unwrap_or(("", name));
                (Cow::Borrowed(name), Parts::Tool { connector, tool })
            }
            Kind::Program => {
                let id = if name.starts_with('/') { normal_path(name) } else { name.into() };
                let program = name.rsplit('/').find(|part| !part.is_empty()).unwrap_or(name);
                (id, Parts::Program { program })
            }
            Kind::Device => (device_id(question), Parts::Named),
            _ => (Cow::Borrowed(name), Parts::Named),
        };
        let resource = Self { kind, id, name, parts };
        let mut count = 0;
        resource.each(&mut |_, _| count += 1);
        // Itself, its root, its target by either name.
        if count > RESOURCE_PARTS_MAX + 4 {
            return Err(format!("the target has more than {RESOURCE_PARTS_MAX} parts"));
        }
        Ok(resource)
    }

    /// Everything that it is or is in.
    pub(super) fn each(&self, found: &mut impl FnMut(Kind, &str)) {
        found(self.kind, &self.id);
        found(Kind::Target, self.name);
        if self.id != self.name {
            found(Kind::Target, &self.id);
        }
        match &self.parts {
            Parts::Tool { connector, .. } => found(Kind::Connector, connector),
            Parts::Path => folders(&self.id, found),
            Parts::Host { host, ip, .. } => {
                domains(host, *ip, &mut |domain| {
                    if self.id != domain {
                        found(Kind::Host, domain);
                    }
                });
            }
            Parts::Program { program } => {
                if self.id != *program {
                    found(Kind::Program, program);
                }
                folders(&self.id, found);
            }
            Parts::Named if self.kind == Kind::Device => {
                if self.id != self.name {
                    found(Kind::Device, self.name);
                }
            }
            Parts::Named => {
                let slashes = self.id.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
                slashes.for_each(|(at, _)| found(self.kind, &self.id[..at]));
            }
        }
    }

    /// True when it is that entity, or is in it.
    pub(super) fn is_in(&self, kind: Kind, id: &str) -> bool {
        let mut is = false;
        self.each(&mut |known, name| is |= known == kind && name == id);
        is
    }
}

/// Every folder above a path that begins at the root or anywhere.
fn folders(path: &str, found: &mut impl FnMut(Kind, &str)) {
    if !path.starts_with('/') && !path.contains('/') {
        return;
    }
    for (at, _) in path.bytes().enumerate().filter(|(_, byte)| *byte == b'/') {
        match at {
            0 if path.len() > 1 => found(Kind::Path, "/"),
            0 => {}
            at => found(Kind::Path, &path[..at]),
        }
    }
}

/// A host and every domain above it; an address stands for itself alone.
fn domains(host: &str, ip: bool, found: &mut impl FnMut(&str)) {
    found(host);
    if ip {
        return;
    }
    for (at, _) in host.bytes().enumerate().filter(|(_, byte)| *byte == b'.') {
        found(&host[at + 1..]);
    }
}

/// A path without empty parts, `.` and `..`. What would lead above the root stays at the root.
fn normal_path(path: &str) -> Cow<'_, str> {
    let rooted = path.starts_with('/');
    let odd = |part: &str| matches!(part, "" | "." | "..");
    if path == "/" || !path.strip_prefix('/').unwrap_or(path).split('/').any(odd) {
        return Cow::Borrowed(path);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match (part, parts.last()) {
            ("" | ".", _) => {}
            ("..", None) if rooted => {}
            ("..", None | Some(&"..")) => parts.push(".."),
            ("..", Some(_)) => drop(parts.pop()),
            (part, _) => parts.push(part),
        }
    }
    let root = if rooted { "/" } else { "" };
    Cow::Owned(format!("{root}{}", parts.join("/")))
}

/// The host and port that a target names, with or without a scheme, a user and a path around it.
fn host_of(target: &str) -> (Cow<'_, str>, Parts<'_>) {
    let (scheme, rest) = target.split_once("://").unwrap_or(("", target));
    let rest = rest.split(['/', '?', '#', '\\']).next().unwrap_or(rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) => (host, after.strip_prefix(':')),
        None if rest.matches(':').count() == 1 => {
            rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)))
        }
        None => (rest, None),
    };
    let named = port.and_then(|port| port.parse::<u16>().ok());
    let port = named.unwrap_or(match scheme.to_ascii_lowercase().as_str() {
        "https" | "wss" => 443,
        "http" | "ws" => 80,
        _ => 0,
    });
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.parse::<IpAddr>().map(|ip| ip.to_canonical());
    let ip = address.is_ok();
    let host = address.map_or(host, |ip| ip.to_string());
    let id = match (port, host.contains(':')) {
        (0, _) => host.clone(),
        (port, true) => format!("[{host}]:{port}"),
        (port, false) => format!("{host}:{port}"),
    };
    let id = if id == target { Cow::Borrowed(target) } else { Cow::Owned(id) };
    (id, Parts::Host { host, port, ip })
}

/// The id of a device of this fleet that a short name stands for.
fn device_id<'q>(question: &Question<'q>) -> Cow<'q, str> {
    let fleet = question.device.rsplit_once("/device/").map(|(fleet, _)| fleet);
    match fleet {
        Some(fleet) if !question.target.contains('/') => {
            Cow::Owned(format!("{fleet}/device/{}", question.target))
        }
        _ => Cow::Borrowed(question.target),
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, RESOURCE_PARTS_MAX, Resource};
    use crate::gate::policy::tests::question;
    use crate::gate::policy::{Action, Question};

    fn all(action: Action, target: &str) -> Vec<String> {
        let question =
            Question { target, device: "spiffe://acme.belay/device/laptop", ..question(action) };
        let mut found = Vec::new();
        let resource = Resource::of(&question).expect("it is short");
        resource.each(&mut |kind, id| {
            let kind = kind.entity_type().and_then(|name| name.strip_prefix("Belay::"));
            if kind != Some("Target") {
                found.push(format!("{}:{id}", kind.expect("an entity")));
            }
        });
        found.sort();
        found
    }

    /// Goal: one thing has one name and one place, however it is written. Method: spellings that
    /// mean the same, and those that only look alike.
    #[test]
    fn spellings_of_one_thing_are_one_resource() {
        let passwd = ["Path:/", "Path:/etc", "Path:/etc/passwd"];
        for path in ["/etc/passwd", "/etc//passwd", "/home/../etc/./passwd", "/../etc/passwd/"] {
            assert_eq!(all(Action::Read, path), passwd, "{path}");
        }
        assert_eq!(all(Action::Read, "/"), ["Path:/"]);
        assert_eq!(all(Action::Read, "/work-notes"), ["Path:/", "Path:/work-notes"]);
        assert_eq!(all(Action::Read, "../a"), ["Path:..", "Path:../a"]);
        let docs =
            ["Host:docs.example.org", "Host:docs.example.org:443", "Host:example.org", "Host:org"];
        for host in [
            "docs.example.org:443",
            "DOCS.example.org.:443",
            "https://docs.example.org/a?b#c",
            "https://good.test@docs.example.org:443/",
        ] {
            assert_eq!(all(Action::Connect, host), docs, "{host}");
        }
        assert_eq!(
            all(Action::Connect, "[::FFFF:10.0.0.1]:80"),
            ["Host:10.0.0.1", "Host:10.0.0.1:80"]
        );
        assert_eq!(all(Action::Connect, "[::1]:8080"), ["Host:::1", "Host:[::1]:8080"]);
        assert_eq!(all(Action::Call, "files/read"), ["Connector:files", "Tool:files/read"]);
        let git = ["Path:/", "Path:/usr", "Path:/usr/bin", "Program:/usr/bin/git", "Program:git"];
        assert_eq!(all(Action::Run, "/usr/bin/git"), git);
        assert_eq!(all(Action::InferElsewhere, "acme/large"), ["Model:acme", "Model:acme/large"]);
        let robot = ["Device:robot", "Device:spiffe://acme.belay/device/robot"];
        assert_eq!(all(Action::Offload, "robot"), robot);
    }

    /// Goal: a target without end costs nothing. Method: one part more than the bound, and many.
    #[test]
    fn a_target_of_too_many_parts_is_refused() {
        for (parts, fits) in [(RESOURCE_PARTS_MAX, true), (RESOURCE_PARTS_MAX + 8, false)] {
            let target = "/a".repeat(parts);
            let asked = Question { target: &target, ..question(Action::Read) };
            assert_eq!(Resource::of(&asked).is_ok(), fits, "{parts}");
        }
        let target = "a.".repeat(100_000) + "org:1";
        let asked = Question { target: &target, ..question(Action::Connect) };
        assert!(Resource::of(&asked).is_err());
        assert!(Kind::ALL.iter().enumerate().all(|(at, kind)| kind.index() == at));
    }
}
