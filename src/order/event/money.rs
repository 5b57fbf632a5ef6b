//! Money as an event says it: an amount in minor units and its currency, never one without the other.
//!
//! Invariant: 0 <= amount <= [`MAX_AMOUNT_MINOR`], so that the sum over any order's facts fits 128 bits with room to
//! spare. No floats anywhere (DOMAIN section 2).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ids::AmountMinor;

/// The greatest amount that one event may say.
pub const MAX_AMOUNT_MINOR: i64 = 1_000_000_000_000_000;

/// An amount of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money {
    /// How much, in minor units.
    pub amount: AmountMinor,
    /// Of what.
    pub currency: Currency,
}

/// An ISO 4217 code: three capital letters. Whether the code is assigned is not our business.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The three letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("a currency is made of ASCII capitals only")
    }

    /// How many digits of an amount stand behind the point. Precious metals, funds and tests have no minor unit.
    fn exponent(&self) -> usize {
        match self.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
            | "VUV" | "XAF" | "XOF" | "XPF" | "XAG" | "XAU" | "XBA" | "XBB" | "XBC" | "XBD" | "XDR" | "XPD" | "XPT"
            | "XSU" | "XTS" | "XUA" | "XXX" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            "CLF" | "UYW" => 4,
            _ => 2,
        }
    }
}

/// As a person writes it: `50.00 EUR`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(self.amount.0.into(), self.currency))
    }
}

/// An amount of minor units as a person writes it, shifted by its currency's exponent (ISO 4217): `50.00 EUR`, `5000 JPY`.
#[must_use]
pub fn shown(minor: i128, currency: Currency) -> String {
    let exponent = currency.exponent();
    let sign = if minor < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", minor.unsigned_abs(), width = exponent + 1);
    let (whole, fraction) = digits.split_at(digits.len() - exponent);
    let point = if exponent > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{fraction} {currency}")
}

/// A text that is not three capital letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotACurrency(String);

impl FromStr for Currency {
    type Err = NotACurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match *text.as_bytes() {
            [a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err(NotACurrency(text.to_owned())),
        }
    }
}

impl fmt::Display for NotACurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a currency: use three capitals, for example EUR", self.0)
    }
}

impl std::error::Error for NotACurrency {}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Letters;

        impl de::Visitor<'_> for Letters {
            type Value = Currency;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a currency of three capitals")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Currency, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Letters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shifted_by_the_exponent_of_their_currency() {
        for (minor, code, text) in [
            (5_000, "EUR", "50.00 EUR"),
            (5, "EUR", "0.05 EUR"),
            (0, "USD", "0.00 USD"),
            (5_000, "JPY", "5000 JPY"),
            (1_234, "KWD", "1.234 KWD"),
            (12, "CLF", "0.0012 CLF"),
            (-150, "GBP", "-1.50 GBP"),
        ] {
            assert_eq!(shown(minor, code.parse().unwrap()), text);
        }
        let money = Money { amount: AmountMinor(i64::MAX), currency: "EUR".parse().unwrap() };
        assert_eq!(money.to_string(), "92233720368547758.07 EUR");
    }
}
