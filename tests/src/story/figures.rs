//! Figures of repeated runs: how many, median, spread.
//!
//! Refused here: a figure that was not measured.

use std::fmt;

/// Measurements of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    sorted: Vec<i64>,
}

impl Figures {
    /// Of these measurements; at least one.
    pub fn of(measured: impl IntoIterator<Item = i64>) -> Self {
        let mut sorted: Vec<i64> = measured.into_iter().collect();
        assert!(!sorted.is_empty(), "nothing was measured");
        sorted.sort_unstable();
        Self { sorted }
    }

    /// The middle one, the upper of two.
    pub fn median(&self) -> i64 {
        self.sorted[self.sorted.len() / 2]
    }

    /// Nineteen of twenty are not above it.
    pub fn p95(&self) -> i64 {
        self.sorted[(self.sorted.len() * 19).div_ceil(20) - 1]
    }

    /// The least.
    pub fn least(&self) -> i64 {
        self.sorted[0]
    }

    /// The greatest.
    pub fn greatest(&self) -> i64 {
        self.sorted[self.sorted.len() - 1]
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, median) = (self.sorted.len(), self.median());
        write!(
            f,
            "n {count}, median {median}, least {}, greatest {}",
            self.least(),
            self.greatest()
        )
    }
}
