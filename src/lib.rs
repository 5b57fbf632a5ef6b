//! orderstream: a headless stream processor that drives the order state machine of a commerce platform, exactly once.

pub mod cli;
pub mod config;
pub mod consume;
pub mod decode;
pub mod ids;
pub mod metrics;
pub mod order;
pub mod persist;
pub mod pipeline;
pub mod publish;
pub mod retry;
pub mod shutdown;
