//! The one fault that nothing heals: new partitions of the inputs. It comes last, after everything else was judged.
//!
//! Every worker must end with 78 and say what to do, and what is applied must stay as it is, although records wait in a new partition.
//! Nothing is lost: then all inputs get as many, the orders are moved with `orderstream repartition`, and workers go on with everything.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::Instant;

use super::drive::Roll;
use super::ending::{at_rest, until};
use super::fault::Fault;
use super::inject::{self, inputs};
use super::run::Options;
use super::timeline::Happened;
use super::verdict::{self, Finding, Sort};
use super::world::{Duty, World};
use crate::check;
use crate::check::deadlines::Unreplicated;
use crate::database;
use crate::deployment::Deployment;
use crate::positions;

/// How long workers may take to take their lanes again, and to refuse.
const WITHIN: Duration = Duration::from_secs(90);
/// The exit code of a configuration that has to be changed by a person.
const CONFIGURATION: i32 = 78;
/// What a worker's last words must contain: what to do, whether one topic has got more partitions or all have.
const REMEDIES: [&str; 2] = ["give all input topics the same number", "orderstream repartition"];
/// What is applied.
const APPLIED: &str = "select topic, partition, next_offset from checkpoints order by 1, 2";

/// Adds the partitions under running workers, sees that they refuse, and does what they say.
pub(super) async fn hold(
    world: &mut World,
    roll: &Roll,
    (fault, options): (&Fault, &Options),
    (began, unreplicated): (Instant, &[Unreplicated]),
    findings: &mut Vec<Finding>,
) -> Result<Happened> {
    let places: Vec<usize> = (0..usize::from(options.plan.workers)).collect();
    for place in &places {
        world.crew.member(*place)?.set_duty(Duty::Works);
    }
    let deployment = world.deployment().clone();
    let taken = async |_: &mut World| Ok(lanes_without_owner(&deployment).await? == 0);
    if !until(world, roll, WITHIN, taken).await? {
        findings.push(Finding::new(Sort::Stall, "the workers did not take their lanes again before the finale"));
    }
    let before = applied(&deployment).await?;
    let exits_before = world.crew.exits().len();
    let injected = began.elapsed();
    let inject::Injected { what } = inject::inject(world, fault).await?;
    // A member that leaves makes all others look at the topics again.
    let first = world.crew.member(0)?;
    first.terminate()?;
    let all_refused = async |world: &mut World| {
        let refused = |place: &usize| {
            let name = &world.crew.members()[*place].name;
            let exits = world.crew.exits()[exits_before..].iter();
            exits.filter(|exit| exit.worker == *name).any(|exit| exit.status.code() == Some(CONFIGURATION))
        };
        Ok(places.iter().all(refused))
    };
    let refused = until(world, roll, WITHIN, all_refused).await?;
    for place in &places {
        let member = world.crew.member(*place)?;
        member.set_duty(Duty::Rests);
        let log = std::fs::read_to_string(member.log()).unwrap_or_default();
        if !REMEDIES.iter().any(|remedy| log.contains(remedy)) {
            let words = format!("{} met new partitions and does not say `{}`", member.name, REMEDIES.join("` or `"));
            findings.push(Finding::new(Sort::NotRefused, words));
        }
    }
    if !refused {
        let words =
            format!("not every worker ended with {CONFIGURATION} within {} s of new partitions", WITHIN.as_secs());
        findings.push(Finding::new(Sort::NotRefused, words));
    }
    world.dismiss().await?;
    let after = applied(&deployment).await?;
    if before != after {
        let words = format!("new partitions changed how far inputs are applied: {before:?} became {after:?}");
        findings.push(Finding::new(Sort::NotRefused, words));
    }
    let effect = inject::heal(world, fault).await?;
    go_on(world, roll, (options, unreplicated), findings).await?;
    let (did, took_place) = (format!("{what}; {}", effect.what), effect.took_place);
    Ok(Happened { fault: fault.clone(), did, took_place, injected, healed: began.elapsed() })
}

/// Moves the orders, lets workers go on, and has everything judged again.
async fn go_on(
    world: &mut World,
    roll: &Roll,
    (options, unreplicated): (&Options, &[Unreplicated]),
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let deployment = world.deployment().clone();
    inputs::widen_all(&deployment).await?;
    let config = world.directory().join("orderstream.toml");
    let mut said = String::new();
    // The group may hold on to members that are gone, until their sessions are over.
    let moved = until(world, roll, WITHIN, async |_| {
        let output = options.program.output(&config, &["repartition", "--yes"])?;
        said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok(output.status.success())
    });
    if !moved.await? {
        let words = format!("`orderstream repartition --yes` does not move the orders: {said}");
        findings.push(Finding::new(Sort::Stall, words));
        return Ok(());
    }
    for place in 0..usize::from(options.plan.workers) {
        world.crew.member(place)?.set_duty(Duty::Works);
    }
    let published = async |_: &mut World| {
        let deployment = deployment.clone();
        Ok(tokio::task::spawn_blocking(move || positions::lag(&deployment)).await?.is_ok_and(|lag| lag == 0))
    };
    if !until(world, roll, WITHIN + options.catch_up, published).await? {
        let words = "what stood in the new partition was not published after the orders were moved";
        findings.push(Finding::new(Sort::Stall, words));
        return Ok(());
    }
    at_rest(options, world, roll, findings).await?;
    world.dismiss().await?;
    let again = check::check_as_of(&deployment, check::now(), unreplicated);
    let again = again.await.context("the checker, after the orders were moved")?;
    findings.extend(verdict::of_checker(&again));
    Ok(())
}

async fn lanes_without_owner(deployment: &Deployment) -> Result<i64> {
    let mut connection = database::connect(&deployment.stack.database).await?;
    let without = "select count(*) from lanes where owner_transactional_id is null";
    Ok(sqlx::query_scalar(without).fetch_one(&mut connection).await?)
}

async fn applied(deployment: &Deployment) -> Result<Vec<(String, i32, i64)>> {
    let mut connection = database::connect(&deployment.stack.database).await?;
    Ok(sqlx::query_as(APPLIED).fetch_all(&mut connection).await?)
}
