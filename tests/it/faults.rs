//! Every kind of fault, one after the other, done to a world at work: each must be seen to take place, and be healed without trace.
//!
//! Takes minutes, so it is not among the tests of every day; `FAULTS=a,b` narrows it. The orders themselves are judged at the end.

use std::time::{Duration, Instant};

use orderstream_harness::chaos::fault::{Fault, Kind, Target};
use orderstream_harness::chaos::inject::{heal, inject};
use orderstream_harness::chaos::world::{Plan, World};
use orderstream_harness::check;
use orderstream_harness::deployment::Deployment;
use orderstream_harness::flow::Flow;
use orderstream_harness::positions;
use orderstream_harness::produce::Producer;
use orderstream_harness::traffic::{Shape, Traffic};
use orderstream_harness::worker::Program;

use crate::patience::{self, LONG_PATIENCE};
use crate::stage::now_micros;

/// Records a second.
const RATE: u32 = 200;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; run it by its name"]
async fn every_kind_of_fault_takes_place_and_leaves_nothing_behind() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/chaos/faults");
    let program = Program::at(env!("CARGO_BIN_EXE_orderstream"));
    let plan = Plan { directory: &directory, program: &program, workers: 2, partitions: 6, configure: &|_| {} };
    let began = Instant::now();
    let mut world = World::make(plan).await.expect("a world");
    eprintln!("world made in {:.1} s", began.elapsed().as_secs_f64());
    let flow = flow(&world).await;
    whole(&mut world).await;
    let mut idle = Vec::new();
    for (number, kind) in kinds().into_iter().enumerate() {
        for target in targets(kind) {
            let (at, lasts) = (Duration::from_secs(number as u64), Duration::from_secs(8));
            let fault = Fault { kind, target, at, lasts, chance: number as u64 + 1 };
            let started = Instant::now();
            let injected = inject(&mut world, &fault).await.expect("injected");
            eprintln!("{kind} of {target}: {} [{:.1} s]", injected.what, started.elapsed().as_secs_f64());
            let until = Instant::now() + lasts;
            tended_until(&mut world, "the fault to last", async |_| Instant::now() >= until).await;
            let started = Instant::now();
            let effect = heal(&mut world, &fault).await.expect("healed");
            eprintln!(
                "    {}: {} [{:.1} s]",
                if effect.took_place { "yes" } else { "NO" },
                effect.what,
                started.elapsed().as_secs_f64()
            );
            if !effect.took_place {
                idle.push(format!("{kind} of {target}: {}", effect.what));
            }
            let started = Instant::now();
            whole(&mut world).await;
            eprintln!("    whole after {:.1} s, restarts {}", started.elapsed().as_secs_f64(), world.crew.restarts());
            for finding in world.findings() {
                eprintln!("    finding so far: {finding}");
            }
        }
    }
    flow.end().await.expect("all that was sent is delivered");
    world.probe.flush().expect("probes are delivered");
    let deployment = world.deployment().clone();
    tended_until(&mut world, "everything to be published", async |_| lag(&deployment).await.is_ok_and(|lag| lag == 0))
        .await;
    world.dismiss().await.expect("workers stop");
    let verdict = check::check(&deployment).await.expect("the checker can read everything");
    eprintln!("{}", verdict.text());
    assert!(verdict.is_good(), "{}", verdict.text());
    assert_eq!(world.findings(), Vec::<String>::new());
    assert_eq!(idle, Vec::<String>::new(), "these did nothing");
}

fn kinds() -> Vec<Kind> {
    let Ok(names) = std::env::var("FAULTS") else {
        return Kind::ALL.iter().copied().filter(|kind| *kind != Kind::PartitionsAdded).collect();
    };
    names.split(',').map(|name| name.parse().expect("a kind")).collect()
}

/// All of a link's and broker's, one of a worker's.
fn targets(kind: Kind) -> Vec<Target> {
    let targets = kind.targets();
    let one = matches!(targets[0], Target::Worker(_));
    let some = targets
        .into_iter()
        .filter(|target| !matches!(target, Target::Broker(orderstream_harness::chaos::fault::Leads::Any(1..))));
    some.take(if one { 1 } else { 9 }).collect()
}

/// Traffic until it is told to end.
async fn flow(world: &World) -> Flow {
    let deployment = world.deployment();
    let producer = Producer::open(&deployment.stack, &deployment.topics).await.expect("a producer");
    Flow::start(producer, Traffic::new(Shape::usual(1_000_000, 1, now_micros())), RATE)
}

/// Waits until nothing is missing any more, and every lane goes on.
async fn whole(world: &mut World) {
    tended_until(world, "the world to be whole", async |world| {
        let missing = world.missing().await;
        if !missing.is_empty() {
            eprintln!("    missing: {missing:?}");
        }
        missing.is_empty()
    })
    .await;
    let deployment = world.deployment().clone();
    tended_until(world, "the lag to be small", async |_| positions::lag(&deployment).is_ok_and(|lag| lag < 2_000))
        .await;
}

async fn lag(deployment: &Deployment) -> anyhow::Result<i64> {
    let deployment = deployment.clone();
    tokio::task::spawn_blocking(move || positions::lag(&deployment)).await?
}

async fn tended_until(world: &mut World, what: &str, mut condition: impl AsyncFnMut(&mut World) -> bool) {
    patience::until_within(LONG_PATIENCE, what, async || {
        world.tend()?;
        Ok(condition(world).await)
    })
    .await
    .expect("in time");
}
