//! Getting other people's programs: packages of Python and Node into folders of the run's own.
//!
//! Refused here: what lies on this machine already; only what the registry gives today is judged.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A Python with packages of its own.
pub(super) struct Python {
    program: PathBuf,
    /// What it is and what it holds, for the report.
    pub(super) versions: String,
}

impl Python {
    /// Makes one in this folder and installs these packages from its registry.
    ///
    /// # Errors
    /// What could not be had, and the client's last words.
    pub(super) fn with(folder: &Path, packages: &[&str]) -> Result<Self, String> {
        let place = folder.join("python");
        let make = Command::new("python3").args(["-m", "venv"]).arg(&place).output();
        had("a virtual environment of python3", make)?;
        let program = place.join("bin/python");
        let pip = |args: &[&str]| Command::new(&program).args(["-m", "pip"]).args(args).output();
        let install = ["install", "--quiet", "--disable-pip-version-check"];
        let what = format!("{} from the Python registry", packages.join(" and "));
        had(&what, pip(&[&install, packages].concat()))?;
        let python = had("python's version", Command::new(&program).arg("--version").output())?;
        let all = had("the installed versions", pip(&["freeze"]))?;
        let is_ours = |line: &&str| {
            let name = line.split("==").next().unwrap_or_default();
            packages.iter().any(|wanted| wanted.split(['>', '=', '<']).next() == Some(name))
        };
        let ours: Vec<&str> = all.lines().filter(is_ours).collect();
        Ok(Self { program, versions: format!("{}, {}", python.trim(), ours.join(", ")) })
    }

    /// Its program.
    pub(super) fn program(&self) -> PathBuf {
        self.program.clone()
    }

    /// Runs a script with one argument; what it printed, or panics with its last words.
    pub(super) fn run(&self, script: &Path, argument: &Path) -> String {
        let ran = Command::new(&self.program).arg(script).arg(argument).output();
        match had(&script.display().to_string(), ran) {
            Ok(said) => said,
            Err(why) => panic!("{why}"),
        }
    }
}

/// A Node with a package of its own.
pub(super) struct Node {
    folder: PathBuf,
    /// What it is and what it holds, for the report.
    pub(super) versions: String,
}

impl Node {
    /// Makes one in this folder and installs a package from its registry.
    ///
    /// # Errors
    /// What could not be had, and the client's last words.
    pub(super) fn with(folder: &Path, package: &str) -> Result<Self, String> {
        Self::with_all(folder, &[package])
    }

    /// The same with several packages.
    ///
    /// # Errors
    /// What could not be had, and the client's last words.
    pub(super) fn with_all(folder: &Path, packages: &[&str]) -> Result<Self, String> {
        let place = folder.join("node");
        std::fs::create_dir(&place).map_err(|error| format!("{}: {error}", place.display()))?;
        let npm = |args: &[&str]| Command::new("npm").current_dir(&place).args(args).output();
        let install = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", "."];
        let what = format!("{} from the Node registry", packages.join(" and "));
        had(&what, npm(&[&install, packages].concat()))?;
        let node = had("node's version", Command::new("node").arg("--version").output())?;
        let all = had("the installed versions", npm(&["ls", "--parseable", "--long"]))?;
        let version = |package: &&str| {
            // A scope begins with the same sign as a version.
            let at = package[1..].rfind('@').map_or(package.len(), |at| at + 1);
            let entry = all.lines().find(|line| line.contains(&format!(":{}@", &package[..at])));
            entry.and_then(|line| line.rsplit(':').next()).unwrap_or(package).to_owned()
        };
        let versions: Vec<String> = packages.iter().map(version).collect();
        let versions = format!("Node {}, {}", node.trim(), versions.join(", "));
        Ok(Self { folder: place, versions })
    }

    /// A file that the package brought.
    pub(super) fn file(&self, below: &str) -> Result<PathBuf, String> {
        let file = self.folder.join("node_modules").join(below);
        if file.is_file() { Ok(file) } else { Err(format!("{below} of {}", self.versions)) }
    }

    /// Runs a script with these arguments; what it printed, or panics with its last words.
    pub(super) fn run(&self, name: &str, script: &str, arguments: &[&Path]) -> String {
        let path = self.folder.join(name);
        let ran = std::fs::write(&path, script)
            .and_then(|()| Command::new("node").arg(&path).args(arguments).output());
        match had(name, ran) {
            Ok(said) => said,
            Err(why) => panic!("{why}"),
        }
    }
}

/// What a program printed, or that it could not and why.
fn had(what: &str, ran: std::io::Result<Output>) -> Result<String, String> {
    let ran = ran.map_err(|error| format!("{what}: {error}"))?;
    if ran.status.success() {
        return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
    }
    let said = [ran.stdout, ran.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no word");
    Err(format!("{what}: {last}"))
}
