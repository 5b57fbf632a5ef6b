//! What an order's facts come to: lines, stock, goods, money, regions and the race between cancel and dispatch.
//!
//! Everything that DOMAIN section 6 names, each computed once and in the order of the text; status, flags, attention,
//! obligations and deadlines are then short questions to it. Invariant: a function of the facts and of nothing else but
//! the policy.

use crate::ids::AuthorizationId;
use crate::order::facts::Facts;

use super::balance::{self, Balance};
use super::cancel::Race;
use super::goods::Goods;
use super::lines::OrderLines;
use super::policy::{Policy, Shell};
use super::region::{self, FulfilmentState, InventoryState, PaymentState, ReturnsState};
use super::stock::Stock;
use super::sums::Sums;

/// The reading of one order's facts.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub facts: &'a Facts,
    pub policy: &'a Policy,
    pub lines: OrderLines,
    pub stock: Stock<'a>,
    /// By row of `lines`.
    pub goods: Vec<Goods>,
    /// The live authorizations and what they have left.
    pub authorizations: Vec<Balance<'a, AuthorizationId>>,
    pub sums: Sums,
    pub payment: PaymentState,
    pub inventory: InventoryState,
    pub fulfilment: FulfilmentState,
    pub returns: ReturnsState,
    pub race: Race,
}

impl<'a> Reading<'a> {
    pub fn of(facts: &'a Facts, policy: &'a Policy) -> Self {
        let lines = OrderLines::of(facts);
        let stock = Stock::of(facts, &lines);
        let goods = Goods::of(facts, &lines);
        let authorizations = balance::of_authorizations(facts);
        let sums = Sums::of(facts, &authorizations);
        Self {
            payment: region::payment(facts, &sums),
            inventory: region::inventory(facts, &lines, &stock),
            fulfilment: region::fulfilment(facts, &lines, &goods),
            returns: region::returns(facts, &goods),
            race: Race::of(facts),
            facts,
            policy,
            lines,
            stock,
            goods,
            authorizations,
            sums,
        }
    }

    /// Whether what is held and taken covers the total.
    pub fn is_secured(&self) -> bool {
        let have = self.sums.authorized + self.sums.net();
        self.is_free_or(have > 0 && have >= self.sums.target())
    }

    /// Whether what is taken covers the total.
    pub fn is_settled(&self) -> bool {
        self.is_free_or(self.sums.captured > 0 && self.sums.net() >= self.sums.target())
    }

    /// An order that costs nothing is paid for; a shell that is told to wait never is.
    fn is_free_or(&self, covered: bool) -> bool {
        match self.sums.known_total {
            Some(0) => true,
            Some(_) => covered,
            None => covered && self.policy.shell == Shell::Trust,
        }
    }

    /// Whether some line has more out than came back.
    pub fn is_out(&self) -> bool {
        self.goods.iter().any(Goods::is_out)
    }

    /// Whether the order is to be cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.race.intent.is_some()
    }

    /// Whether we have more than the known total.
    pub fn is_overpaid(&self) -> bool {
        !self.sums.is_shell() && self.sums.net() > self.sums.total()
    }
}
