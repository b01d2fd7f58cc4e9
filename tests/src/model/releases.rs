//! Releases: which judge.

use super::{Model, Said};
use belay_identity::StatementId;
use belay_identity::body::{Body, Release, Role};

impl Model {
    /// The releases of a ring that judge: "the floor is the highest version that ever reached its
    /// threshold"; where it no longer stands, all from the best standing one upward judge apart,
    /// and where none stands nobody does.
    pub fn judges(&self, ring: &str) -> Vec<StatementId> {
        let releases = self.said.iter().filter_map(|said| match &said.body {
            Body::Release(release) if release.ring == ring => Some((said, release)),
            _ => None,
        });
        let releases: Vec<(&Said, &Release)> = releases.collect();
        let standing = releases.iter().filter(|(said, release)| self.stands(said, release));
        let Some(best) = standing.map(|(_, release)| release.version.clone()).max() else {
            return Vec::new();
        };
        let judges = releases.iter().filter(|(said, release)| {
            let known = self.stands(said, release) || self.ever_reached(said, release);
            known && release.version >= best
        });
        let mut ids: Vec<StatementId> = judges.map(|(said, _)| said.id()).collect();
        ids.sort();
        ids
    }

    fn stands(&self, said: &Said, release: &Release) -> bool {
        let yes = self.yes(said, Role::Policy).len();
        release.version.epoch == said.epoch
            && self.grant_counts(said)
            && yes >= self.needed(Role::Policy, said.epoch)
    }

    /// It had its threshold in a valid epoch of any branch, whatever was sealed or forked since.
    fn ever_reached(&self, said: &Said, release: &Release) -> bool {
        let approvals = self.approvals(&said.id()).into_iter();
        let entitled = approvals.filter(|y| self.held_in(y, Role::Policy).contains(&y.epoch));
        let mut yes: Vec<_> = entitled.map(|yes| &yes.author).collect();
        yes.sort();
        yes.dedup();
        let mut own = self.epochs().into_iter().filter(|(_, root)| root.number == said.epoch);
        release.version.epoch == said.epoch
            && own.any(|(_, root)| {
                let lines = || root.operators.iter().filter(|l| l.roles.contains(&Role::Policy));
                let mut ids: Vec<_> = lines().map(|line| &line.id).collect();
                ids.sort();
                ids.dedup();
                let author = lines()
                    .any(|line| line.key == said.key() && said.author == line.id.clone().into());
                author && yes.len() >= ids.len().clamp(1, 2)
            })
    }
}
