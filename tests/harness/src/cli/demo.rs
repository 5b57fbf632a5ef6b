//! `harness demo`.
use anyhow::Result;
use clap::Args;
/// What `demo` can be told.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How many orders.
    #[arg(long, default_value_t = 20_000)]
    orders: u64,
}
pub(super) async fn run(arguments: Arguments) -> Result<bool> {
    Ok(arguments.orders > 0)
}
