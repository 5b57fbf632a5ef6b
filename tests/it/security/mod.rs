//! Servers that know whom they let in: TLS, passwords and rights, each right and wrong in every way, and secrets that are shown nowhere.
//!
//! One broker, one database server and one registry with certificates of an authority that lives as long as the test.

mod canary;
mod kafka;
mod postgres;
mod registry;
mod rotation;
mod secured;

use crate::security::secured::Secured;

#[tokio::test(flavor = "multi_thread")]
async fn secured_servers_let_in_whom_they_should_and_everybody_else_is_told_why() {
    let secured = Secured::start().await;
    tokio::join!(kafka::refusals(&secured), postgres::refusals_and_roles(&secured), registry::refusals(&secured));
    rotation::under_a_running_worker(&secured).await;
    canary::no_secret_is_shown_anywhere(&secured).await;
    secured.end().await;
}
