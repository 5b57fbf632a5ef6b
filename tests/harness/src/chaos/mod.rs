//! Chaos: everything around real workers is broken on schedule, healed, and then the checker says what became of the orders.
//!
//! | part | what it is |
//! |---|---|
//! | [`fault`] | what can be broken, where, when and for how long |
//! | [`schedule`] | which faults a seed brings |
//! | [`picture`] | that, drawn |
//! | [`timeline`] | what was seen second by second, and what that says |

pub mod fault;
pub mod picture;
pub mod schedule;
pub mod timeline;
