//! Chaos: everything around real workers is broken on schedule, healed, and then the checker says what became of the orders.
//!
//! | part | what it is |
//! |---|---|
//! | [`fault`] | what can be broken, where, when and for how long |
//! | [`schedule`] | which faults a seed brings |
//! | [`feed`] | the traffic meanwhile |
//! | [`eye`] | who looks how far each lane is, past all that is broken |
//! | [`timeline`], [`picture`] | what was seen second by second, what that says, and a drawing of it |
//! | [`verdict`], [`report`] | what is wrong, and what came of it |

pub mod eye;
pub mod fault;
pub mod feed;
pub mod picture;
pub mod report;
pub mod schedule;
pub mod timeline;
pub mod verdict;
