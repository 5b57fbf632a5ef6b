//! Writers that have little to do take turns, and whoever has the turn works for all who wait for it.
//!
//! A transaction costs the database more than a millisecond of processor whatever is in it, so one for all is better than one for each.
//! A writer that waits lends its lanes, with the records that they have, and goes on when it has them back. One with a backlog, without
//! a connection, or with a lane that waits for its schema, waits for nobody and has nobody wait for it. What fails is tried again by
//! each for itself, so lanes that cannot go on hold up those of other writers for one attempt, which is as long as `lock_timeout` or
//! `statement_timeout` allow, or until the outcome of a COMMIT without an answer is known.
//! Invariant: a lane is with one writer at a time, and is back before its own reads its inbox again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot::{self, error::RecvError};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use super::batch::Batch;
use super::lane::LaneState;
use super::writer::Writer;
use crate::consume::tenure::End;
use crate::ids::Lane;

/// How long a writer waits for its turn. Whoever has it for longer is held up, and nobody else need be.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// The turn while it is somebody's.
pub type Had = OwnedMutexGuard<()>;

/// The lanes of a writer.
pub type Lanes = BTreeMap<Lane, LaneState>;

/// The turn of a process's writers, and what waits for it.
#[derive(Debug, Default)]
pub struct Turns {
    turn: Arc<Turn<()>>,
    lent: Mutex<Vec<Lent>>,
}

/// The lanes of a writer that waits.
#[derive(Debug)]
struct Lent {
    writer: usize,
    lanes: Lanes,
    /// Whether positions alone are to be written.
    idle: bool,
    back: oneshot::Sender<Returned>,
}

/// Lanes that are back.
#[derive(Debug)]
struct Returned {
    lanes: Lanes,
    /// What was taken from their queues and not applied, the last first.
    left: Vec<Batch>,
}

/// A writer for which another works.
#[derive(Debug)]
pub(super) struct Guest {
    lanes: Vec<Lane>,
    back: oneshot::Sender<Returned>,
}

/// How waiting for the turn ended.
enum Waited {
    /// It is ours, and so are the lanes of those who waited with us, until the batch is over.
    Had(Had, Lanes, Vec<Lent>),
    /// Somebody else worked for us.
    Served(Returned),
    /// It took too long.
    InVain(Lanes),
}

/// Whether lanes have something to be worked on now, no backlog, and no schema to wait for: asking the registry takes a while, and
/// those who wait for the turn need not wait for that.
pub(super) fn is_little(lanes: &mut Lanes) -> bool {
    let is_ready = |lane: &mut LaneState| lane.ready_in().is_some_and(|held| held.is_zero());
    let waits = lanes.values().any(|lane| lane.patience.is_waiting());
    !waits && !has_backlog(lanes) && lanes.values_mut().any(is_ready)
}

/// Whether one of them has a backlog.
pub(super) fn has_backlog(lanes: &Lanes) -> bool {
    lanes.values().any(|lane| lane.queue.has_backlog())
}

impl Turns {
    /// Waits for the turn, or for somebody who works for us meanwhile. Who had it last lets go of it here.
    ///
    /// # Errors
    /// Whoever had the lanes is gone, and their tenures have ended.
    async fn wait(&self, writer: usize, lanes: Lanes, idle: bool, last: Option<Had>) -> Result<Waited, RecvError> {
        let (back, mut returned) = oneshot::channel();
        self.lent().push(Lent { writer, lanes, idle, back });
        drop(last);
        let turn = tokio::select! {
            biased;
            returned = &mut returned => return returned.map(Waited::Served),
            turn = tokio::time::timeout(LONGEST_WAIT, self.turn.clone().lock_owned()) => turn.ok(),
        };
        let ours = self.take_back(writer);
        match (ours, turn) {
            (Some(lanes), Some(turn)) => Ok(Waited::Had(turn, lanes, std::mem::take(&mut *self.lent()))),
            (Some(lanes), None) => Ok(Waited::InVain(lanes)),
            (None, turn) => {
                drop(turn);
                returned.await.map(Waited::Served)
            }
        }
    }

    fn take_back(&self, writer: usize) -> Option<Lanes> {
        let mut lent = self.lent();
        let place = lent.iter().position(|lent| lent.writer == writer)?;
        Some(lent.remove(place).lanes)
    }

