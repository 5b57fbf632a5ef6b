//! An error in all its words. Pure.
//!
//! Invariant: nothing is said twice, however the libraries overlap in what they repeat of their causes.

use std::error::Error;

/// An error with all its causes: reqwest tells the reason only at the end of the chain.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    fn layers(texts: &[&'static str]) -> Option<Box<Layer>> {
        let (text, rest) = texts.split_first()?;
        Some(Box::new(Layer { text, source: layers(rest) }))
    }

    #[test]
    fn every_cause_is_told_once() {
        let error = layers(&["sending failed", "connecting: refused", "refused", "os error 111"]).expect("some");
        assert_eq!(chain(&*error), "sending failed: connecting: refused: os error 111");
    }
}
