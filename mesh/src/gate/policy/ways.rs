//! The ways in which a rule may come to apply: what each side of an `||` wants, as far as it can be
//! read off the rule.
//!
//! For whoever looks what a No came near to; what is told is tried first, so what cannot be read is
//! left out of a way. Refused here: filing and judging; both rest on guards that are necessary.

use super::guard::{Guard, Guards, compared, guard, is_var, not};
use cedar_policy::Policy;
use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, UnaryOp, Var};

/// Most ways of one rule that are looked at, in the order in which it names them: people write no
/// more of them on purpose.
const WAYS_MAX: usize = 16;

/// The ways of a rule, each with the guards of its scope first.
pub(super) fn ways(rule: &Policy, guards: &Guards) -> Vec<Vec<Guard>> {
    let scope = guards.all[..guards.of_scope].to_vec();
    let Ok(read) = rule.to_pst() else { return vec![scope] };
    read.body().clauses().iter().fold(vec![scope], |ways, clause| {
        let more = match clause {
            Clause::When(wanted) => of(wanted, true),
            Clause::Unless(unwanted) => of(unwanted, false),
        };
        both(ways, &more)
    })
}

/// The ways in which an expression comes to hold, or not to.
fn of(expr: &Expr, holds: bool) -> Vec<Vec<Guard>> {
    match (expr, holds) {
        (Expr::BinaryOp { op: BinaryOp::And, left, right }, true)
        | (Expr::BinaryOp { op: BinaryOp::Or, left, right }, false) => {
            both(of(left, holds), &of(right, holds))
        }
        (Expr::BinaryOp { op: BinaryOp::Or, left, right }, true)
        | (Expr::BinaryOp { op: BinaryOp::And, left, right }, false) => {
            let mut ways = of(left, holds);
            ways.extend(of(right, holds));
            ways.truncate(WAYS_MAX);
            ways
        }
        (Expr::UnaryOp { op: UnaryOp::Not, expr }, _) => of(expr, !holds),
        (Expr::Literal(Literal::Bool(always)), _) if *always != holds => Vec::new(),
        (Expr::BinaryOp { op: BinaryOp::Contains, left, right }, true) => one_of(left, right),
        _ => match (guard(expr), holds) {
            (Some((guard, _)), true) => vec![vec![guard]],
            (Some((guard, true)), false) => vec![vec![not(guard)]],
            (Some((_, false)) | None, _) => vec![Vec::new()],
        },
    }
}

/// A set with one of the circumstances in it is one way for each of its names. A list of what may
/// be acted on is none: nobody is told to act on something else. Anything else is one guard.
fn one_of(left: &Expr, right: &Expr) -> Vec<Vec<Guard>> {
    let Expr::Set(names) = left else {
        return vec![
            compared(BinaryOp::Contains, left, right).map(|(guard, _)| guard).into_iter().collect(),
        ];
    };
    if matches!(right, Expr::GetAttr { expr, .. } if !is_var(expr, &Var::Context)) {
        return vec![Vec::new()];
    }
    let each = names.iter().filter_map(|name| compared(BinaryOp::Eq, right, name));
    let ways: Vec<Vec<Guard>> = each.map(|(guard, _)| vec![guard]).take(WAYS_MAX).collect();
    if ways.is_empty() { vec![Vec::new()] } else { ways }
}

/// Every way of the one with every way of the other.
fn both(ways: Vec<Vec<Guard>>, more: &[Vec<Guard>]) -> Vec<Vec<Guard>> {
    let with = |way: &Vec<Guard>, other: &Vec<Guard>| [way.as_slice(), other].concat();
    let all = ways.iter().flat_map(|way| more.iter().map(move |other| with(way, other)));
    all.take(WAYS_MAX).collect()
}
