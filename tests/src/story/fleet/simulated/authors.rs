//! Operators in virtual time: the same statements, signed here with keys that only the story knows.

use super::super::authors::{Author, Authors, DraftSeen, ReleaseSeen, last_word};
use super::super::{LAPTOP, Refused};
use super::{Simulated, hash, node, refused};
use belay_crdt::drafts::Document;
use belay_crdt::drafts::document::{Remark, Texts};
use belay_identity::body::{
    Approve, Change as Bytes, Draft, DraftName, Founding, Policy, Reason, Release, Role,
};
use belay_identity::principal::OperatorId;
use belay_identity::{Body, SecretKey, StatementId};
use belay_mesh::Request;
use belay_mesh::drafts::{self, DraftReport};
use belay_mesh::epoch::Change;
use belay_mesh::output::Answer;
use belay_mesh::policy_report::PolicyReport;
use belay_mesh::why::{Why, WhyOf};
use belay_node::policy_folder::Source;
use belay_simulator::NoAnswer;

const RULES: &str = "policy.cedar";
const SETTINGS: &str = "release.toml";

impl Simulated {
    /// An operator's key: the founder's is the world's own.
    fn key_of(&self, author: &Author) -> SecretKey {
        match self.authors.get(&author.name) {
            Some(seed) => SecretKey::from_seed(seed),
            None => SecretKey::from_seed(&self.stage.operator().seed()),
        }
    }

    fn say_by(
        &mut self,
        author: &Author,
        body: Body,
        with: Vec<Vec<u8>>,
    ) -> Result<StatementId, Refused> {
        let key = self.key_of(author);
        self.stage.say_as(node(&author.device), &key, body, Vec::new(), with).map_err(refused)
    }

    fn report(&mut self, device: &str, draft: &str) -> Result<DraftReport, Refused> {
        let request = Request::Draft { name: draft.to_owned() };
        match self.stage.ask(node(device), request).map_err(refused)? {
            Answer::Draft(draft) => {
                drafts::read(*draft).map_err(|no| refused(NoAnswer::Refused(no)))
            }
            other => panic!("{device} answers something else than a draft: {other:?}"),
        }
    }

    fn policy(&mut self, device: &str) -> PolicyReport {
        match self.asked(device, Request::Policy { agent: None }) {
            Answer::Policy(report) => *report,
            other => panic!("{device} answers something else than its policy: {other:?}"),
        }
    }

    /// One change of a draft, made against what the author's device knows of it.
    fn change_draft(
        &mut self,
        author: &Author,
        draft: &str,
        make: impl FnOnce(&mut Document, [u8; 32]) -> Vec<u8>,
    ) -> Result<(), Refused> {
        let report = self.report(&author.device, draft)?;
        let mut document = Document::load(&report.saved)
            .unwrap_or_else(|error| panic!("a node saved what does not load: {error}"));
        let id = report.line.id;
        let change = Bytes(make(&mut document, id.actor(self.key_of(author).public())));
        let said = Draft { document: id, change, founding: None };
        self.say_by(author, said.into(), Vec::new()).map(drop)
    }
}

impl Authors for Simulated {
    fn founder(&self) -> Author {
        Author { name: "operator".into(), device: LAPTOP.into() }
    }

    fn name_author(&mut self, name: &str, device: &str) -> Author {
        let seed = [self.authors.len() as u8 + 1; 32];
        let id = OperatorId::new(self.stage.domain(), name);
        let id = id.unwrap_or_else(|error| panic!("{name}: {error}"));
        let (key, roles) = (SecretKey::from_seed(&seed).public(), vec![Role::Policy]);
        let change = Box::new(Change::AddOperator { id, key, roles });
        let drawn = self.asked(LAPTOP, Request::NextEpoch { change });
        let Answer::NextEpoch(drawn) = drawn else { panic!("no epoch is drawn up: {drawn:?}") };
        let root = SecretKey::from_seed(&self.stage.root().seed());
        let (body, refs) = (Body::Root(drawn.root), vec![drawn.parent]);
        let of = self.stage.say_as(node(LAPTOP), &root, body, refs, Vec::new());
        let of = of.unwrap_or_else(|no| panic!("the epoch is refused: {no}"));
        let yes = Body::from(Approve { of });
        let said = self.stage.say_as(node(LAPTOP), &root, yes, Vec::new(), Vec::new());
        said.unwrap_or_else(|no| panic!("its approval is refused: {no}"));
        self.authors.insert(name.to_owned(), seed);
        Author { name: name.into(), device: device.into() }
    }

    fn epoch(&mut self, device: &str) -> u64 {
        match self.asked(device, Request::Status) {
            Answer::Status(status) => status.epoch,
            other => panic!("{device} answers something else than its status: {other:?}"),
        }
    }

