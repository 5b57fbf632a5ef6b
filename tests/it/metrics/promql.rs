//! What a PromQL expression names: series with their matchers, and labels that it groups by. No more of the language than that.
//!
//! Invariant: a word that is neither a function, a word of the language nor a label is taken for a series, so a misspelt one is found.

use std::iter::Peekable;
use std::str::Chars;

/// Words of the language that take labels in brackets.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Functions whose arguments may come after the labels that they group by.
const AGGREGATIONS: [&str; 8] = ["sum", "min", "max", "avg", "count", "topk", "bottomk", "quantile"];
/// Its other words.
const WORDS: [&str; 8] = ["and", "or", "unless", "bool", "offset", "atan2", "Inf", "NaN"];

/// A series that is named, and what is asked of its labels.
#[derive(Debug, PartialEq, Eq)]
pub struct Selector {
    pub name: String,
    /// Label, operator, value.
    pub matchers: Vec<(String, String, String)>,
}

/// What an expression names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub selectors: Vec<Selector>,
    pub labels: Vec<String>,
}

/// Reads an expression; what is not one is said in a sentence.
pub fn read(expression: &str) -> Result<Named, String> {
    let mut named = Named::default();
    let mut rest = expression.chars().peekable();
    while let Some(&next) = rest.peek() {
        match next {
            '"' | '\'' => _ = quoted(&mut rest)?,
            '[' => _ = until(&mut rest, ']')?,
            '{' => return Err(format!("a selector without a name in `{expression}`")),
            _ if next.is_ascii_digit() => _ = word(&mut rest, |c| c.is_ascii_alphanumeric() || c == '.'),
            _ if is_name(next) => name(&mut rest, &mut named)?,
            _ => _ = rest.next(),
        }
    }
    Ok(named)
}

fn name(rest: &mut Peekable<Chars<'_>>, named: &mut Named) -> Result<(), String> {
    let name = word(rest, is_name);
    skip_blanks(rest);
    let next = rest.peek().copied();
    if GROUPING.contains(&name.as_str()) {
        if next == Some('(') {
            let inside = until(rest, ')')?;
            let labels = inside.trim_start_matches('(').split(',').map(str::trim).filter(|label| !label.is_empty());
            named.labels.extend(labels.map(str::to_owned));
        }
    } else if !WORDS.contains(&name.as_str()) && !AGGREGATIONS.contains(&name.as_str()) && next != Some('(') {
        let matchers = if next == Some('{') { matchers(rest)? } else { Vec::new() };
        named.selectors.push(Selector { name, matchers });
    }
    Ok(())
}

fn matchers(rest: &mut Peekable<Chars<'_>>) -> Result<Vec<(String, String, String)>, String> {
    let mut found = Vec::new();
    rest.next();
    loop {
        word(rest, |c| c.is_whitespace() || c == ',');
        if rest.next_if_eq(&'}').is_some() {
            return Ok(found);
        }
        let label = word(rest, is_name);
        skip_blanks(rest);
        let operator = word(rest, |c| "=!~".contains(c));
        skip_blanks(rest);
        if label.is_empty() || !["=", "!=", "=~", "!~"].contains(&operator.as_str()) {
            return Err(format!("a matcher `{label}{operator}` that is none"));
        }
        found.push((label, operator, quoted(rest)?));
    }
}

/// A text in quotes, with what is escaped in it as it stands.
fn quoted(rest: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let quote = rest.next_if(|c| "\"'".contains(*c)).ok_or("a value without quotes")?;
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            _ if c == quote => return Ok(text),
            '\\' => text.extend(['\\'].into_iter().chain(rest.next())),
            _ => text.push(c),
        }
    }
    Err(format!("a text without an end: `{text}`"))
}

/// Everything up to and without that character, which is taken too.
fn until(rest: &mut Peekable<Chars<'_>>, end: char) -> Result<String, String> {
    let inside = word(rest, |c| c != end);
    rest.next().map(|_| inside).ok_or_else(|| format!("no `{end}`"))
}

fn word(rest: &mut Peekable<Chars<'_>>, belongs: impl Fn(char) -> bool) -> String {
    std::iter::from_fn(|| rest.next_if(|c| belongs(*c))).collect()
}

fn skip_blanks(rest: &mut Peekable<Chars<'_>>) {
    word(rest, char::is_whitespace);
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

#[test]
fn series_matchers_and_labels_are_found_and_functions_and_durations_are_not() {
    let read = read(
        "sum by (job, le) (rate(a_total{x=\"1\", y!~\"b|c\"}[5m:$step])) / 14.4 > bool on (job) group_left () r:x:5m",
    );
    let matcher = |label: &str, op: &str, value: &str| (label.to_owned(), op.to_owned(), value.to_owned());
    let with =
        Selector { name: "a_total".to_owned(), matchers: vec![matcher("x", "=", "1"), matcher("y", "!~", "b|c")] };
    let bare = Selector { name: "r:x:5m".to_owned(), matchers: vec![] };
    let labels = ["job", "le", "job"].map(str::to_owned).to_vec();
    assert_eq!(read, Ok(Named { selectors: vec![with, bare], labels }));
}

#[test]
fn what_is_no_expression_is_refused() {
    for wrong in ["{x=\"1\"}", "a{x}", "a{x=1}", "a{x=\"1\"", "a[5m", "sum by (x"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}
