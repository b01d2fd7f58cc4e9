//! Drafts that come together (INV-DRAFT-1), and everything that a liar among the operators can try
//! with one.

mod chunks;
mod hostile;

use super::document::{Remark, Texts};
use super::*;
use crate::lattice::world::{Who, World, hold, operator, root};
use belay_identity::body::{Change, DraftName, Term};

const OPERATORS: &[Who] = &[Who::Anna(1), Who::Ben(1), Who::Cleo];

/// A fleet of three operators, and what they have said of one draft.
struct Desk {
    world: World,
    document: DocumentId,
    held: Vec<Held>,
}

impl Desk {
    /// Anna has begun a draft with these texts.
    fn new(texts: &[(&str, &str)]) -> Self {
        let world = World::new(OPERATORS);
        let name = DraftName::new("outward").expect("a plain name");
        let founding = Founding { name, drawn: [7; 16] };
        let document = founding.document(Who::Anna(1).key());
        let mut desk = Self { world, document, held: Vec::new() };
        let actor = document.actor(Who::Anna(1).key());
        let change = Document::new()
            .edit(actor, &as_texts(texts), None, &Remark::default())
            .expect("a first change");
        desk.say(Who::Anna(1), change, Some(founding));
        desk
    }

    fn say(&mut self, who: Who, change: Vec<u8>, founding: Option<Founding>) -> Held {
        let said = Said { document: self.document, change: Change(change), founding };
        let held = self.world.one(who, 1, &[], Body::Draft(said));
        self.held.push(held.clone());
        held
    }

    fn draft_of(&self, held: &[Held]) -> Draft {
        let mut set = Set::new(self.world.fleet);
        for one in self.world.root.iter().chain(held) {
            set.insert(one.clone());
        }
        let authority = Authority::fold(&set);
        let orders = Orders::fold(&set, &authority);
        fold(&set, &authority, &orders).remove(&self.document).expect("the draft")
    }

    /// The draft of everything said.
    fn draft(&self) -> Draft {
        self.draft_of(&self.held)
    }

    /// The change that makes these texts of what is held in `seen`.
    fn change_on(&self, who: Who, seen: &[Held], texts: &[(&str, &str)]) -> Vec<u8> {
        let mut document = self.draft_of(seen).open().expect("it opens");
        let actor = self.document.actor(who.key());
        let texts = as_texts(texts);
        document.edit(actor, &texts, None, &Remark::default()).expect("an edit")
    }

    /// Somebody makes these texts of what is held in `seen`.
    fn edit_on(&mut self, who: Who, seen: &[Held], texts: &[(&str, &str)]) -> Held {
        let change = self.change_on(who, seen, texts);
        self.say(who, change, None)
    }
}

