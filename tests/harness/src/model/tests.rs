//! What is seen of the model in each run of the tests. Invariant: the same worlds, walks and seeds each time, and no server.

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::bounds::{Bounds, Mechanism, Without};
use super::explore::{Explored, explore};
use super::promise::Breach;
use super::state::{State, World};
use super::walk::walk;
use super::worlds;

fn intact(bounds: Bounds) -> World {
    World { bounds, without: Without::NOTHING }
}

fn explored(bounds: Bounds, without: &[Mechanism]) -> Explored {
    explore(World { bounds, without: Without::these(without) })
}

fn refuted(mechanism: Mechanism) -> Breach {
    let found = explored(worlds::that_needs(mechanism), &[mechanism]).breach;
    let trace = found.unwrap_or_else(|| panic!("without {mechanism} every promise is kept"));
    println!("without {mechanism}, {} steps:\n{}\n", trace.steps.len(), trace.lines().join("\n"));
    trace.breach
}

#[test]
fn every_promise_is_kept_in_every_state_of_the_small_worlds() {
    for bounds in worlds::SEEN_WHOLE {
        let seen = explored(*bounds, &[]);
        println!("{bounds}: {} states", seen.states);
        let told = seen.breach.map(|trace| trace.lines().join("\n"));
        assert_eq!(told, None, "{bounds}");
    }
}

#[test]
fn every_promise_is_kept_on_random_walks_through_a_larger_world() {
    let walked = walk(intact(worlds::WALKED), 1, worlds::WALKS_OF_A_TEST, 200);
    let told = walked.breach.map(|trace| trace.lines().join("\n"));
    assert_eq!(told, None, "after {} walks", walked.walks);
}

#[test]
fn each_mechanism_is_needed() {
    let alone = Mechanism::ALL.iter().filter(|mechanism| !worlds::SECOND_LOCKS.contains(mechanism));
    for mechanism in alone {
        refuted(*mechanism);
    }
}

#[test]
fn what_is_published_twice_or_never_is_called_so() {
    assert!(matches!(refuted(Mechanism::CapturedGeneration), Breach::Printed(_)));
    assert!(matches!(refuted(Mechanism::ReadBack), Breach::Printed(_)));
    assert!(matches!(refuted(Mechanism::RememberFormer), Breach::Slow(_)));
}

#[test]
fn the_checkpoints_compare_is_a_second_lock_behind_the_fence() {
    let world = worlds::that_needs(Mechanism::Fence);
    let fence = explored(world, &[Mechanism::Fence]).breach.expect("the fence is needed");
    assert!(matches!(fence.breach, Breach::Stopped(_)), "{}: the compare stops it", fence.breach);
    let both =
        explored(world, &[Mechanism::Fence, Mechanism::CheckpointCompare]).breach.expect("one of them is needed");
    assert!(matches!(both.breach, Breach::Applied(_)), "{}: nothing stops it", both.breach);
}

#[test]
fn the_end_of_tenures_at_a_revoke_is_a_second_lock_beside_the_captured_generation() {
    let world = worlds::that_needs(Mechanism::InOrder);
    assert!(explored(world, &[Mechanism::CapturedGeneration]).breach.is_none(), "it takes a member that was given up");
    let both = explored(world, &[Mechanism::CapturedGeneration, Mechanism::EndAtRevoke]).breach;
    assert!(matches!(both.expect("it takes no fault at all").breach, Breach::Printed(_)));
}

#[test]
fn a_walk_finds_what_a_missing_mechanism_lets_through() {
    let without = Without::these(&[Mechanism::ReadBack]);
    let trace = walk(World { bounds: worlds::WALKED, without }, 1, 100, 200).breach.expect("the position is needed");
    assert!(trace.steps.len() < 40, "the way is cut short:\n{}", trace.lines().join("\n"));
}

#[test]
fn states_that_are_taken_for_one_behave_alike() {
    let world = intact(worlds::WALKED);
    for seed in 0..50 {
        let mut dice = Pcg64Mcg::seed_from_u64(seed);
        let mut state = State::first(&world.bounds);
        for _ in 0..100 {
            let (mut steps, mut of_canon) = (Vec::new(), Vec::new());
            let canon = state.clone().canon();
            world.steps(&state, &mut steps);
            world.steps(&canon, &mut of_canon);
            assert_eq!(steps, of_canon);
            if steps.is_empty() {
                break;
            }
            let step = steps[dice.next_u32() as usize % steps.len()];
            assert_eq!(world.after(&state, step).canon(), world.after(&canon, step).canon(), "{step:?}");
            state = world.after(&state, step);
        }
    }
}

#[test]
fn bounds_read_as_they_are_written() {
    for bounds in worlds::SEEN_WHOLE.iter().chain([&worlds::WALKED]) {
        assert_eq!(bounds.to_string().parse(), Ok(*bounds));
    }
    assert!("records=x".parse::<Bounds>().unwrap_err().contains("`x` of `records`"));
    assert!("planets=1".parse::<Bounds>().unwrap_err().contains("processes, lanes"));
    assert!("lanes=0".parse::<Bounds>().is_err());
}
