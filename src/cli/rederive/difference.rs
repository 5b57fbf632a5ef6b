//! How an order that is derived anew differs from what is stored of it. Pure.
//!
//! Invariant: what is compared is what a worker would do with the order if it looked at it now, under this release's rules and this
//! configuration's policy: say another view, send a command that was never sent, come back at another time.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::order::Policy;
use crate::order::status::Status;
use crate::order::view::View;
use crate::persist::marks::Stored;

/// What a derivation depends on beside the order.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The merchant's choices.
    pub policy: Policy,
    /// Whether commands are sent.
    pub sends: bool,
}

/// Something that would be another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// A field of the view, `next_deadline`, or `commands`.
    pub field: &'static str,
    /// What is stored.
    pub from: Json,
    /// What it would be.
    pub to: Json,
}

/// An order that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// The status as it is stored, and as it would be.
    pub status: (Status, Status),
    /// Whether its view differs, so that it would be said.
    pub view: bool,
    /// What differs.
    pub changes: Vec<Change>,
}

impl Difference {
    /// Derives the order anew and compares; none where nothing differs.
    pub fn of(stored: &Stored, rules: &Rules) -> Option<Self> {
        let before = stored.order.view.as_ref()?;
        let after = stored.order.derive(&rules.policy);
        let mut changes = fields(before, &after);
        let view = !changes.is_empty();
        changes.extend(next_deadline(stored, rules));
        changes.extend(commands(stored, &after, rules));
        (!changes.is_empty()).then_some(Self { status: (before.status, after.status), view, changes })
    }
}

/// The fields of the view that differ.
fn fields(before: &View, after: &View) -> Vec<Change> {
    // Named one by one: a field that is forgotten here does not compile.
    let View {
        status,
        payment,
        inventory,
        fulfilment,
        returns,
        flags,
        attention,
        cancel_reason,
        currency,
        total_minor,
        authorized_minor,
        captured_minor,
        refunded_minor,
        charged_back_minor,
        lines,
        owed,
    } = before;
    let compared = [
        ("status", json!(status), json!(after.status)),
        ("payment", json!(payment), json!(after.payment)),
        ("inventory", json!(inventory), json!(after.inventory)),
        ("fulfilment", json!(fulfilment), json!(after.fulfilment)),
        ("returns", json!(returns), json!(after.returns)),
        ("flags", json!(flags), json!(after.flags)),
        ("attention", json!(attention), json!(after.attention)),
        ("cancel_reason", json!(cancel_reason), json!(after.cancel_reason)),
        ("currency", json!(currency), json!(after.currency)),
        ("total_minor", json!(total_minor), json!(after.total_minor)),
        ("authorized_minor", json!(authorized_minor), json!(after.authorized_minor)),
        ("captured_minor", json!(captured_minor), json!(after.captured_minor)),
        ("refunded_minor", json!(refunded_minor), json!(after.refunded_minor)),
        ("charged_back_minor", json!(charged_back_minor), json!(after.charged_back_minor)),
        ("lines", json!(lines), json!(after.lines)),
        ("owed", json!(owed), json!(after.owed)),
    ];
    let changed = compared.into_iter().filter(|(_, from, to)| from != to);
    changed.map(|(field, from, to)| Change { field, from, to }).collect()
}

/// When time would next have something to do. An order with an unresolved dead letter may leave out what cancels, or not yet.
fn next_deadline(stored: &Stored, rules: &Rules) -> Option<Change> {
    let whole = stored.order.next_look(&rules.policy, rules.sends, false);
    let held_back = stored.is_held.then(|| stored.order.next_look(&rules.policy, rules.sends, true));
    if stored.next_deadline == whole || held_back.is_some_and(|held_back| stored.next_deadline == held_back) {
        return None;
    }
    Some(Change { field: "next_deadline", from: json!(stored.next_deadline), to: json!(whole) })
}