fn as_texts(texts: &[(&str, &str)]) -> Texts {
    texts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn read(mut draft: Draft) -> Texts {
    draft.open().expect("it opens").texts().expect("it reads")
}

const BASE: &[(&str, &str)] = &[("policy.cedar", "one\ntwo\nthree\n")];

/// Goal: what two operators wrote without contact comes together as one document, and every line
/// has its author, whatever came first. Method: two edits on one base; all orders of arrival.
#[test]
fn two_cut_off_edits_come_together() {
    let mut desk = Desk::new(BASE);
    let base = desk.held.clone();
    desk.edit_on(Who::Ben(1), &base, &[("policy.cedar", "one\ntwo\nthree\nfrom ben\n")]);
    desk.edit_on(Who::Cleo, &base, &[("policy.cedar", "from cleo\none\ntwo\nthree\n")]);
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let mut saved = BTreeSet::new();
    for order in orders {
        let held: Vec<Held> = order.iter().map(|at| desk.held[*at].clone()).collect();
        let mut draft = desk.draft_of(&held);
        let mut document = draft.open().expect("it opens");
        saved.insert(document.save().expect("it saves"));
        let texts = document.texts().expect("it reads");
        assert_eq!(texts["policy.cedar"], "from cleo\none\ntwo\nthree\nfrom ben\n");
        let blame = document.blame().expect("it is blamed");
        let who = |line: &document::Line| {
            let by = draft.changes.iter().filter(|c| line.by.contains(&c.scanned.hash));
            by.map(|placed| placed.author.name().to_owned()).collect::<Vec<_>>().join("+")
        };
        let who: Vec<String> = blame["policy.cedar"].iter().map(who).collect();
        assert_eq!(who, ["cleo", "anna", "anna", "anna", "ben"]);
        assert_eq!((draft.heads.len(), draft.aside.len()), (2, 0));
    }
    assert_eq!(saved.len(), 1, "every order of arrival saves to the same bytes");
}

/// Goal: whoever merges makes one branch of two, and changes no text. Method: a merge on two edits.
#[test]
fn a_merge_makes_one_branch() {
    let mut desk = Desk::new(BASE);
    let base = desk.held.clone();
    desk.edit_on(Who::Ben(1), &base, &[("policy.cedar", "ONE\ntwo\nthree\n")]);
    desk.edit_on(Who::Cleo, &base, &[("policy.cedar", "one\ntwo\nTHREE\n")]);
    let before = read(desk.draft());
    assert_eq!(before["policy.cedar"], "ONE\ntwo\nTHREE\n");
    let actor = desk.document.actor(Who::Anna(1).key());
    let mut document = desk.draft().open().expect("it opens");
    let merged = document.merge(actor, &Remark::default()).expect("a merge");
    desk.say(Who::Anna(1), merged, None);
    let draft = desk.draft();
    assert_eq!((draft.heads.len(), draft.changes.len()), (1, 4));
    assert_eq!(draft.head_statements(), [desk.held[3].id()]);
    assert_eq!(read(draft), before);
}

/// Goal: an edit from files written out earlier leaves what came since beside it. Method: Ben edits
/// from the texts as they were before Cleo's edit came.
#[test]
fn an_edit_of_old_files_undoes_nothing() {
    let mut desk = Desk::new(BASE);
    let seen = desk.draft().heads;
    let base = desk.held.clone();
    desk.edit_on(Who::Cleo, &base, &[("policy.cedar", "from cleo\none\ntwo\nthree\n")]);
    let mut document = desk.draft().open().expect("it opens");
    let texts = as_texts(&[("policy.cedar", "one\ntwo\nthree\nfrom ben\n")]);
    let actor = desk.document.actor(Who::Ben(1).key());
    let change = document.edit(actor, &texts, Some(&seen), &Remark::default()).expect("an edit");
    desk.say(Who::Ben(1), change, None);
    assert_eq!(read(desk.draft())["policy.cedar"], "from cleo\none\ntwo\nthree\nfrom ben\n");
    // Cleo's own files from before her edit would put a second change in its place.
    let mut document = desk.draft().open().expect("it opens");
    let actor = desk.document.actor(Who::Cleo.key());
    let refused = document.edit(actor, &texts, Some(&seen), &Remark::default());
    assert_eq!(refused, Err(DocumentError::Behind));
    let mut document = desk.draft().open().expect("it opens");
    let same = document.texts().expect("it reads");
    let nothing = document.edit(actor, &same, None, &Remark::default());
    assert_eq!(nothing, Err(DocumentError::NoChange));
}

/// Goal: what an author who was cut has written stays where somebody built on it, and falls away
/// elsewhere; no honest change is orphaned. Method: Ben edits twice, Cleo builds on his first edit,
/// then Ben is held without end by two.
#[test]
fn excision_orphans_no_honest_change() {
    let mut desk = Desk::new(BASE);
    let base = desk.held.clone();
    desk.edit_on(Who::Ben(1), &base, &[("policy.cedar", "one\ntwo\nthree\nben 1\n")]);
    let first = desk.held.clone();
    let cleo =
        desk.edit_on(Who::Cleo, &first, &[("policy.cedar", "cleo\none\ntwo\nthree\nben 1\n")]);
    let late =
        desk.edit_on(Who::Ben(1), &first, &[("policy.cedar", "one\ntwo\nthree\nben 1\nben 2\n")]);
    assert!(read(desk.draft())["policy.cedar"].contains("ben 2"));
    let out = desk.world.one(Who::Anna(1), 1, &[], hold(vec![Term::Operator(operator("ben"))]));
    let yes = desk.world.approval(Who::Root(1), &out, 1);
    desk.held.extend([out, yes]);
    let draft = desk.draft();
    assert!(draft.counts(&cleo.id()), "Cleo's change stands");
    assert_eq!(draft.why_aside(&late.id()), Some(&Aside::AuthorLeft));
    let left: Vec<bool> = draft.changes.iter().map(|placed| placed.author_stands).collect();
    assert_eq!(left, [true, false, true], "Ben's first edit stays and is marked");
    assert_eq!(read(draft)["policy.cedar"], "cleo\none\ntwo\nthree\nben 1\n");
}

/// Goal: an operator whom the next root does not name counts as one who was cut. Method: the same
/// with an epoch without Ben; and somebody who never held the role counts nowhere.
#[test]
fn whoever_the_root_no_longer_names_writes_no_more() {
    let mut desk = Desk::new(BASE);
    let base = desk.held.clone();
    let ben = desk.edit_on(Who::Ben(1), &base, &[("policy.cedar", "ben\n")]);
    let parent = desk.world.root[0].clone();
    let next = desk.world.epoch(
        &parent,
        root(2, &[Who::Anna(1), Who::Cleo]),
        &[Who::Root(1), Who::Root(2)],
    );
    desk.held.extend(next);
    let draft = desk.draft();
    assert_eq!(draft.why_aside(&ben.id()), Some(&Aside::AuthorLeft));
    assert_eq!(read(draft)["policy.cedar"], "one\ntwo\nthree\n");
    let change = desk.change_on(Who::Anna(9), &base, &[("policy.cedar", "nobody\n")]);
    let nobody = desk.say(Who::Anna(9), change, None);
    assert_eq!(desk.draft().why_aside(&nobody.id()), Some(&Aside::NoRole));
}

/// Goal: two who touch one line are both named. Method: two edits of one line, compared with their
/// common text; a file that both began.
#[test]
fn lines_that_both_touched_are_found() {
    let mut desk = Desk::new(BASE);
    let base = desk.held.clone();
    let tests = ("tests/one.toml", "x\n");
    desk.edit_on(Who::Ben(1), &base, &[("policy.cedar", "one\nTWO\nthree\n"), tests]);
    desk.edit_on(Who::Cleo, &base, &[("policy.cedar", "one\n2\nthree\n"), tests]);
    let mut draft = desk.draft();
    let document = draft.open().expect("it opens");
    assert_eq!(document.doubled().expect("it reads"), ["tests/one.toml"]);
    let [first, second] = draft.heads[..] else { panic!("two heads") };
    let common = draft.below(&[first]).intersection(&draft.below(&[second])).copied().collect();
    let base = document.texts_at(&draft.ends(&common)).expect("it reads");
    let text = |head| document.texts_at(&[head]).expect("it reads")["policy.cedar"].clone();
    let found = lines::both_touched(&base["policy.cedar"], &text(first), &text(second));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].was.as_str(), found[0].base.clone()), ("two\n", 1..2));
}
