//! The orders of a passage, in memory: each from its first event to the last of its story.
//!
//! The passage reads its topics as they come, and one may be far ahead of another, so an order's events may lie hundreds of thousands of
//! records apart; forgetting by age would begin its versions anew. Invariant: an order is forgotten once all of its events were heard,
//! and not before.

use std::collections::HashMap;

use orderstream::ids::OrderId;
use orderstream::order::decision::Order;

/// Those whose story is not told to its end.
#[derive(Debug)]
pub struct Orders {
    open: HashMap<OrderId, Known>,
    events_per_order: usize,
}

#[derive(Debug, Default)]
struct Known {
    order: Order,
    heard: usize,
}

impl Orders {
    /// None yet; each will have so many events.
    #[must_use]
    pub fn of_stories(events_per_order: usize) -> Self {
        Self { open: HashMap::new(), events_per_order }
    }

    /// Has an order hear one more of its events, and forgets it after the last.
    pub fn hear<T>(&mut self, id: &OrderId, event: impl FnOnce(&mut Order) -> T) -> T {
        if !self.open.contains_key(id) {
            self.open.insert(id.clone(), Known::default());
        }
        let known = self.open.get_mut(id).expect("it was just put there");
        known.heard += 1;
        let is_over = known.heard == self.events_per_order;
        let done = event(&mut known.order);
        if is_over {
            self.open.remove(id);
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use orderstream::ids::OrderId;

    use super::Orders;

    #[test]
    fn an_order_is_remembered_until_its_last_event_however_many_others_come_between() {
        let mut orders = Orders::of_stories(2);
        let id = |number: usize| OrderId::from(format!("ord-{number}"));
        let version = |orders: &mut Orders, number| {
            orders.hear(&id(number), |order| {
                order.version += 1;
                order.version
            })
        };
        let all = 100_000;
        assert!((0..all).all(|number| version(&mut orders, number) == 1));
        assert_eq!(orders.open.len(), all);
        assert!((0..all).all(|number| version(&mut orders, number) == 2));
        assert!(orders.open.is_empty(), "all of it was told");
    }
}
