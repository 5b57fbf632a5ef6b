//! Workers replaced one after the other under load: what a rolling restart costs whoever waits for status events, and whether two
//! releases get along.
//!
//! | what | file |
//! |---|---|
//! | three workers, and one in the place of another | [`crew`] |
//! | how long each lane kept those waiting who had said something | [`pauses`] |
//! | a rolling restart of one release, measured | [`restart`] |
//! | from one release to another and back, checked | [`upgrade`] |
//! | what is told of a restart | [`report`] |
//!
//! Invariant: the checker has looked at all of it before anything is told.

pub mod crew;
pub mod pauses;
pub mod report;
pub mod restart;
pub mod upgrade;