    fn lent(&self) -> MutexGuard<'_, Vec<Lent>> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// One batch of the little that there is, with what other writers have; or another writer's batch takes it along.
    pub(super) async fn work_in_turn(&mut self, idle: bool) {
        let process = self.process.clone();
        match process.turns.wait(self.number, std::mem::take(&mut self.lanes), idle, self.turn.take()).await {
            Ok(Waited::Had(turn, lanes, lent)) => {
                self.lanes = lanes;
                self.turn = Some(turn);
                self.take_all();
                let idle = idle || lent.iter().any(|lent| lent.idle);
                self.welcome(lent);
                self.work(idle).await;
                self.dismiss(&mut Vec::new());
            }
            Ok(Waited::Served(Returned { lanes, mut left })) => {
                self.lanes = lanes;
                // A connection was lost: what it had confirmed is compared with memory before anything else, on one of our own.
                if self.lanes.values().any(|lane| lane.tenure.is_in_doubt()) {
                    self.session = None;
                }
                while let Some(batch) = left.pop() {
                    self.apply(batch).await;
                }
            }
            Ok(Waited::InVain(lanes)) => {
                self.lanes = lanes;
                self.work(idle).await;
            }
            Err(RecvError { .. }) => {}
        }
        // Nothing of a lane in doubt is published, and not each of them had a share in what failed.
        self.settle_doubt().await;
    }

    fn welcome(&mut self, lent: Vec<Lent>) {
        for Lent { lanes, back, .. } in lent {
            self.guests.push(Guest { lanes: lanes.keys().copied().collect(), back });
            self.lanes.extend(lanes);
        }
    }

    /// Gives lanes back to their writers, with their share of what is left to be applied.
    pub(super) fn dismiss(&mut self, left: &mut Vec<Batch>) {
        for Guest { lanes: numbers, back } in std::mem::take(&mut self.guests) {
            let lanes = self.lanes.extract_if(.., |number, _| numbers.contains(number)).collect();
            let theirs = share(left, &numbers);
            if let Err(Returned { lanes, .. }) = back.send(Returned { lanes, left: theirs }) {
                // A writer that is gone is gone with its process.
                lanes.values().for_each(|lane| _ = lane.tenure.end(End::Stopped));
            }
        }
    }
}

