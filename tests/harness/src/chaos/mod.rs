//! Chaos: everything around real workers is broken on schedule, healed, and then the checker says what became of the orders.
//!
//! | part | what it is |
//! |---|---|
//! | [`fault`] | what can be broken, where, when and for how long |

pub mod fault;
