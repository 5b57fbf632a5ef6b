//! A worker with the least rights works, and goes on when passwords and certificates are changed under it.

use orderstream_harness::certificates::{Authority, Valid};
use orderstream_harness::kafka_admin;
use orderstream_harness::topics::Input;
use orderstream_harness::worker::Worker;

use super::secured::{Secured, basic, canary};
use crate::events::{captured, sound};
use crate::stage::GOODBYE;
use crate::under_load::metric;

pub async fn under_a_running_worker(secured: &Secured) {
    let config = secured.least().await;
    let mut worker = secured.stage.worker_with("least", |usual| *usual = config.clone());
    send(secured, 1).await;
    worker.must_run().expect("it works with these rights");
    kafkas_password(secured, &mut worker).await;
    postgres_password(secured, &mut worker).await;
    postgres_authority(secured, &mut worker).await;
    registrys_password(secured, &mut worker).await;
    worker.must_run().expect("nobody stopped it");
    worker.stop(GOODBYE).await.expect("exit code 0");
    secured.stage.check().await;
}

/// An event goes all the way.
async fn send(secured: &Secured, number: u32) {
    offer(secured, number).await;
    secured.stage.all_published().await;
}

async fn offer(secured: &Secured, number: u32) {
    let mut producer = secured.stage.producer().await;
    producer.send_json(&captured(&format!("ord-{number}"), &format!("cap-{number}"))).expect("an event");
    producer.flush().expect("kafka has it");
}

async fn says(secured: &Secured, worker: &mut Worker, word: &str) {
    secured
        .stage
        .until(&format!("the worker to say `{word}`"), async || {
            worker.must_run()?;
            Ok(worker.log()?.contains(word))
        })
        .await;
}

async fn kafkas_password(secured: &Secured, worker: &mut Worker) {
    let brokers = &secured.stage.deployment.stack.brokers;
    kafka_admin::set_scram_password(brokers, "orderstream", &canary("scram2")).expect("set");
    // Connections that stand are left alone: only new ones need the new password.
    secured.cluster.lock().await.broker(1).expect("the broker").restart().await.expect("it comes back");
    says(secured, worker, "kafka does not take `orderstream` and its password").await;
    assert!(metric(worker, "orderstream_retries_total{cause=\"kafka_access\"}").await > 0.0);
    secured.write("kafka.secret", &canary("scram2"));
    says(secured, worker, "kafka.sasl_password has changed").await;
    send(secured, 2).await;
}

async fn postgres_password(secured: &Secured, worker: &mut Worker) {
    secured.administer(&format!("alter role orderstream_worker password '{}'", canary("worker2"))).await;
    end_sessions(secured).await;
    offer(secured, 3).await;
    says(secured, worker, "28P01").await;
    assert!(metric(worker, "orderstream_retries_total{cause=\"database_access\"}").await > 0.0);
    secured.write("postgres.secret", &canary("worker2"));
    secured.stage.all_published().await;
}

/// Another authority signs the server's certificate; the worker's file follows.
async fn postgres_authority(secured: &Secured, worker: &mut Worker) {
    let next = Authority::new("the next authority").expect("an authority");
    let issued = next.issue("server", &["127.0.0.1"], Valid::Now).expect("issued");
    issued.write(&secured.directory, "next").expect("written");
    secured.install("next").await;
    end_sessions(secured).await;
    offer(secured, 4).await;
    says(secured, worker, "name the one that signed it in database.ssl_ca_file").await;
    secured.write("postgres-ca.pem", &next.pem().expect("PEM"));
    secured.stage.all_published().await;
    secured.install("server").await;
    secured.write("postgres-ca.pem", &secured.authority.pem().expect("PEM"));
}

/// The registry is asked for schemas that were not seen before only.
async fn registrys_password(secured: &Secured, worker: &mut Worker) {
    secured.front.set_authorization(basic(&canary("registry2")));
    let mut producer = secured.stage.producer().await;
    producer.send_json(&sound(Input::Inventory, "ord-5")).expect("an event");
    producer.flush().expect("kafka has it");
    says(secured, worker, "looking a schema up, trying again").await;
    assert!(metric(worker, "orderstream_retries_total{cause=\"registry_access\"}").await > 0.0);
    assert_eq!(secured.stage.number("select count(*) from dead_letters").await, 0);
    secured.write("registry.secret", &canary("registry2"));
    secured.stage.all_published().await;
}

async fn end_sessions(secured: &Secured) {
    secured
        .administer("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'orderstream_worker'")
        .await;
}
