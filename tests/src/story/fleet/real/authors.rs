//! Operators at real nodes: each signs with the key in the state of the device where he sits.

use super::super::authors::{Author, Authors, DraftSeen, ReleaseSeen, last_word};
use super::super::{LAPTOP, Refused};
use super::{Real, refused, text};
use crate::story::command::Answer;
use crate::story::waiting::must;
use serde_json::Value;
use std::fs;

impl Real {
    /// Runs a command that is signed with the key of the device's own state.
    fn signed_by(&self, author: &Author, args: &[&str]) -> Answer {
        let unlock = self.nodes.unlock();
        self.nodes.json(&author.device, &[args, &["--unlock-file", &unlock]].concat())
    }
}

impl Authors for Real {
    fn founder(&self) -> Author {
        Author { name: "operator".into(), device: LAPTOP.into() }
    }

    fn name_author(&mut self, name: &str, device: &str) -> Author {
        let author = Author { name: name.into(), device: device.into() };
        let card = self.nodes.path(&format!("{name}.card"));
        self.signed_by(&author, &["operator", "card", "--name", name, "--out", &card]).wants(0);
        let add = ["operator", "add", &card, "--roles", "policy", "--yes"];
        self.signed_by(&self.founder(), &add).wants(0);
        author
    }

    fn epoch(&mut self, device: &str) -> u64 {
        self.nodes.status(device)["epoch"].as_u64().unwrap_or(0)
    }

    fn begin_draft(&mut self, author: &Author, draft: &str) -> Result<(), Refused> {
        done(&self.signed_by(author, &["policy", "draft", "new", draft]))
    }

    fn edit_draft(&mut self, author: &Author, draft: &str, rules: &str) -> Result<(), Refused> {
        let folder = self.nodes.path(&format!("{draft}-{}", author.name));
        let out = ["policy", "draft", "show", draft, "--out", &folder];
        done(&self.nodes.json(&author.device, &out))?;
        let file = format!("{folder}/policy.cedar");
        must(fs::write(&file, rules), &file);
        done(&self.signed_by(author, &["policy", "draft", "edit", draft, "--from", &folder]))
    }

    fn merge_draft(&mut self, author: &Author, draft: &str) -> Result<(), Refused> {
        done(&self.signed_by(author, &["policy", "draft", "merge", draft]))
    }

    fn draft(&mut self, device: &str, draft: &str) -> Option<DraftSeen> {
        let answer = self.nodes.json(device, &["policy", "draft", "show", draft]);
        if answer.exit != Some(0) {
            return None;
        }
        let data = answer.data();
        let all = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let rules = all(&data["files"]).into_iter().find(|f| f["path"] == "policy.cedar")?;
        let line = |line: &Value| {
            let by = all(&line["by"]).iter().map(|by| last_word(&text(by))).collect();
            (text(&line["text"]), by)
        };
        Some(DraftSeen {
            lines: all(&rules["lines"]).iter().map(line).collect(),
            branches: all(&data["heads"]).len(),
            touched: all(&data["touched"]).len(),
        })
    }

    fn propose(&mut self, author: &Author, draft: &str, why: &str) -> Result<String, Refused> {
        let answer = self.signed_by(author, &["policy", "propose", draft, "-m", why]);
        match answer.exit {
            Some(0 | 8) if !answer.stdout.is_empty() => Ok(text(&answer.data()["id"])),
            _ => Err(refused(&answer)),
        }
    }

    fn approve(&mut self, author: &Author, proposal: &str) -> Result<(), Refused> {
        let answer = self.signed_by(author, &["approve", proposal, "--yes"]);
        match answer.exit {
            Some(0 | 8) if !answer.stdout.is_empty() => Ok(()),
            _ => Err(refused(&answer)),
        }
    }

    fn history(&mut self, device: &str) -> Vec<ReleaseSeen> {
        let data = self.nodes.json(device, &["policy", "history"]).wants_one_of(&[0]).data();
        let words = |value: &Value| -> Vec<String> {
            let all = value.as_array().cloned().unwrap_or_default();
            let mut words: Vec<String> = all.iter().map(|one| last_word(&text(one))).collect();
            words.sort();
            words
        };
        let seen = |one: &Value| ReleaseSeen {
            version: text(&one["version"]),
            state: text(&one["state"]),
            author: last_word(&text(&one["author"])),
            approved: words(&one["approved"]),
            reason: text(&one["reason"]),
            drafts: words(&one["drafts"]),
        };
        data.as_array().cloned().unwrap_or_default().iter().map(seen).collect()
    }

    fn answerable(&mut self, device: &str) -> Vec<String> {
        let why = self.nodes.json(device, &["why", "--last"]).wants(0).data();
        let signed = why["decision"]["signed"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<String> = signed.iter().map(|one| last_word(&text(one))).collect();
        names.sort();
        names.dedup();
        names
    }
}

fn done(answer: &Answer) -> Result<(), Refused> {
    if answer.exit == Some(0) { Ok(()) } else { Err(refused(answer)) }
}
