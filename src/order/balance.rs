//! What each live authorization and each ok capture has left, in its own currency.
//!
//! The sums count what authorizations have left; obligations void and refund it. Both are one rule: what names an
//! entity reduces that entity, what names none is used up from entity to entity, oldest first (DOMAIN sections 6, 8).
//! Invariant: nothing is ever below 0; an excess is lost.

use std::collections::BTreeMap;

use crate::ids::{AmountMinor, AuthorizationId, CaptureId, Timestamp};
use crate::order::event::money::{Currency, Money};
use crate::order::event::payment::Moved;
use crate::order::facts::Facts;
use crate::order::facts::payment::{Authorization, Capture, Dispute, DisputeState, Refund};

/// Money that an entity holds until other facts use it up.
#[derive(Clone, Debug)]
pub(super) struct Balance<'a, Id> {
    pub id: &'a Id,
    /// When the entity began to hold it.
    at: Timestamp,
    /// What it still holds.
    pub left: Money,
}

/// The live authorizations, by id: what ok captures have left of them.
pub(super) fn of_authorizations(facts: &Facts) -> Vec<Balance<'_, AuthorizationId>> {
    let live = |(id, authorization): (_, &Authorization)| {
        let value = authorization.live()?;
        Some(Balance { id, at: value.at, left: value.content.money })
    };
    let mut balances: Vec<_> = facts.authorizations.iter().filter_map(live).collect();
    let captures = facts.captures.values().filter_map(Capture::ok);
    use_up(&mut balances, captures.map(|value| named(&value.content)));
    balances
}

/// The ok captures, by id: what ok refunds and open and lost disputes have left of them.
pub(super) fn of_captures(facts: &Facts) -> Vec<Balance<'_, CaptureId>> {
    let ok = |(id, capture): (_, &Capture)| {
        let value = capture.ok()?;
        Some(Balance { id, at: value.at, left: value.content.money })
    };
    let mut balances: Vec<_> = facts.captures.iter().filter_map(ok).collect();
    let refunds = facts.refunds.values().filter_map(Refund::ok).map(|value| named(&value.content));
    let disputes = facts.disputes.values().filter_map(Dispute::state).filter_map(|state| match state {
        DisputeState::Open(moved) => Some(named(moved)),
        DisputeState::Lost(money, of) => Some((money?, of)),
        DisputeState::Won => None,
    });
    use_up(&mut balances, refunds.chain(disputes));
    balances
}

fn named<Id>(moved: &Moved<Id>) -> (Money, Option<&Id>) {
    (moved.money, moved.of.as_ref())
}

/// Reduces balances, which are sorted by id. What names an entity that is not there, or of another currency, is lost.
fn use_up<'a, Id: Ord + 'a>(balances: &mut [Balance<'a, Id>], uses: impl Iterator<Item = (Money, Option<&'a Id>)>) {
    let mut unnamed: BTreeMap<Currency, i128> = BTreeMap::new();
    for (money, names) in uses {
        let Some(id) = names else {
            *unnamed.entry(money.currency).or_default() += i128::from(money.amount.0);
            continue;
        };
        if let Ok(index) = balances.binary_search_by_key(&id, |balance| balance.id)
            && balances[index].left.currency == money.currency
        {
            balances[index].take(i128::from(money.amount.0));
        }
    }
    if unnamed.is_empty() {
        return;
    }
    let mut oldest_first: Vec<_> = balances.iter_mut().collect();
    oldest_first.sort_by_key(|balance| (balance.at, balance.id));
    for balance in oldest_first {
        if let Some(amount) = unnamed.get_mut(&balance.left.currency) {
            *amount -= balance.take(*amount);
        }
    }
}

impl<Id> Balance<'_, Id> {
    /// Whether there is anything left.
    pub fn is_positive(&self) -> bool {
        self.left.amount > AmountMinor(0)
    }

    /// Takes as much of the amount as there is, and says how much that was.
    fn take(&mut self, amount: i128) -> i128 {
        let held = i128::from(self.left.amount.0);
        let taken = amount.min(held);
        // What is left of a 64-bit amount fits 64 bits; 0 would be the answer if it did not.
        self.left.amount = AmountMinor(i64::try_from(held - taken).unwrap_or_default());
        taken
    }
}
