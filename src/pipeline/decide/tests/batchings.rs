//! However records are cut into batches, the same is decided: as if each had come alone.
//!
//! Precisely: in the same sequence of records, the same status events, commands, dead letters and journal entries come out byte for
//! byte and every order ends the same, whatever the batches, also where records are refused for an order's limits or a batch for
//! its size. In another sequence or over other lanes, each order ends with the same facts and the same view, told under versions
//! without a gap. What is told on the way may differ, and so may an order's home lane.

use proptest::prelude::*;

use super::*;
use crate::order::facts::Facts;
use crate::order::tests::strategy::event;
use crate::order::view::derive;
use crate::persist::journal_format::EmittedRecord;
use crate::pipeline::batch::Item;

/// What came in a record: for an order an event, or nothing that could be read.
#[derive(Clone, Debug)]
struct Told {
    order: u8,
    lane: i32,
    decoded: std::result::Result<Event, Refusal>,
    is_letter: bool,
}

/// All that batches came to, one after the other.
#[derive(Debug, Default)]
struct Heard {
    orders: Orders,
    emitted: Vec<EmittedRecord>,
    entries: Vec<AppliedEntry>,
    refused: Vec<(i64, String)>,
    /// How many batches were decided; those that were too much count by their parts.
    batches: usize,
}

fn told() -> impl Strategy<Value = Told> {
    let from_kafka = event().prop_filter("an event of a topic", |event| event.topic() != Source::Deadline);
    let decoded = prop_oneof![
        12 => from_kafka.prop_map(Ok),
        1 => Just(Err(Refusal::new(Reason::BadAvro, "torn"))),
    ];
    (0_u8..3, 0..3, decoded, prop::bool::weighted(0.1)).prop_map(|(order, lane, decoded, is_letter)| {
        let order_id = OrderId::from(format!("o{order}"));
        Told { order, lane, decoded: decoded.map(|event| Event { order_id, ..event }), is_letter }
    })
}

/// Limits under which some of this is refused, and some batches are too much.
#[derive(Clone, Debug)]
struct Limits {
    facts: usize,
    record_bytes: usize,
    batch_bytes: usize,
    commands: bool,
}

impl Limits {
    fn rules(&self) -> Rules {
        Rules {
            facts_per_order: self.facts,
            emitted_record_max_bytes: self.record_bytes,
            emit_max_bytes: self.batch_bytes,
            command_topic: self.commands.then(|| "commands".into()),
            tracer: self.commands.then(|| Tracer::new(uuid::Uuid::nil(), "group", 100)),
            cloud_events: self.commands.then(|| CloudEvents::from_source("/test")),
            ..rules()
        }
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    (4_usize..40, 400_usize..2_000, 2_000_usize..20_000, any::<bool>())
        .prop_map(|(facts, record_bytes, batch_bytes, commands)| Limits { facts, record_bytes, batch_bytes, commands })
}

fn item(number: usize, told: &Told) -> Item {
    let offset = i64::try_from(number).expect("a small number");
    let record = Record {
        source: Source::Payment,
        lane: Lane(told.lane),
        offset,
        timestamp: Timestamp(1),
        key: Some(format!("o{}", told.order).into()),
        value: None,
        headers: Ok(if number.is_multiple_of(3) { headers::traced(number) } else { Vec::new() }),
    };
    let decoded = told.decoded.clone().map(Box::new);
    Item { record, consumed_at: Instant::now(), decoded, letter: told.is_letter.then_some(offset) }
}

/// One batch of these records, each in its lane, in the order given.
fn batch(told: &[(usize, Told)]) -> Batch {
    let mut lanes: BTreeMap<i32, LaneBatch> = BTreeMap::new();
    for (number, told) in told {
        let empty = || {
            let claim = (Epoch(1), TenureId::random());
            let tenure = Tenure::open(Lane(told.lane), claim, Arc::new(Capture::of_nobody()), Seq(0));
            LaneBatch { tenure: Arc::new(tenure), visits: Vec::new(), horizon: None, ..visit(DUE).lanes.remove(0) }
        };
        lanes.entry(told.lane).or_insert_with(empty).items.push(item(*number, told));
    }
    Batch { lanes: lanes.into_values().collect() }
}

impl Heard {
    /// Applies a batch as a writer does: in halves where it would publish too much.
    fn apply(&mut self, batch: Batch, rules: &Rules) {
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            let ground = Ground { letters: part.items().filter_map(|item| item.letter).collect(), ..Ground::default() };
            let mut orders = self.locked(&part);
            match decide(&part, &mut orders, &ground, rules, Timestamp(DUE)).expect("no bug") {
                Verdict::Write(decided) => self.write(&part, orders, *decided),
                Verdict::TooMuch => {
                    let (first, second) = part.split().expect("one record alone is never too much");
                    parts.extend([second, first]);
                }
            }
        }
    }

    /// The orders of a batch as they are read under lock: stored, and read back.
    fn locked(&self, part: &Batch) -> Orders {
        let mut orders = Orders::default();
        for item in part.items() {
            let Ok(event) = &item.decoded else { continue };
            let new = || Locked { home_lane: item.record.lane, ..locked(&[]) };
            let stored = self.orders.get(&event.order_id).map(|locked| {
                let facts = serde_json::to_string(&locked.order.facts).expect("facts are JSON");
                let mut locked = locked.clone();
                locked.order.facts = serde_json::from_str(&facts).expect("facts that we stored");
                Locked { stored_facts: Some(facts), ..locked }
            });
            orders.entry(event.order_id.clone()).or_insert_with(|| stored.unwrap_or_else(new));
        }
        orders
    }

