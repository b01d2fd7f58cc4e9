//! A source file as the rules see it: its text, and the tokens of its code outside tests.
//!
//! Tokens come from `proc-macro2`, so words in comments and texts are never mistaken for code.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::path::Path;

/// One source file.
#[derive(Debug, Clone)]
pub struct Source {
    /// From the top of the checkout, with `/`.
    pub path: String,
    /// As it stands on disk.
    pub text: String,
    /// True for a file that is compiled for tests only.
    pub tests: bool,
    /// Why it could not be read as Rust.
    pub broken: Option<String>,
    /// Code outside tests; in a test file, all of it.
    pub code: Vec<Token>,
    /// Lines of test modules inside the file.
    pub test_lines: usize,
    /// Modules that the file declares for tests only and that stand in files of their own.
    pub test_modules: Vec<String>,
}

/// One token: an identifier, a sign, a literal, or an opening or closing bracket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// As written.
    pub text: String,
    /// Its line, from 1.
    pub line: usize,
}

impl Source {
    /// Reads one file's text.
    pub fn new(path: &str, text: &str) -> Self {
        let mut source = Self {
            path: path.into(),
            text: text.into(),
            tests: path.contains("/tests/") || path.ends_with("/tests.rs"),
            broken: None,
            code: Vec::new(),
            test_lines: 0,
            test_modules: Vec::new(),
        };
        match text.parse::<TokenStream>() {
            Ok(stream) => source.flatten(stream),
            Err(error) => source.broken = Some(error.to_string()),
        }
        source
    }

    /// The room it stands in.
    pub fn room(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// The lines at which these tokens stand one after the other, `pattern` being Rust itself.
    pub fn lines_of(&self, pattern: &str) -> Vec<usize> {
        let wanted = tokens_of(pattern);
        let code = self.code.windows(wanted.len().max(1));
        code.filter(|window| window.iter().map(|t| &t.text).eq(&wanted))
            .map(|window| window[0].line)
            .collect()
    }

    fn flatten(&mut self, stream: TokenStream) {
        let mut trees = stream.into_iter().peekable();
        let mut hash_line = None;
        while let Some(tree) = trees.next() {
            if let (Some(line), TokenTree::Group(group)) = (hash_line, &tree)
                && is_test_only(group)
            {
                self.code.pop();
                let end = self.skip_item(&mut trees).unwrap_or(line);
                self.test_lines += end + 1 - line;
                hash_line = None;
                continue;
            }
            let line = tree.span().start().line;
            hash_line = (tree.to_string() == "#").then_some(line);
            match tree {
                TokenTree::Group(group) => self.flatten_group(&group),
                TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.code.push(Token { text: tree.to_string(), line });
                }
            }
        }
    }

    fn flatten_group(&mut self, group: &Group) {
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        let line = |span: proc_macro2::Span| span.start().line;
        self.code.push(Token { text: open.into(), line: line(group.span_open()) });
        self.flatten(group.stream());
        self.code.push(Token { text: close.into(), line: line(group.span_close()) });
    }

    /// Skips one item that is compiled for tests only; its last line.
    fn skip_item(&mut self, trees: &mut impl Iterator<Item = TokenTree>) -> Option<usize> {
        let mut words: Vec<String> = Vec::new();
        for tree in trees {
            let end = tree.span().end().line;
            let word = tree.to_string();
            match tree {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    return Some(end);
                }
                TokenTree::Punct(sign) if sign.as_char() == ';' => {
                    if let Some(at) = words.iter().position(|word| word == "mod") {
                        self.test_modules.extend(words.get(at + 1).cloned());
                    }
                    return Some(end);
                }
                TokenTree::Group(_)
                | TokenTree::Punct(_)
                | TokenTree::Ident(_)
                | TokenTree::Literal(_) => words.push(word),
            }
        }
        None
    }
}

fn is_test_only(attribute: &Group) -> bool {
    let text: String = attribute.stream().to_string().split_whitespace().collect();
    attribute.delimiter() == Delimiter::Bracket && text == "cfg(test)"
}

/// The texts of the tokens of a piece of Rust with balanced brackets.
fn tokens_of(pattern: &str) -> Vec<String> {
    Source::new("pattern", pattern).code.into_iter().map(|token| token.text).collect()
}

/// Every source file of every room, by path; files of test modules are marked as such.
pub fn load(top: &Path) -> std::io::Result<Vec<Source>> {
    let mut paths = Vec::new();
    for room in super::ROOMS {
        walk(&top.join(room), &mut paths)?;
    }
    paths.sort();
    let mut sources = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path)?;
        let name = path.strip_prefix(top).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        sources.push(Source::new(&name, &text));
    }
    mark_test_modules(&mut sources);
    Ok(sources)
}

/// Marks the files of modules that another file declares for tests only.
pub fn mark_test_modules(sources: &mut [Source]) {
    let declared: Vec<String> = sources
        .iter()
        .flat_map(|source| {
            let stem = source.path.trim_end_matches(".rs");
            let folder = ["/lib", "/main", "/mod"].iter().find_map(|end| stem.strip_suffix(end));
            let folder = folder.unwrap_or(stem);
            source.test_modules.iter().map(move |module| format!("{folder}/{module}"))
        })
        .collect();
    for source in sources {
        source.tests |= declared.iter().any(|module| {
            let rest = source.path.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        });
    }
}

fn walk(folder: &Path, paths: &mut Vec<std::path::PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            walk(&path, paths)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            paths.push(path);
        }
    }
    Ok(())
}
