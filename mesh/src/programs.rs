//! Programs: which verdict each has here, who answers for it, and what ends when that changes.
//!
//! A verdict is a release's or an order's, never a manifest's own. When a release that judges says
//! another word than the one before, what it blocks is told to end in the call that learnt it.
//!
//! INV-GATE-3: nothing runs on, and nothing is permitted, of a program that a release which this
//! node has accepted blocks. Refused here: looking at a disk.

use crate::engine::Engine;
use crate::gate::{GateRelease, ProgramStanding};
use crate::input::OnDisk;
use crate::limits::STOP_GRACE_MS;
use crate::output::{Event, Refusal, RefusalKind};
use crate::standing::StandingOrder;
use belay_crdt::manifests::Vouched;
use belay_identity::StatementId;
use belay_identity::body::{Action, Cause, Manifest, Mode, ReleaseVersion, Term};
use belay_identity::key::hex;

/// One program, by one of its files.
#[derive(Debug, Clone)]
pub struct ProgramReport {
    /// SHA-256 of the file.
    pub file: [u8; 32],
    /// How it stands: the strictest word of all releases that judge, and of orders; none where
    /// nobody judges.
    pub standing: Option<ProgramStanding>,
    /// How it stands with the release that says the strictest word.
    pub listed: Option<ProgramStanding>,
    /// That release.
    pub release: Option<ReleaseVersion>,
    /// Who signed that release.
    pub signed: Vec<String>,
    /// The orders that block it by name.
    pub orders: Vec<StandingOrder>,
    /// The manifests that name it.
    pub manifests: Vec<ManifestReport>,
}

/// One manifest.
#[derive(Debug, Clone)]
pub struct ManifestReport {
    /// Its id.
    pub id: StatementId,
    /// Who answers for it.
    pub author: String,
    /// What it says.
    pub manifest: Manifest,
    /// Manifests of another name that reads like this one.
    pub look_alikes: Vec<String>,
    /// Other manifests that name one of its files.
    pub rivals: Vec<StatementId>,
}

/// Which programs are asked about.
#[derive(Debug, Clone)]
pub enum ProgramsOf {
    /// Every one that something known here names.
    All,
    /// Those of a manifest, by NAME, NAME@VERSION or the first digits of its id; or one file, by
    /// its hash.
    Named(String),
}

impl Engine {
    /// Ends what runs here of programs that a release blocks now.
    pub(crate) fn weigh_programs(&mut self) {
        let releases = self.program_judges();
        let live: Vec<StatementId> = self.work.live().map(|(award, _)| *award).collect();
        for award in live {
            if let Some(release) = self.release_against(&releases, &award) {
                self.end_task(award, Cause::Release, Some(release));
            }
        }
    }

    /// The files of a program that runs were looked at; a blocked one in its place ends it.
    pub(crate) fn on_looked(&mut self, award: StatementId, on_disk: OnDisk) {
        let Some(task) = self.work.task_mut(&award) else { return };
        if task.on_disk == on_disk {
            return;
        }
        task.on_disk = on_disk.clone();
        self.tell(Event::Swapped(award, on_disk));
        self.sweep_task(award);
    }

    /// The release that blocks the program of a task, where it is not only observed.
    pub(crate) fn release_against(
        &self,
        releases: &[GateRelease],
        award: &StatementId,
    ) -> Option<StatementId> {
        let link = self.work.task(award)?.chain.acting()?;
        let binds = |release: &&GateRelease| release.modes.of(Action::Work) != Mode::Observe;
        let blocks = |release: &&GateRelease| {
            let standing = |file| release.programs.standing(file);
            link.programs().any(|file| standing(file) == ProgramStanding::Blocked)
        };
        releases.iter().filter(binds).find(blocks).map(|release| release.id)
    }

    /// The releases that judge what runs here now.
    fn program_judges(&self) -> Vec<GateRelease> {
        self.picture().valid(Action::Work, self.now).cloned().collect()
    }

    /// How long a task may tidy up: what its manifests say, where no release leaves it unlisted.
    pub(crate) fn stop_grace_ms(&self, award: &StatementId) -> u64 {
        let link = self.work.task(award).and_then(|task| task.chain.acting());
        let Some(file) = link.and_then(|link| link.manifest) else { return STOP_GRACE_MS };
        let listed = self
            .program_judges()
            .iter()
            .all(|release| release.programs.standing(&file) <= ProgramStanding::Tolerated);
        let said = self.known.manifests.stop_grace_ms(&file).filter(|_| listed);
        said.map_or(STOP_GRACE_MS, |grace_ms| grace_ms.max(STOP_GRACE_MS))
    }

