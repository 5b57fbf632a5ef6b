//! Events at their appointed times, whatever becomes of them: an open loop, as customers are one.
//!
//! The appointed time is the event's `occurred_at` and the record's timestamp. So a status event tells when its cause was to be there,
//! and a sender that is late makes the latency longer, not the load smaller. Invariant: no event is sent before its time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::workload::Workload;
use crate::background::Background;
use crate::deployment::Deployment;
use crate::produce::{Manner, Producer};
use crate::traffic::Planned;

/// The least that a sender sleeps: it would burn the machine that is measured if it woke up for each of many events.
const NAP_MICROS: i64 = 500;

/// Events on their way.
pub struct Pace {
    task: Background<Result<Paced>>,
    began: i64,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Paced {
    /// How many events.
    pub sent: u64,
    /// How much later than appointed an event was handed to the producer at worst, in microseconds.
    pub behind_micros: i64,
}

impl Pace {
    /// Begins to send a workload at so many events a second, until it is told to end or the workload is over.
    ///
    /// # Errors
    /// A server does not answer.
    pub async fn start(deployment: &Deployment, workload: Workload, rate: u32) -> Result<Self> {
        let manner = Manner { at_once: true, ..Manner::default() };
        let mut producer = Producer::open_as(&deployment.stack, &deployment.topics, manner).await?;
        let began = now();
        let task = Background::begin(move |end| -> Result<Paced> {
            let mut paced = Paced::default();
            for event in workload.iter() {
                let due = appointed(began, paced.sent, rate);
                if !comes(due, &producer, &end) {
                    break;
                }
                let mut planned = Planned::sound(event);
                planned.event.occurred_at = due;
                paced.behind_micros = paced.behind_micros.max(now() - due);
                let topic = planned.input;
                let is_sent = producer.send_of(&planned, Some(due / 1_000))?;
                ensure!(is_sent, "there is no {topic} topic in this deployment");
                paced.sent += 1;
            }
            producer.flush()?;
            Ok(paced)
        });
        Ok(Self { task, began })
    }

    /// Waits until this time after the first event has come.
    pub async fn until(&self, after: Duration) {
        let ahead = self.time(after) - now();
        tokio::time::sleep(Duration::from_micros(ahead.max(0).unsigned_abs())).await;
    }

    /// The time that is so long after the first event, in microseconds.
    #[must_use]
    pub fn time(&self, after: Duration) -> i64 {
        let micros = i64::try_from(after.as_micros()).expect("a measurement is shorter than an age");
        self.began + micros
    }

    /// Ends it, once Kafka has acknowledged all that was sent.
    ///
    /// # Errors
    /// Kafka did not take a record.
    pub async fn end(self) -> Result<Paced> {
        self.task.end().await?
    }
}

/// Sleeps until that time has come; false where somebody ended the sending before.
fn comes(due: i64, producer: &Producer, end: &AtomicBool) -> bool {
    while !end.load(Ordering::SeqCst) {
        let early = due - now();
        if early <= 0 {
            return true;
        }
        producer.poll(Duration::ZERO);
        std::thread::sleep(Duration::from_micros(early.max(NAP_MICROS).unsigned_abs()));
    }
    false
}

/// When the event of this number, counted from 0, is to be sent.
fn appointed(began: i64, number: u64, rate: u32) -> i64 {
    let micros = u128::from(number) * 1_000_000 / u128::from(rate.max(1));
    began + i64::try_from(micros).expect("a measurement is shorter than an age")
}

/// The clock that appointments are made by, in microseconds since 1970.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

#[cfg(test)]
mod tests {
    use super::appointed;

    #[test]
    fn appointments_do_not_drift_however_long_it_takes() {
        assert_eq!(
            [0, 1, 3, 3_000_000].map(|number| appointed(7, number, 3)),
            [7, 333_340, 1_000_007, 1_000_000_000_007]
        );
    }
}
