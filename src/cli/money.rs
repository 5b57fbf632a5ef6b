//! Amounts as a person reads them: minor units shifted by the currency's own exponent (ISO 4217).
//!
//! Only for text; JSON keeps the integers of the contract. Invariant: no float is involved, so every amount is exact.

use crate::ids::AmountMinor;
use crate::order::event::money::Currency;

/// Currencies whose exponent is not 2, by exponent. ISO 4217 gives precious metals, funds and tests none: they stay whole.
const EXPONENTS: [(usize, &[&str]); 3] = [
    (
        0,
        &[
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF",
            "XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XOF", "XPD", "XPF", "XPT", "XSU", "XTS", "XUA", "XXX",
        ],
    ),
    (3, &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]),
    (4, &["CLF", "UYW"]),
];

/// An amount with its currency: `50.00 EUR`, `5000 JPY`. Without a currency the minor units as they are.
#[must_use]
pub fn shown(amount: AmountMinor, currency: Option<Currency>) -> String {
    let Some(currency) = currency else { return amount.to_string() };
    let code = currency.as_str();
    let listed = EXPONENTS.iter().find(|(_, codes)| codes.contains(&code));
    let exponent = listed.map_or(2, |(exponent, _)| *exponent);
    if exponent == 0 {
        return format!("{amount} {code}");
    }
    let digits = format!("{:0width$}", amount.0.unsigned_abs(), width = exponent + 1);
    let (whole, fraction) = digits.split_at(digits.len() - exponent);
    let sign = if amount.0 < 0 { "-" } else { "" };
    format!("{sign}{whole}.{fraction} {code}")
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
            (i64::MAX, "EUR", "92233720368547758.07 EUR"),
        ] {
            assert_eq!(shown(AmountMinor(minor), Some(code.parse().unwrap())), text);
        }
        assert_eq!(shown(AmountMinor(7), None), "7");
    }
}
