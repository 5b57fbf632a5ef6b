//! `orderstream journal`: the journal for people outside.

pub(super) mod entry;
