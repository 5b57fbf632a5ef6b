//! A model of the protocol.

pub mod act;
pub mod bounds;
pub mod canon;
pub mod explore;
pub mod heal;
pub mod kafka;
pub mod postgres;
pub mod promise;
pub mod relay;
pub mod state;
pub mod step;
pub mod tell;
pub mod walk;
pub mod worlds;