    /// One program by the hash of a file.
    pub(crate) fn program_report(&self, file: &[u8; 32]) -> ProgramReport {
        let releases = self.program_judges();
        let strictest = releases.iter().max_by_key(|release| release.programs.standing(file));
        let blocks = [Term::Manifest(*file)];
        let orders = self.known.orders.standing().filter(|order| order.subject.terms() == blocks);
        let orders: Vec<StandingOrder> = orders.map(|order| self.standing_order(order)).collect();
        let standing = strictest.map(|release| release.programs.standing(file));
        ProgramReport {
            file: *file,
            standing: if orders.is_empty() { standing } else { Some(ProgramStanding::Blocked) },
            listed: standing,
            release: strictest.map(|release| release.version.clone()),
            signed: strictest.map(|release| self.signers_of(&release.id)).unwrap_or_default(),
            orders,
            manifests: self.known.manifests.naming(file).map(|m| self.manifest_report(m)).collect(),
        }
    }

    /// Every manifest that stands.
    pub(crate) fn manifest_reports(&self) -> Vec<ManifestReport> {
        self.known.manifests.all().map(|vouched| self.manifest_report(vouched)).collect()
    }

    fn manifest_report(&self, vouched: &Vouched) -> ManifestReport {
        let others = || self.known.manifests.all().filter(|other| other.id != vouched.id);
        let (name, look) = (&vouched.manifest.name, vouched.manifest.name.look());
        let alike = others().map(|other| &other.manifest.name);
        let alike = alike.filter(|other| *other != name && other.look() == look);
        let shares = |other: &&Vouched| {
            vouched.manifest.builds.iter().any(|build| other.manifest.names(&build.file))
        };
        let mut look_alikes: Vec<String> = alike.map(ToString::to_string).collect();
        look_alikes.sort_unstable();
        look_alikes.dedup();
        ManifestReport {
            id: vouched.id,
            author: vouched.author.to_string(),
            manifest: vouched.manifest.clone(),
            look_alikes,
            rivals: others().filter(shares).map(|other| other.id).collect(),
        }
    }

    /// The programs that were asked for.
    pub(crate) fn program_reports(&self, of: &ProgramsOf) -> Result<Vec<ProgramReport>, Refusal> {
        let files = match of {
            ProgramsOf::All => self.known_programs(),
            ProgramsOf::Named(word) => self.files_named(word)?,
        };
        Ok(files.iter().map(|file| self.program_report(file)).collect())
    }

    /// Every file that a manifest, a release, a credential or an order names.
    fn known_programs(&self) -> Vec<[u8; 32]> {
        let terms = self.known_terms();
        let mut files: Vec<[u8; 32]> = terms
            .iter()
            .filter_map(|term| if let Term::Manifest(file) = term { Some(*file) } else { None })
            .filter(|file| self.known.manifests.get(&StatementId(*file)).is_none())
            .collect();
        let builds = self.known.manifests.all().flat_map(|vouched| &vouched.manifest.builds);
        files.extend(builds.map(|build| build.file));
        files.sort_unstable();
        files.dedup();
        files
    }

    fn files_named(&self, word: &str) -> Result<Vec<[u8; 32]>, Refusal> {
        let (name, version) = word.split_once('@').map_or((word, None), |(n, v)| (n, Some(v)));
        let by_name = |vouched: &&Vouched| {
            vouched.manifest.name.as_str() == name
                && version.is_none_or(|version| vouched.manifest.version == version)
        };
        let by_id = |vouched: &&Vouched| {
            word.len() >= crate::names::ID_DIGITS_MIN && vouched.id.to_hex().starts_with(word)
        };
        let named = self.known.manifests.all().filter(|one| by_name(one) || by_id(one));
        let files: Vec<[u8; 32]> =
            named.flat_map(|vouched| &vouched.manifest.builds).map(|build| build.file).collect();
        if !files.is_empty() {
            return Ok(files);
        }
        if let Some(file) = belay_identity::key::unhex(word).and_then(|bytes| bytes.try_into().ok())
        {
            return Ok(vec![file]);
        }
        let known = self.known_programs();
        let mut begun = known.iter().filter(|file| hex(*file).starts_with(word));
        let long = word.len() >= crate::names::ID_DIGITS_MIN;
        match (begun.next().filter(|_| long), begun.next()) {
            (Some(file), None) => Ok(vec![*file]),
            _ => {
                let why =
                    format!("no manifest that stands, and no program here, is named “{word}”");
                let hint = "write NAME, NAME@VERSION, or the hash of a file; `belay manifest list` \
                            lists them";
                Err(Refusal::new(RefusalKind::WrongUse, why, hint))
            }
        }
    }

    /// Who signed and approved a release.
    pub(crate) fn signers_of(&self, release: &StatementId) -> Vec<String> {
        let author = self.known.get(release).map(|held| held.author.to_string());
        let mut signed: Vec<String> = author.into_iter().collect();
        signed.extend(self.known.set.approvals(release).map(|one| one.author.to_string()));
        signed.dedup();
        signed
    }
}
