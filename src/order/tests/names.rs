//! The names of values in the outside world: read back, told apart, sorted where a list of them is emitted.
//!
//! Sets are emitted in the order of declaration, so where DOMAIN wants them sorted that must be the order of the names.

use std::fmt::Debug;
use std::str::FromStr;

use crate::order::attention::{Attention, Flag};
use crate::order::cancel::CancelReason;
use crate::order::event::inventory::{Condition, InventoryKind};
use crate::order::event::ordering::{OrderKind, RequestedBy};
use crate::order::event::payment::PaymentKind;
use crate::order::event::shipping::{ReturnKind, ShipmentKind};
use crate::order::event::{GivenUp, Source};
use crate::order::facts::told::Entity;
use crate::order::obligation::ObligationKind;
use crate::order::region::{FulfilmentState, InventoryState, PaymentState, ReturnsState};
use crate::order::status::Clause;
use crate::order::{DeadlineName, Shell, Status, UnknownName};

/// Checks one enum: every name is read back, and through serde too.
macro_rules! assert_names {
    ($($name:ident),+) => {$(
        for value in $name::ALL {
            assert_reads_back(value, value.as_str());
        }
    )+};
}

fn assert_reads_back<T>(value: T, name: &str)
where
    T: Copy + Debug + PartialEq + FromStr<Err = UnknownName> + serde::Serialize + serde::de::DeserializeOwned,
{
    assert_eq!(name.parse(), Ok(value));
    let json = serde_json::to_string(&value).expect("a name is JSON");
    assert_eq!(json, format!("\"{name}\""));
    assert_eq!(serde_json::from_str::<T>(&json).ok(), Some(value));
    let error = "nonsense".parse::<T>().expect_err("no name");
    assert!(error.to_string().starts_with("`nonsense` is not a ") && error.to_string().contains(name), "{error}");
}

#[test]
fn every_name_is_read_back() {
    assert_names!(Attention, Flag, CancelReason, Condition, InventoryKind, OrderKind, RequestedBy, PaymentKind);
    assert_names!(ReturnKind, ShipmentKind, GivenUp, Source, ObligationKind, DeadlineName, Shell, Status, Clause);
    assert_names!(FulfilmentState, InventoryState, PaymentState, ReturnsState, Entity);
}

#[test]
fn what_is_emitted_or_fired_in_order_is_declared_in_the_order_of_names() {
    assert!(Flag::ALL.map(Flag::as_str).is_sorted());
    assert!(Attention::ALL.map(Attention::as_str).is_sorted());
    assert!(ObligationKind::ALL.map(ObligationKind::as_str).is_sorted());
    assert!(DeadlineName::ALL.map(DeadlineName::as_str).is_sorted());
}

#[test]
fn three_statuses_are_terminal() {
    let terminal: Vec<&str> =
        Status::ALL.into_iter().filter(|status| status.is_terminal()).map(Status::as_str).collect();
    assert_eq!((terminal, Status::ALL.len()), (vec!["CANCELLED", "RETURNED", "COMPLETED"], 13));
}
