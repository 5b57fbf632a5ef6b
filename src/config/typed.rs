//! From a checked value to the type of its field in the configuration.
//!
//! Nothing can go wrong here for what a user writes: a mismatch means that a line of `settings.rs` has a kind that does not
//! fit its type, and the test that reads the example file finds it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::properties::Properties;
use super::secret::Secret;
use super::value::Value;
use crate::decode::Format;

/// The step from a checked value to the type of a field; `None` stands for a setting that nobody gave.
pub trait FromValue: Sized {
    /// The field's value, or none when the value is of another kind than the field's type.
    fn from_value(value: Option<&Value>) -> Option<Self>;
}

macro_rules! from_value {
    ($($Type:ty: $pattern:pat => $result:expr;)+) => {
        $(impl FromValue for $Type {
            fn from_value(value: Option<&Value>) -> Option<Self> {
                match value? { $pattern => $result, _ => None }
            }
        })+
    };
}

from_value! {
    String: Value::Text(text) => Some(text.clone());
    PathBuf: Value::Text(text) => Some(Self::from(text));
    SocketAddr: Value::Text(text) => text.parse().ok();
    Format: Value::Text(text) => text.parse().ok();
    Secret: Value::Secret(secret) => Some(secret.clone());
    bool: Value::Flag(flag) => Some(*flag);
    u32: Value::Count(number) => Self::try_from(*number).ok();
    usize: Value::Count(number) | Value::Bytes(number) => Self::try_from(*number).ok();
    Duration: Value::Duration(duration) => Some(*duration);
}

impl FromValue for Properties {
    fn from_value(value: Option<&Value>) -> Option<Self> {
        match value {
            None => Some(Self::default()),
            Some(Value::Properties(properties)) => Some(properties.clone()),
            Some(_) => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Option<&Value>) -> Option<Self> {
        match value {
            None => Some(None),
            some => T::from_value(some).map(Some),
        }
    }
}
