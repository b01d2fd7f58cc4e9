//! Texts by line: what two versions differ in, and where two branches touched the same lines.
//!
//! Refused here: deciding which of two is right; whoever merges looks at what is named here.

use crate::limits::DRAFT_COMPARED_CELLS_MAX;
use std::ops::Range;

/// Lines that were replaced: those of the text before by those of the text after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    /// Line numbers from 0 in the text before.
    pub before: Range<usize>,
    /// Line numbers from 0 in the text after.
    pub after: Range<usize>,
}

/// The lines of a text, each with its end.
pub fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// What turns one text into the other: the fewest lines, ascending (longest common subsequence).
pub fn hunks(before: &[&str], after: &[&str]) -> Vec<Hunk> {
    let same = |(one, other): &(&&str, &&str)| one == other;
    let head = before.iter().zip(after).take_while(same).count();
    let (rest, other) = (&before[head..], &after[head..]);
    let tail = rest.iter().rev().zip(other.iter().rev()).take_while(same).count();
    let (rest, other) = (&rest[..rest.len() - tail], &other[..other.len() - tail]);
    if rest.is_empty() && other.is_empty() {
        return Vec::new();
    }
    let whole = Hunk { before: 0..rest.len(), after: 0..other.len() };
    let small = (rest.len() + 1).saturating_mul(other.len() + 1) <= DRAFT_COMPARED_CELLS_MAX;
    let found = if small { walk(rest, other) } else { vec![whole] };
    let shift = |Range { start, end }: Range<usize>| start + head..end + head;
    found.into_iter().map(|h| Hunk { before: shift(h.before), after: shift(h.after) }).collect()
}

/// Walks the table of longest common tails from its beginning.
fn walk(before: &[&str], after: &[&str]) -> Vec<Hunk> {
    let width = after.len() + 1;
    let mut common = vec![0_u32; (before.len() + 1) * width];
    for i in (0..before.len()).rev() {
        for j in (0..after.len()).rev() {
            common[i * width + j] = match before[i] == after[j] {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let (mut hunks, mut from) = (Vec::new(), (0, 0));
    let mut close = |from: (usize, usize), i: usize, j: usize| {
        if from != (i, j) {
            hunks.push(Hunk { before: from.0..i, after: from.1..j });
        }
    };
    while i < before.len() && j < after.len() {
        if before[i] == after[j] {
            close(from, i, j);
            (i, j) = (i + 1, j + 1);
            from = (i, j);
        } else if common[(i + 1) * width + j] >= common[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    close(from, before.len(), after.len());
    hunks
}

/// Lines of a common text that two branches both touched, and what each made of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// Line numbers from 0 in the text both began with.
    pub base: Range<usize>,
    /// What those lines were.
    pub was: String,
    /// What the first branch made of them.
    pub first: String,
    /// What the second branch made of them.
    pub second: String,
}

/// Where two branches of one text touched the same lines and did not do the same.
pub fn both_touched(base: &str, first: &str, second: &str) -> Vec<Touched> {
    let (base, first, second) = (lines(base), lines(first), lines(second));
    let (ones, others) = (hunks(&base, &first), hunks(&base, &second));
    let mut found = Vec::new();
    for one in &ones {
        for other in others.iter().filter(|other| meet(&one.before, &other.before)) {
            let (ours, theirs) = (first[one.after.clone()].concat(), &second[other.after.clone()]);
            if ours == theirs.concat() && one.before == other.before {
                continue;
            }
            let start = one.before.start.min(other.before.start);
            let lines = start..one.before.end.max(other.before.end);
            let was = base[lines.clone()].concat();
            found.push(Touched { base: lines, was, first: ours, second: theirs.concat() });
        }
    }
    found
}

/// True for lines that overlap, and for two insertions at one place.
fn meet(one: &Range<usize>, other: &Range<usize>) -> bool {
    if one.is_empty() || other.is_empty() {
        return one.start <= other.end && other.start <= one.end;
    }
    one.start < other.end && other.start < one.end
}

#[cfg(test)]
mod tests {
    use super::{both_touched, hunks, lines};

    /// Goal: the pieces found turn one text into the other. Method: every pair of texts of up to
    /// four lines over three words.
    #[test]
    fn the_pieces_turn_one_text_into_the_other() {
        let mut texts: Vec<Vec<&str>> = vec![Vec::new()];
        for length in 0..4 {
            let longest: Vec<_> = texts.iter().filter(|t| t.len() == length).cloned().collect();
            for text in longest {
                for word in ["a\n", "b\n", "c\n"] {
                    texts.push(text.iter().copied().chain([word]).collect());
                }
            }
        }
        for before in &texts {
            for after in &texts {
                let mut made = before.clone();
                for hunk in hunks(before, after).into_iter().rev() {
                    made.splice(hunk.before, after[hunk.after].iter().copied());
                }
                assert_eq!(&made, after, "{before:?}");
            }
        }
    }

    /// Goal: lines that both branches changed are named, others are not. Method: two branches that
    /// change one line each, far apart, then the same.
    #[test]
    fn lines_that_both_changed_are_named() {
        let base = "one\ntwo\nthree\nfour\n";
        let (apart, near) = ("ONE\ntwo\nthree\nfour\n", "one\ntwo\nthree\nFOUR\n");
        assert!(both_touched(base, apart, near).is_empty());
        let found = both_touched(base, apart, "uno\ntwo\nthree\nfour\n");
        let [touched] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((touched.was.as_str(), touched.first.as_str()), ("one\n", "ONE\n"));
        assert_eq!(touched.second, "uno\n");
        assert!(both_touched(base, apart, apart).is_empty(), "both did the same");
        assert_eq!(lines("a\nb"), ["a\n", "b"]);
    }
}