/// Commands that would be sent because nobody was ever asked for what is owed.
fn commands(stored: &Stored, after: &View, rules: &Rules) -> Option<Change> {
    if !rules.sends {
        return None;
    }
    let asked = &stored.order.commands;
    let new = after.owed.iter().filter(|owed| asked.of(owed).is_none_or(|pursuit| pursuit.attempt == 0));
    let new: Vec<Json> = new.map(|owed| json!({ "kind": owed.kind(), "id": owed.id() })).collect();
    (!new.is_empty()).then(|| Change { field: "commands", from: json!([]), to: new.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::json::from_json;
    use crate::ids::Timestamp;
    use crate::order::decision::Order;
    use crate::order::policy::{Micros, Shell};

    const BEGIN: i64 = 1_760_000_000_000_000;

    fn rules(policy: Policy) -> Rules {
        Rules { policy, sends: false }
    }

    /// An order as a worker of the default policy stores it.
    fn stored(events: &[(&str, &str, i64)]) -> Stored {
        let mut order = Order::default();
        for (topic, kind, second) in events {
            let mut event = json!({
                "topic": topic, "event_id": format!("{kind}-{second}"), "order_id": "ord-1", "kind": kind,
                "occurred_at": BEGIN + second * 1_000_000,
            });
            let entity = match *kind {
                "REJECTED" => json!({ "reservation_id": "res-1" }),
                "REVIEW_REJECTED" => json!({ "review_id": "rev-1" }),
                "CAPTURED" => json!({ "capture_id": "cap-1", "amount_minor": 500, "currency": "EUR" }),
                _ => json!({ "authorization_id": "auth-1", "amount_minor": 500, "currency": "EUR" }),
            };
            event.as_object_mut().unwrap().extend(entity.as_object().unwrap().clone());
            let _ = order.apply(&from_json(event, Timestamp(i64::MAX / 4)).unwrap(), &Policy::default());
        }
        let owed = order.view.clone().unwrap().owed;
        order.commands.follow(&owed, Timestamp(BEGIN), false);
        let next_deadline = order.next_look(&Policy::default(), false, false);
        Stored { order_id: "ord-1".into(), order, next_deadline, is_held: false }
    }

    fn changed(difference: &Difference) -> Vec<&'static str> {
        difference.changes.iter().map(|change| change.field).collect()
    }

    #[test]
    fn under_the_same_rules_nothing_differs() {
        for events in
            [&[("payment", "CAPTURED", 1)][..], &[("payment", "DECLINED", 1)], &[("inventory", "REJECTED", 1)]]
        {
            assert_eq!(Difference::of(&stored(events), &rules(Policy::default())), None, "{events:?}");
        }
    }

    #[test]
    fn another_policy_changes_the_view_and_says_how() {
        let wait = rules(Policy { shell: Shell::Wait, ..Policy::default() });
        let difference = Difference::of(&stored(&[("payment", "CAPTURED", 1)]), &wait).unwrap();
        assert_eq!(difference.status, (Status::AwaitingStock, Status::Pending));
        assert!(difference.view);
        assert_eq!(
            difference.changes[0],
            Change { field: "status", from: json!("AWAITING_STOCK"), to: json!("PENDING") }
        );
    }

    #[test]
    fn another_window_moves_the_deadline_and_leaves_the_view() {
        let hour = rules(Policy { payment_retry_window: Micros::from_seconds(3_600), ..Policy::default() });
        let mut order = stored(&[("payment", "DECLINED", 1)]);
        let difference = Difference::of(&order, &hour).unwrap();
        assert_eq!((changed(&difference), difference.view), (vec!["next_deadline"], false));
        assert_eq!(difference.changes[0].to, json!(BEGIN + 3_601_000_000));
        // Held back by a dead letter, the order waits for nothing that cancels; or it was not looked at since.
        (order.is_held, order.next_deadline) = (true, None);
        assert_eq!(Difference::of(&order, &hour), None);
        order.next_deadline = Some(Timestamp(BEGIN + 3_601_000_000));
        assert_eq!(Difference::of(&order, &hour), None);
    }

    #[test]
    fn what_nobody_was_asked_for_differs_once_commands_are_sent() {
        let order = stored(&[("payment", "AUTHORIZED", 1), ("payment", "REVIEW_REJECTED", 2)]);
        assert_eq!(Difference::of(&order, &rules(Policy::default())), None);
        let sends = Rules { policy: Policy::default(), sends: true };
        let difference = Difference::of(&order, &sends).unwrap();
        assert_eq!((changed(&difference), difference.view), (vec!["commands"], false));
        assert_eq!(difference.changes[0].to, json!([{ "kind": "VOID_PAYMENT", "id": "auth-1" }]));
        let mut asked = order.clone();
        let owed = asked.order.view.clone().unwrap().owed;
        asked.order.commands.follow(&owed, Timestamp(BEGIN), true);
        asked.next_deadline = asked.order.next_look(&sends.policy, true, false);
        assert_eq!(Difference::of(&asked, &sends), None);
    }

    #[test]
    fn a_command_that_nobody_answered_is_no_difference() {
        let mut order = stored(&[("payment", "AUTHORIZED", 1), ("payment", "REVIEW_REJECTED", 2)]);
        let policy = Policy { command_attempts: 1, ..Policy::default() };
        let owed = order.order.view.clone().unwrap().owed;
        order.order.commands.follow(&owed, Timestamp(BEGIN), true);
        assert!(order.order.commands.remind(&owed, &policy, Timestamp(i64::MAX / 2), Timestamp(0)).gave_up);
        assert!(order.order.say(&policy).is_some(), "attention is raised");
        order.next_deadline = order.order.next_look(&policy, true, false);
        assert_eq!(Difference::of(&order, &Rules { policy, sends: true }), None);
    }
}