/// Takes what is left for these lanes out of it; in both the last stays first.
fn share(left: &mut Vec<Batch>, lanes: &[Lane]) -> Vec<Batch> {
    let theirs = left.iter_mut().map(|batch| batch.take(lanes)).filter(|batch| !batch.is_empty()).collect();
    left.retain(|batch| !batch.is_empty());
    theirs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::capture::Capture;
    use crate::consume::inlet::Opening;
    use crate::consume::record::Record;
    use crate::consume::tenure::Tenure;
    use crate::ids::{Epoch, OrderId, SchemaId, Seq, TenureId, Timestamp};
    use crate::order::Source;
    use crate::pipeline::batch::LaneBatch;
    use crate::pipeline::meaning::Patience;

    fn lanes(writer: i32) -> Lanes {
        let claim = (Epoch(1), TenureId::random());
        let tenure = Arc::new(Tenure::open(Lane(writer), claim, Arc::new(Capture::of_nobody()), Seq(0)));
        let opening = Opening { tenure, last_seq: Seq(0), checkpoints: Vec::new() };
        Lanes::from([(Lane(writer), LaneState::open(opening))])
    }

    fn record(offset: i64) -> (Record, std::time::Instant) {
        let (source, timestamp) = (Source::Payment, Timestamp(0));
        let record =
            Record { source, lane: Lane(0), offset, timestamp, key: None, value: None, headers: Ok(Vec::new()) };
        (record, std::time::Instant::now())
    }

    fn numbers(lanes: &Lanes) -> Vec<i32> {
        lanes.keys().map(|lane| lane.0).collect()
    }

    /// Waits for the turn and works for those who wait, if it is ours. Whose lanes came to us, our own first; none where we were
    /// served.
    async fn takes_part(turns: &Turns, writer: usize) -> (Vec<i32>, Vec<i32>) {
        let own = lanes(i32::try_from(writer).unwrap());
        match turns.wait(writer, own, false, None).await.unwrap() {
            Waited::Had(_turn, own, lent) => {
                let mut had = numbers(&own);
                for Lent { lanes, back, .. } in lent {
                    had.extend(numbers(&lanes));
                    back.send(Returned { lanes, left: Vec::new() }).unwrap();
                }
                (had, numbers(&own))
            }
            Waited::Served(returned) => (Vec::new(), numbers(&returned.lanes)),
            Waited::InVain(_) => panic!("nobody has the turn for long"),
        }
    }

    async fn so_many_wait(turns: &Turns, writers: usize) {
        while turns.lent().len() < writers {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn a_record_is_little_and_a_backlog_or_a_lane_that_waits_for_its_schema_is_not() {
        let mut little = lanes(0);
        assert!(!is_little(&mut little), "there is nothing");
        little.extend(lanes(4));
        let lane = little.get_mut(&Lane(0)).unwrap();
        lane.tenure.set_placed();
        lane.queue.push(record(0));
        assert!(is_little(&mut little));
        little.get_mut(&Lane(4)).unwrap().patience = Patience::of_who_waits(SchemaId(7));
        assert!(!is_little(&mut little), "whoever has the turn would ask for it");
        little.remove(&Lane(4));
        (1..1_000).for_each(|offset| little.get_mut(&Lane(0)).unwrap().queue.push(record(offset)));
        assert!(!is_little(&mut little), "a backlog");
    }

    #[test]
    fn what_is_left_for_a_lane_keeps_its_order_on_both_sides() {
        let visit = |lane: i32, order: &str| LaneBatch {
            tenure: lanes(lane)[&Lane(lane)].tenure.clone(),
            last_seq: Seq(0),
            checkpoints: Vec::new(),
            items: Vec::new(),
            passed: Vec::new(),
            visits: vec![OrderId::from(order)],
            set_aside: Vec::new(),
            horizon: None,
        };
        let visits = |left: &[Batch]| -> Vec<String> {
            let parts = left.iter().rev().flat_map(|batch| &batch.lanes);
            parts.flat_map(|lane| &lane.visits).map(ToString::to_string).collect()
        };
        let [last, second, first] = [vec![(1, "f")], vec![(0, "c"), (1, "d")], vec![(0, "a"), (1, "b")]]
            .map(|parts| Batch { lanes: parts.into_iter().map(|(lane, order)| visit(lane, order)).collect() });
        let mut left = vec![last, second, first];
        let theirs = share(&mut left, &[Lane(1), Lane(2)]);
        assert_eq!((visits(&theirs).concat(), visits(&left).concat()), ("bdf".to_owned(), "ac".to_owned()));
        assert_eq!((theirs.len(), left.len()), (3, 2), "what is over is gone");
    }

    #[tokio::test]
    async fn who_has_the_turn_has_the_lanes_of_all_who_wait_and_each_gets_its_own_back() {
        let turns = Turns::default();
        let Ok(Waited::Had(turn, _, lent)) = turns.wait(0, lanes(0), false, None).await else {
            panic!("nobody else wants it")
        };
        assert!(lent.is_empty());
        let release = async {
            so_many_wait(&turns, 3).await;
            drop(turn);
        };
        let (one, two, three, ()) =
            tokio::join!(takes_part(&turns, 1), takes_part(&turns, 2), takes_part(&turns, 3), release);
        assert_eq!(one, (vec![1, 2, 3], vec![1]), "who waited longest has the turn");
        assert_eq!((two, three), ((Vec::new(), vec![2]), (Vec::new(), vec![3])));
        assert!(turns.lent().is_empty());
    }

    #[tokio::test]
    async fn who_waits_for_a_turn_that_does_not_end_has_its_lanes_back_and_goes_alone() {
        let turns = Turns::default();
        let Ok(Waited::Had(turn, ..)) = turns.wait(0, lanes(0), false, None).await else {
            panic!("nobody else wants it")
        };
        let Ok(Waited::InVain(own)) = turns.wait(1, lanes(1), false, None).await else {
            panic!("the turn is not over")
        };
        assert_eq!((numbers(&own), turns.lent().len()), (vec![1], 0));
        drop(turn);
    }

    #[tokio::test]
    async fn lanes_that_went_down_with_another_writer_are_an_error() {
        let turns = Turns::default();
        let Ok(Waited::Had(turn, ..)) = turns.wait(0, lanes(0), false, None).await else {
            panic!("nobody else wants it")
        };
        let goes_down = async {
            so_many_wait(&turns, 1).await;
            turns.lent().clear();
        };
        let (waited, ()) = tokio::join!(turns.wait(1, lanes(1), false, None), goes_down);
        assert!(waited.is_err());
        drop(turn);
    }
}
