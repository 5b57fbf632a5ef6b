//! Whether the checker judged all that was sent: its input records against what traffic, services and probes say they sent.
//!
//! All of them have heard of each record that it stands in Kafka. One may stand there twice: the client of an idempotent producer
//! begins a new epoch when a broker dies under it, and sends again what it is not sure of (seen once in 2 million records); the
//! checker judges it as the duplicate that it is. Pure. Invariant: unless as many stand there twice, no record can be
//! missing on both sides.

use super::verdict::{Finding, Sort};

/// Records sent, by who sent them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub traffic: u64,
    pub services: u64,
    pub probes: u64,
}

/// What is wrong where the checker read so many records.
pub(super) fn judge(sent: Sent, read: u64) -> Option<Finding> {
    let Sent { traffic, services, probes } = sent;
    let all = traffic + services + probes;
    let parts = format!("{traffic} by the traffic, {services} by the services, {probes} by probes");
    (read < all).then(|| {
        Finding::new(Sort::Difference, format!("{all} records were sent ({parts}) and the inputs hold {read}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_the_checker_did_not_see_is_found() {
        let sent = Sent { traffic: 90, services: 8, probes: 2 };
        assert_eq!(judge(sent, 100), None);
        assert_eq!(judge(sent, 101), None, "one stands there twice");
        let found = judge(sent, 99).expect("one is missing");
        let words = "100 records were sent (90 by the traffic, 8 by the services, 2 by probes) and the inputs hold 99";
        assert_eq!(found, Finding::new(Sort::Difference, words));
    }
}
