//! An order is looked at without an event: deadlines fire, commands are sent again, a marked order is derived anew.
//!
//! Judged against the stream, not the wall (DOMAIN section 8): what is due fires only up to the lane's horizon. Invariant: an
//! order that was looked at is written back with the time of its next look, so nobody comes for nothing again and again.

use super::{Item, LaneWork, Orders};
use crate::ids::{OrderId, Timestamp};
use crate::order::deadline::{Firing, fire};
use crate::order::decision::Change;
use crate::order::{Fired, Source};
use crate::persist::Result;
use crate::persist::journal_format::{Entry, Outcome, Place, Sent};
use crate::persist::orders::Locked;

impl LaneWork<'_> {
    /// Looks at an order. One that is gone, because it was archived meanwhile, is left alone.
    pub(super) fn visit(&mut self, order_id: &OrderId, orders: &mut Orders) -> Result<()> {
        let Some(locked) = orders.get_mut(order_id) else { return Ok(()) };
        self.decided.touched.entry(order_id.clone()).or_default();
        let until = self.until(locked);
        let is_held = self.ground.held.contains(order_id);
        let before = locked.order.clone();
        let fired = until.map_or_else(Vec::new, |until| {
            let firing = if is_held { Firing::Expiries } else { Firing::All };
            fire(&mut locked.order.facts, &self.rules.policy, (until, firing), order_id)
        });
        // A mark of `recover` asks for the view as it is; whatever else brings us here may as well say it.
        let change = locked.order.say_again(&self.rules.policy);
        if let Some(change) = change {
            let fact = fired.last().map(|fired| (&fired.event, None));
            let saying = self.status_record(order_id, &locked.order, &change, fact)?;
            if saying.size_bytes() > self.rules.emitted_record_max_bytes {
                locked.order = before;
                self.decided.at_rest.insert(order_id.clone(), saying.size_bytes());
                return Ok(());
            }
            self.say(saying);
            self.write_down(order_id, locked, &fired, Some(&change))?;
        } else {
            self.write_down(order_id, locked, &fired, None)?;
        }
        // What this very batch replays was unresolved when the ground was read: then the order is looked at again.
        if is_held && !self.replays_of(order_id) {
            self.decided.held.insert(order_id.clone());
        }
        if let Some(until) = until { self.remind(order_id, locked, until) } else { Ok(()) }
    }

    /// Whether the batch replays a dead letter of the order.
    fn replays_of(&self, order_id: &OrderId) -> bool {
        let is_of = |item: &Item| item.decoded.as_ref().is_ok_and(|event| event.order_id == *order_id);
        self.batch.items().any(|item| item.letter.is_some() && is_of(item))
    }

    /// Up to when things may be judged: as far as the lane has seen, for an order of several lanes as far as all lanes have.
    fn until(&self, locked: &Locked) -> Option<Timestamp> {
        let sighting = self.lane.horizon.as_ref()?;
        let stored = self.ground.checkpoints.iter().filter(|(_, lane, _)| *lane == self.lane.lane());
        let stored: Vec<_> =
            stored.filter_map(|(topic, _, next)| Some((self.rules.topics.source(topic)?, *next))).collect();
        let own = sighting.is_passed_by(&stored).then_some(sighting.at)?;
        if locked.off_lane { self.ground.all_lanes.map(|all| all.min(own)) } else { Some(own) }
    }

    /// The journal's account of what fired, or of a view that other rules changed.
    fn write_down(
        &mut self,
        order_id: &OrderId,
        locked: &mut Locked,
        fired: &[Fired],
        change: Option<&Change>,
    ) -> Result<()> {
        let after = locked.order.standing();
        let before =
            change.map_or(after, |change| (change.previous_version, change.previous_status().unwrap_or(after.1)));
        let fact = fired.last().map(|fired| (&fired.event, None));
        let sent = self.ask(order_id, &mut locked.order, fact)?;
        let mut entry = Entry {
            place: Place::NOWHERE,
            outcome: Outcome::Rederived,
            order_id: Some(order_id),
            event: None,
            left_in: Some(after),
            sent: &sent,
        };
        let Some((last, earlier)) = fired.split_last() else {
            if change.is_some() || !sent.is_empty() {
                self.enter(entry);
            }
            return Ok(());
        };
        entry.outcome = Outcome::Applied;
        for fired in earlier {
            self.enter(Entry { event: Some(&fired.event), left_in: Some(before), sent: &[], ..entry });
        }
        self.enter(Entry { event: Some(&last.event), ..entry });
        let tally = &mut self.decided.tally;
        for fired in fired {
            *tally.fired.entry(fired.deadline.name.as_str()).or_default() += 1;
            *tally.events.entry((Source::Deadline, "applied")).or_default() += 1;
        }
        Ok(())
    }

    /// Sends commands again that stayed unanswered, or leaves them to a person.
    fn remind(&mut self, order_id: &OrderId, locked: &mut Locked, until: Timestamp) -> Result<()> {
        let Some(view) = locked.order.view.clone().filter(|_| self.rules.command_topic.is_some()) else {
            return Ok(());
        };
        let reminded = locked.order.commands.remind(&view.owed, &self.rules.policy, until, self.now);
        let mut sent: Vec<Sent> = Vec::with_capacity(reminded.again.len());
        for place in reminded.again {
            sent.extend(self.send(order_id, &locked.order, &view.owed[place], None)?);
        }
        let mut entry = Entry {
            place: Place::NOWHERE,
            outcome: Outcome::Reminded,
            order_id: Some(order_id),
            event: None,
            left_in: Some(locked.order.standing()),
            sent: &sent,
        };
        if !sent.is_empty() {
            self.enter(entry);
        }
        if reminded.gave_up
            && let Some(change) = locked.order.say(&self.rules.policy)
        {
            let saying = self.status_record(order_id, &locked.order, &change, None)?;
            self.say(saying);
            self.decided.tally.given_up += 1;
            entry = Entry { outcome: Outcome::Unanswered, left_in: Some(locked.order.standing()), sent: &[], ..entry };
            self.enter(entry);
        }
        Ok(())
    }
}
