//! Single sentences of DOMAIN, each shown on the fewest events: where two rules meet, or where a tie decides.
//!
//! By what they are about: money, stock, parcels and returns, and the order as a whole.

mod goods;
mod money;
mod stock;
mod whole;
