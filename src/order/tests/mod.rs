//! The core's tests: the promises of DOMAIN section 1 as properties, and single rules by hand.
//!
//! `say` builds events, `strategy` draws them so that they collide, `properties` and `interleavings` shuffle and repeat them,
//! `counterexamples` keeps what shuffling once found. The worked examples are an integration test of their own.

mod counterexamples;
mod deadlines;
mod explanations;
mod interleavings;
mod names;
mod properties;
mod rules;
pub(super) mod say;
mod storage;
pub(crate) mod strategy;
pub(crate) mod ways;

use super::{Event, Facts, Policy, View, derive};

/// The facts of events that arrive in this order.
fn facts_of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Facts {
    let mut facts = Facts::default();
    for event in events {
        let _ = facts.merge(event);
    }
    facts
}

/// The view of events that arrive in this order, under the default policy.
fn view_of<'a>(events: impl IntoIterator<Item = &'a Event>) -> View {
    derive(&facts_of(events), &Policy::default())
}
