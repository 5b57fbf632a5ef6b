//! Prometheus' text format, read: samples with their labels. Comments are passed over.
//!
//! Pure. Invariant: a text is read whole or not at all, and the error says which line is wrong; nothing that a stranger answers
//! makes this panic.

use std::collections::BTreeMap;

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// Reads a whole text.
///
/// # Errors
/// The first line that is none of the format.
pub(super) fn parse(text: &str) -> Result<Vec<Sample>, String> {
    let lines = (1..).zip(text.lines().map(str::trim));
    let samples = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let read = samples.map(|(number, line)| {
        let shown: String = line.chars().take(60).map(|c| if c.is_control() { '?' } else { c }).collect();
        sample(line).ok_or_else(|| format!("line {number} is no sample: `{shown}`"))
    });
    read.collect()
}

/// `name value`, `name{label="value",…} value`, each perhaps with a timestamp behind.
fn sample(line: &str) -> Option<Sample> {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (labels, rest) = match rest.trim_start().strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let mut words = rest.split_whitespace();
    let value = words.next()?.parse().ok()?;
    if let Some(timestamp) = words.next() {
        timestamp.parse::<i64>().ok()?;
    }
    words.next().is_none().then(|| Sample { name: name.to_owned(), labels, value })
}

/// Labels up to the closing bracket, and what is behind it.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start();
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_end();
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let (value, after) = quoted(after.trim_start().strip_prefix('"')?)?;
        if !is_name || labels.insert(name.to_owned(), value).is_some() {
            return None;
        }
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(rest) => rest,
            None if after.starts_with('}') => after,
            None => return None,
        };
    }
}

/// A value up to its closing quote, and what is behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                same @ ('\\' | '"') => same,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(sample: &Sample) -> String {
        let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<String> =
            sample.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let value = if sample.value == f64::INFINITY { "+Inf".to_owned() } else { sample.value.to_string() };
        if labels.is_empty() {
            return format!("{} {value}", sample.name);
        }
        format!("{}{{{}}} {value}", sample.name, labels.join(","))
    }

    fn samples() -> impl Strategy<Value = Vec<Sample>> {
        // What a line's end is to `str::lines` stands in no label of a real exporter but as `\n`.
        let labels = proptest::collection::btree_map("[a-z_][a-z0-9_]{0,5}", "[^\r]{0,8}", 0..4);
        let value =
            prop_oneof![any::<f64>().prop_filter("NaN is not itself", |value| !value.is_nan()), Just(f64::INFINITY)];
        let sample = ("[a-zA-Z_:][a-zA-Z0-9_:]{0,10}", labels, value);
        let sample = sample.prop_map(|(name, labels, value)| Sample { name, labels, value });
        proptest::collection::vec(sample, 0..8)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(samples in samples()) {
            let lines: Vec<String> = samples.iter().map(written).collect();
            prop_assert_eq!(parse(&format!("# HELP x y\n\n{}\n", lines.join("\n"))), Ok(samples));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", near in "[a{}=\",\\\\ 1\n#]{0,40}") {
            let _ = parse(&text);
            let _ = parse(&near);
        }

        #[test]
        fn a_text_that_breaks_off_is_an_error_or_a_shorter_text(samples in samples(), at in any::<prop::sample::Index>()) {
            let lines: Vec<String> = samples.iter().map(written).collect();
            let text = lines.join("\n");
            let at = at.index(text.len() + 1);
            if let Some(Ok(read)) = text.get(..at).map(parse) {
                prop_assert!(read.len() <= samples.len());
            }
        }
    }

    #[test]
    fn the_forms_of_the_format_are_read() {
        let text = "# TYPE a counter\na 1\nb{} 2.5e3 1700000000000\nc{x=\"1\",y=\"a\\\\b\\\"c\\nd\",} +Inf\nd { x = \"}\" } NaN\n";
        let samples = parse(text).unwrap();
        assert_eq!(samples.iter().map(|sample| sample.name.as_str()).collect::<String>(), "abcd");
        assert_eq!((samples[0].value, samples[1].value, samples[2].value), (1.0, 2_500.0, f64::INFINITY));
        assert_eq!(samples[2].labels["y"], "a\\b\"c\nd");
        assert!(samples[3].value.is_nan() && samples[3].labels["x"] == "}");
    }

    #[test]
    fn what_is_no_sample_is_named_with_its_line() {
        for wrong in [
            "a",
            "1a 2",
            "a{ 1",
            "a{x} 1",
            "a{x=1} 1",
            "a{x=\"1} 1",
            "a{x=\"\\q\"} 1",
            "a x",
            "a 1 x",
            "a 1 2 3",
            "{} 1",
        ] {
            let error = parse(&format!("ok 1\n{wrong}")).unwrap_err();
            assert!(error.starts_with("line 2 ") && error.contains(wrong), "{wrong}: {error}");
        }
        assert!(parse("a 1\n<html>\u{1b}[2J").unwrap_err().ends_with("`<html>?[2J`"));
    }
}
