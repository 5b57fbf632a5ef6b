//! Chaos: everything around real workers is broken on schedule, healed, and then the checker says what became of the orders.
//!
//! | part | what it is |
//! |---|---|
//! | [`fault`] | what can be broken, where, when and for how long |
//! | [`schedule`] | which faults a seed brings |
//! | [`world`], [`inject`] | real servers and workers with links between them, and how they are broken and healed |
//! | [`run`], [`drive`] | a whole run, and the way through its schedule |
//! | [`feed`] | the traffic meanwhile |
//! | [`eye`], [`watcher`] | who looks how far each lane is, past all that is broken, and writes it down |
//! | `account`, `commits` | whether all that was sent was judged; whether a committed offset was ever moved back |
//! | `ending`, `finale` | what must come about after the last healing, and what nothing heals |
//! | [`timeline`], [`picture`] | what was seen second by second, what that says, and a drawing of it |
//! | [`verdict`], [`report`], [`series`] | what is wrong, and what came of one run and of several |

mod account;
mod commit_record;
mod commits;
pub mod drive;
mod ending;
pub mod eye;
pub mod fault;
pub mod feed;
mod finale;
pub mod inject;
pub mod picture;
pub mod report;
pub mod run;
pub mod schedule;
pub mod series;
pub mod timeline;
pub mod verdict;
pub mod watcher;
pub mod world;