    fn write(&mut self, part: &Batch, mut orders: Orders, mut decided: Decided) {
        // Nothing is kept of a new order that every event of was refused.
        orders.retain(|order_id, locked| !locked.is_new() || decided.touched.contains_key(order_id));
        self.orders.extend(orders);
        for (place, index, refusal) in &decided.refused {
            self.refused.push((part.lanes[*place].items[*index].record.offset, refusal.text.clone()));
        }
        for lane in &mut decided.lanes {
            self.entries.extend(read_applied(&std::mem::take(&mut lane.applied).finish()).expect("readable"));
            self.emitted.append(&mut lane.emitted);
        }
        self.batches += 1;
    }

    /// What every order ended as: version, facts, view, commands.
    fn ends(&self) -> BTreeMap<&OrderId, &crate::order::decision::Order> {
        self.orders.iter().map(|(order_id, locked)| (order_id, &locked.order)).collect()
    }
}

/// Cuts records into runs of these lengths, the last as long as it takes.
fn cut(told: Vec<Told>, lengths: &[usize]) -> Vec<Vec<(usize, Told)>> {
    let mut rest: Vec<(usize, Told)> = told.into_iter().enumerate().collect();
    let mut runs = Vec::new();
    for length in lengths {
        let behind = rest.split_off((*length).min(rest.len()));
        runs.push(std::mem::replace(&mut rest, behind));
    }
    runs.push(rest);
    // A batch is decided lane by lane.
    runs.iter_mut().for_each(|run| run.sort_by_key(|(_, told)| told.lane));
    runs.retain(|run| !run.is_empty());
    runs
}

/// The facts of each order, whatever the sequence.
fn facts_of(told: &[Told]) -> BTreeMap<OrderId, Facts> {
    let mut facts: BTreeMap<OrderId, Facts> = BTreeMap::new();
    for event in told.iter().filter_map(|told| told.decoded.as_ref().ok()) {
        let _ = facts.entry(event.order_id.clone()).or_default().merge(event);
    }
    facts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn any_batching_of_a_sequence_decides_what_each_record_alone_would(
        told in prop::collection::vec(told(), 1..40),
        lengths in prop::collection::vec(1_usize..12, 0..8),
        limits in limits(),
    ) {
        let (runs, rules) = (cut(told, &lengths), limits.rules());
        let (mut alone, mut together) = (Heard::default(), Heard::default());
        for run in &runs {
            run.chunks(1).for_each(|record| alone.apply(batch(record), &rules));
            together.apply(batch(run), &rules);
        }
        prop_assert!(together.batches >= runs.len());
        prop_assert_eq!(&together.refused, &alone.refused);
        prop_assert_eq!(&together.entries, &alone.entries);
        prop_assert_eq!(&together.emitted, &alone.emitted);
        prop_assert_eq!(together.ends(), alone.ends());
    }

    #[test]
    fn any_sequence_over_any_lanes_with_any_repetition_ends_every_order_the_same(
        told in prop::collection::vec(told(), 1..30),
        again in prop::collection::vec((any::<prop::sample::Index>(), 0..3), 0..20),
        lengths in prop::collection::vec(1_usize..12, 0..8),
        seed in any::<u64>(),
    ) {
        let rules = Rules { command_topic: None, facts_per_order: 10_000, ..rules() };
        let mut other = told.clone();
        other.extend(again.iter().map(|(index, lane)| Told { lane: *lane, ..index.get(&told).clone() }));
        // A permutation that a number decides.
        other.sort_by_cached_key(|told| {
            use std::hash::{DefaultHasher, Hash, Hasher};
            let mut hasher = DefaultHasher::new();
            (seed, format!("{told:?}")).hash(&mut hasher);
            hasher.finish()
        });
        let mut heard = Heard::default();
        cut(other, &lengths).iter().for_each(|run| heard.apply(batch(run), &rules));

        let facts = facts_of(&told);
        let ended = heard.orders.iter().map(|(order_id, locked)| (order_id.clone(), locked.order.facts.clone()));
        prop_assert_eq!(ended.collect::<BTreeMap<_, _>>(), facts);
        for (order_id, locked) in &heard.orders {
            prop_assert_eq!(locked.order.view.as_ref(), Some(&derive(&locked.order.facts, &rules.policy)));
            let said = heard.emitted.iter().filter(|record| {
                &*record.topic == "status" && record.key.as_deref() == Some(order_id.as_str().as_bytes())
            });
            let versions: Vec<i64> = heard.entries.iter()
                .filter(|entry| entry.order_id.as_ref() == Some(order_id)).filter_map(|entry| entry.version).collect();
            prop_assert_eq!(i64::try_from(said.count()).ok(), Some(locked.order.version), "each version once");
            prop_assert!(versions.windows(2).all(|pair| pair[1] - pair[0] <= 1 && pair[0] <= pair[1]), "{versions:?}");
        }
    }
}
