//! What a shopper buys: a currency, one to five lines of articles with plausible prices, and what it costs in all.
//!
//! The first thing rolled for an order; every later amount is made of these prices, so captures, refunds and totals agree.

use super::dice::Dice;
use crate::event::{Line, Text};

const CURRENCIES: [(&str, u32); 7] =
    [("EUR", 45), ("USD", 25), ("GBP", 12), ("JPY", 6), ("CHF", 4), ("SEK", 4), ("PLN", 4)];
const LINES: [(usize, u32); 5] = [(1, 46), (2, 28), (3, 15), (4, 8), (5, 3)];
const PIECES: [(i32, u32); 4] = [(1, 70), (2, 20), (3, 7), (6, 3)];
/// Articles with what they cost, roughly, in euros.
const ARTICLES: [(&str, i64); 20] = [
    ("TEE-WHITE-M", 19),
    ("TEE-BLACK-L", 19),
    ("JEANS-32-34", 79),
    ("HOODIE-GREY-L", 59),
    ("SNEAKER-42", 110),
    ("BOOT-BROWN-40", 149),
    ("SOCKS-5PK", 14),
    ("RAINCOAT-M", 129),
    ("BACKPACK-25L", 89),
    ("MUG-STONE", 12),
    ("KETTLE-1L7", 45),
    ("COFFEE-BEANS-1KG", 24),
    ("DESK-LAMP", 65),
    ("NOTEBOOK-A5", 9),
    ("HEADPHONES-NC", 249),
    ("USB-C-CABLE-2M", 15),
    ("MOUSE-WL", 39),
    ("KEYBOARD-ISO", 119),
    ("MONITOR-27", 329),
    ("BOOK-9783161", 22),
];

/// One line of the cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The line's id.
    pub line_id: String,
    /// The article.
    pub sku: &'static str,
    /// How many pieces.
    pub pieces: i32,
    /// What one piece costs, in minor units.
    pub price_minor: i64,
}

/// What an order is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cart {
    /// The currency of all its money.
    pub currency: &'static str,
    /// Its lines.
    pub items: Vec<Item>,
    /// What delivery costs, in minor units.
    pub delivery_minor: i64,
}

impl Cart {
    /// Fills a cart.
    pub fn fill(dice: &mut Dice) -> Self {
        let currency = dice.weighted(&CURRENCIES);
        let count = dice.weighted(&LINES);
        // A stride that is no divisor of the number of articles: none is in the cart twice.
        let first = dice.index(ARTICLES.len());
        let items = (1..=count).map(|number| {
            let (sku, euros) = ARTICLES[(first + number * 7) % ARTICLES.len()];
            Item {
                line_id: number.to_string(),
                sku,
                pieces: dice.weighted(&PIECES),
                price_minor: price(currency, euros),
            }
        });
        let items = items.collect();
        let delivery_minor = if dice.chance(0.5) { price(currency, 4) } else { 0 };
        Self { currency, items, delivery_minor }
    }

    /// What it costs in all.
    #[must_use]
    pub fn total_minor(&self) -> i64 {
        self.delivery_minor + self.items.iter().map(|item| i64::from(item.pieces) * item.price_minor).sum::<i64>()
    }

    /// How many pieces it has.
    #[must_use]
    pub fn pieces(&self) -> i32 {
        self.items.iter().map(|item| item.pieces).sum()
    }

    /// All its lines, as an event names them.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.items.iter().map(|item| item.line(item.pieces)).collect()
    }

    /// Sees to it that there is enough in it for two parcels.
    pub fn fill_two_parcels(&mut self) {
        if self.pieces() < 2 {
            self.items[0].pieces = 2;
        }
    }

    /// Its lines in two parcels, neither of them empty. There must be two pieces.
    pub fn split(&self, dice: &mut Dice) -> [Vec<Line>; 2] {
        let last = i64::from(self.pieces()) - 1;
        let mut left = i32::try_from(dice.between(1, last)).expect("a cart has few pieces");
        let mut parcels = [Vec::new(), Vec::new()];
        for item in &self.items {
            let first = item.pieces.min(left);
            left -= first;
            for (parcel, pieces) in parcels.iter_mut().zip([first, item.pieces - first]) {
                if pieces > 0 {
                    parcel.push(item.line(pieces));
                }
            }
        }
        parcels
    }

    /// What these lines cost, without delivery.
    #[must_use]
    pub fn worth_minor(&self, lines: &[Line]) -> i64 {
        let price =
            |line: &Line| self.items.iter().find(|item| item.line_id == line.line_id).map_or(0, |i| i.price_minor);
        lines.iter().map(|line| price(line) * i64::from(line.quantity)).sum()
    }

    /// One line and part or all of its pieces.
    pub fn some_line(&self, dice: &mut Dice) -> Line {
        let item = dice.pick(&self.items);
        item.line(i32::try_from(dice.between(1, i64::from(item.pieces))).expect("a line has few pieces"))
    }
}

impl Item {
    fn line(&self, pieces: i32) -> Line {
        Line { line_id: self.line_id.clone(), quantity: pieces, sku: Some(Text::Borrowed(self.sku)) }
    }
}

/// What costs that many euros, in minor units of a currency, with the ending that shops there like.
fn price(currency: &str, euros: i64) -> i64 {
    match currency {
        "JPY" => euros * 160 - 20,
        "SEK" => euros * 1_100 - 100,
        "PLN" => euros * 430 - 1,
        _ => euros * 100 - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_parcels_hold_together_what_was_bought() {
        for number in 0..500 {
            let mut dice = Dice::new(3, number);
            let mut cart = Cart::fill(&mut dice);
            cart.fill_two_parcels();
            let [first, second] = cart.split(&mut dice);
            assert!(!first.is_empty() && !second.is_empty());
            let worth = cart.worth_minor(&first) + cart.worth_minor(&second) + cart.delivery_minor;
            assert_eq!(worth, cart.total_minor());
        }
    }

    #[test]
    fn yen_have_no_cents() {
        assert_eq!((price("JPY", 19), price("EUR", 19)), (3_020, 1_899));
    }
}