    fn begin_draft(&mut self, author: &Author, draft: &str) -> Result<(), Refused> {
        let rules = self.policy(&author.device).judging.first().and_then(|r| r.policy.clone());
        let rules = rules.map(|policy| policy.rules).unwrap_or_default();
        let settings = super::super::SETTINGS.to_owned();
        let texts: Texts = [(RULES.to_owned(), rules), (SETTINGS.to_owned(), settings)].into();
        let name = DraftName::new(draft).unwrap_or_else(|error| panic!("{draft}: {error}"));
        let key = self.key_of(author).public();
        let founding = Founding { name, drawn: [1; 16] };
        let document = founding.document(key);
        let change = Document::new().edit(document.actor(key), &texts, None, &Remark::default());
        let change = Bytes(change.unwrap_or_else(|error| panic!("a beginning: {error}")));
        let said = Draft { document, change, founding: Some(founding) };
        self.say_by(author, said.into(), Vec::new()).map(drop)
    }

    fn edit_draft(&mut self, author: &Author, draft: &str, rules: &str) -> Result<(), Refused> {
        self.change_draft(author, draft, |document, actor| {
            let mut texts = document.texts().unwrap_or_else(|error| panic!("{error}"));
            texts.insert(RULES.to_owned(), rules.to_owned());
            let change = document.edit(actor, &texts, None, &Remark::default());
            change.unwrap_or_else(|error| panic!("an edit: {error}"))
        })
    }

    fn merge_draft(&mut self, author: &Author, draft: &str) -> Result<(), Refused> {
        self.change_draft(author, draft, |document, actor| {
            let change = document.merge(actor, &Remark::default());
            change.unwrap_or_else(|error| panic!("a merge: {error}"))
        })
    }

    fn draft(&mut self, device: &str, draft: &str) -> Option<DraftSeen> {
        let report = self.report(device, draft).ok()?;
        let rules = report.files.into_iter().find(|file| file.path == RULES)?;
        let line =
            |(text, by): (String, Vec<String>)| (text, by.iter().map(|by| last_word(by)).collect());
        Some(DraftSeen {
            lines: rules.lines.into_iter().map(line).collect(),
            branches: report.heads.len(),
            touched: report.touched.len(),
        })
    }

    fn propose(&mut self, author: &Author, draft: &str, why: &str) -> Result<String, Refused> {
        let report = self.report(&author.device, draft)?;
        let text = |path: &str| -> String {
            let file = report.files.iter().find(|file| file.path == path);
            file.into_iter().flat_map(|f| f.lines.iter().map(|(text, _)| text.as_str())).collect()
        };
        let source = Source::read_texts(draft, &text(RULES), &text(SETTINGS));
        let source = source.unwrap_or_else(|fault| panic!("{fault:?}"));
        let policy = self.policy(&author.device);
        let judging = policy.judging.first();
        let beacons = judging.map(|release| release.header.beacons.clone()).unwrap_or_default();
        let body = source.policy.to_bytes();
        let header = Release {
            version: policy.next.clone(),
            ring: policy.ring.clone(),
            body: Policy::hash(&body),
            beacons,
            quorum: 1,
            liars: 0,
            autonomy: source.autonomy,
            adopt_by_ms: self.stage.wall_ms(),
            language: 1,
            drafts: report.heads.clone(),
            gateways: Vec::new(),
            profiles: Vec::new(),
            reason: Some(Reason(why.to_owned())),
        };
        let of = self.say_by(author, header.into(), vec![body])?;
        self.say_by(author, Approve { of }.into(), Vec::new())?;
        Ok(of.to_hex())
    }

    fn approve(&mut self, author: &Author, proposal: &str) -> Result<(), Refused> {
        let of = StatementId(hash(proposal));
        self.say_by(author, Approve { of }.into(), Vec::new()).map(drop)
    }

    fn history(&mut self, device: &str) -> Vec<ReleaseSeen> {
        let answer = self.asked(device, Request::History);
        let Answer::History(lines) = answer else { panic!("no history: {answer:?}") };
        let seen = |line: &belay_mesh::policy_history::HistoryLine| {
            let mut approved: Vec<String> =
                line.approved.iter().map(|who| last_word(who)).collect();
            approved.sort();
            ReleaseSeen {
                version: line.version.to_string(),
                state: line.state.as_str().to_owned(),
                author: last_word(&line.author),
                approved,
                reason: line.reason.clone(),
                drafts: line.drafts.clone(),
            }
        };
        lines.iter().map(seen).collect()
    }

    fn answerable(&mut self, device: &str) -> Vec<String> {
        let answer = self.asked(device, Request::Why { of: WhyOf::Last, asker: None });
        let Answer::Why(Why::Decision(why)) = answer else { panic!("no decision: {answer:?}") };
        let mut names: Vec<String> = why.signed.iter().map(|who| last_word(who)).collect();
        names.sort();
        names.dedup();
        names
    }
}
