//! From what somebody wrote to a checked value: by kind and bounds, with a remedy in every refusal.
//!
//! `Raw` is what a source holds, `Value` what a setting of that kind can be; `typed.rs` goes on to the field's type.
//! Invariant: a refusal never repeats the value itself - the caller adds it, unless the setting is a secret.

use std::net::SocketAddr;
use std::time::Duration;

use super::properties::Properties;
use super::secret::{MASK, Secret};
use super::suggest::did_you_mean;
use super::table::{Kind, Rule};
use super::units::{bytes_text, duration_text, parse_bytes, parse_duration};

/// The longest text that a setting takes, in bytes.
const TEXT_MAX_BYTES: usize = 8 << 10;

/// The longest name of a topic that Kafka takes.
const TOPIC_MAX_BYTES: usize = 249;

const WORD_CHARACTERS: &str = "a-z, A-Z, 0-9, `.`, `_` and `-`";

/// A value as a source holds it.
#[derive(Clone)]
pub enum Raw {
    /// From the environment or a secret's file: text that may stand for any kind.
    Untyped(String),
    /// A TOML string.
    Text(String),
    /// A TOML integer, as written.
    Integer(String),
    /// A TOML boolean.
    Flag(bool),
    /// Something that no setting is; the text names it, as in `an array`.
    Other(&'static str),
}

impl Raw {
    /// The value as it would be quoted in a message.
    #[must_use]
    pub fn quoted(&self) -> String {
        match self {
            Self::Untyped(text) | Self::Text(text) => format!("`{}`", text.escape_debug()),
            Self::Integer(digits) => format!("`{digits}`"),
            Self::Flag(flag) => format!("`{flag}`"),
            Self::Other(what) => (*what).to_owned(),
        }
    }
}

/// A checked value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text of any kind that is not a secret.
    Text(String),
    /// Text that is.
    Secret(Secret),
    /// A flag.
    Flag(bool),
    /// A count.
    Count(u64),
    /// A size in bytes.
    Bytes(u64),
    /// A duration.
    Duration(Duration),
    /// Properties for librdkafka.
    Properties(Properties),
}

impl Value {
    /// The text, of a text that is not a secret.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A secret that was read from this file; any other value as it is.
    #[must_use]
    pub fn of_file(self, path: &str) -> Self {
        match self {
            Self::Secret(secret) => Self::Secret(secret.of_file(path)),
            other => other,
        }
    }

    /// The value as a person would write it, with secrets masked.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Secret(_) => MASK.to_owned(),
            Self::Flag(flag) => flag.to_string(),
            Self::Count(count) => count.to_string(),
            Self::Bytes(bytes) => bytes_text(*bytes),
            Self::Duration(duration) => duration_text(*duration),
            Self::Properties(properties) => properties.to_string(),
        }
    }
}

/// Checks a raw value against a rule.
///
/// # Errors
///
/// What is wrong and how to write it, without the value: `is not a number: write …`.
pub fn parse(rule: &Rule, raw: &Raw) -> Result<Value, String> {
    match rule.kind {
        Kind::Count(min, max) => parse_count(raw, min, max).map(Value::Count),
        Kind::Bytes(min, max) => parse_size(raw, min, max).map(Value::Bytes),
        Kind::Duration(min, max) => {
            let duration = parse_duration(text_of(raw, "a duration in quotes, such as \"8s\"")?)?;
            let range = || format!("a duration from {} to {}", duration_text(min), duration_text(max));
            within(duration, min, max, range).map(Value::Duration)
        }
        Kind::Flag => match raw {
            Raw::Flag(flag) => Ok(Value::Flag(*flag)),
            Raw::Untyped(text) => text.parse().map(Value::Flag).map_err(|_| "write true or false".to_owned()),
            Raw::Text(_) | Raw::Integer(_) | Raw::Other(_) => Err("write true or false, without quotes".to_owned()),
        },
        Kind::Properties => Err("write a section [kafka.properties] with names and values".to_owned()),
        Kind::Text | Kind::Word(_) | Kind::Choice(_) | Kind::Brokers | Kind::Address | Kind::Topic => {
            parse_line(rule, raw)
        }
        Kind::Url(_) | Kind::Path | Kind::Filter => parse_line(rule, raw),
    }
}

fn parse_line(rule: &Rule, raw: &Raw) -> Result<Value, String> {
    let text = text_of(raw, "text in quotes")?;
    if text.is_empty() {
        return Err("write a value, or leave the setting out".to_owned());
    }
    if text.len() > TEXT_MAX_BYTES || text.contains(|c: char| c.is_control()) {
        return Err(format!("write one line of at most {TEXT_MAX_BYTES} bytes, without control characters"));
    }
    check_text(rule.kind, text)?;
    Ok(if rule.secret { Value::Secret(Secret::new(text)) } else { Value::Text(text.to_owned()) })
}

fn check_text(kind: Kind, text: &str) -> Result<(), String> {
    match kind {
        Kind::Choice(words) if !words.contains(&text) => {
            Err(format!("write one of {}{}", words.join(", "), did_you_mean(text, words.iter().copied())))
        }
        Kind::Brokers if !text.split(',').all(|broker| is_host_and_port(broker.trim())) => {
            Err("write host:port, several of them separated by commas".to_owned())
        }
        Kind::Address if text.parse::<SocketAddr>().is_err() => {
            Err("write an IP address and a port, such as 127.0.0.1:9464 or 0.0.0.0:9464".to_owned())
        }
        Kind::Word(max) if !is_word(text, max) => Err(format!("write 1 to {max} of the characters {WORD_CHARACTERS}")),
        Kind::Topic if !is_word(text, TOPIC_MAX_BYTES) || text == "." || text == ".." => {
            Err(format!("write 1 to {TOPIC_MAX_BYTES} of the characters {WORD_CHARACTERS}; not `.` or `..`"))
        }
        Kind::Url(schemes) if !is_url(text, schemes) => {
            let forms: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
            Err(format!("write a URL that begins with {} and a host", forms.join(" or ")))
        }
        Kind::Filter => tracing_subscriber::EnvFilter::try_new(text).map(drop).map_err(|error| {
            format!("{error}: write a level, then exceptions by module, such as info,orderstream::publish=debug")
        }),
        _ => Ok(()),
    }
}

fn parse_count(raw: &Raw, min: u64, max: u64) -> Result<u64, String> {
    let range = || format!("a whole number from {min} to {max}");
    let digits = match raw {
        Raw::Integer(digits) | Raw::Untyped(digits) => digits,
        Raw::Text(_) => return Err(format!("write {}, without quotes", range())),
        Raw::Flag(_) | Raw::Other(_) => return Err(format!("write {}", range())),
    };
    let count = digits.trim().parse().map_err(|_| format!("write {}", range()))?;
    within(count, min, max, range)
}

fn parse_size(raw: &Raw, min: u64, max: u64) -> Result<u64, String> {
    let bytes = match raw {
        Raw::Integer(text) | Raw::Untyped(text) | Raw::Text(text) => parse_bytes(text)?,
        Raw::Flag(_) | Raw::Other(_) => return Err("write a size such as \"8MiB\"".to_owned()),
    };
    within(bytes, min, max, || format!("a size from {} to {}", bytes_text(min), bytes_text(max)))
}

fn within<T: PartialOrd>(value: T, min: T, max: T, range: impl Fn() -> String) -> Result<T, String> {
    if value < min || value > max {
        return Err(format!("write {}", range()));
    }
    Ok(value)
}

fn text_of<'a>(raw: &'a Raw, what: &str) -> Result<&'a str, String> {
    match raw {
        Raw::Untyped(text) | Raw::Text(text) => Ok(text),
        Raw::Integer(_) | Raw::Flag(_) | Raw::Other(_) => Err(format!("write {what}")),
    }
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let plain = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '/');
        plain && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

fn is_word(text: &str, max: usize) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    text.len() <= max && text.chars().all(legal)
}

fn is_url(text: &str, schemes: &[&str]) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    schemes.contains(&scheme) && !rest.is_empty() && !rest.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: Kind, text: &str) -> Result<Value, String> {
        parse(&Rule::of(kind), &Raw::Text(text.to_owned()))
    }

    #[test]
    fn a_count_is_bounded_and_written_without_quotes() {
        let rule = Rule::of(Kind::Count(1, 64));
        assert_eq!(parse(&rule, &Raw::Integer("4".to_owned())), Ok(Value::Count(4)));
        assert_eq!(parse(&rule, &Raw::Untyped("64".to_owned())), Ok(Value::Count(64)));
        assert_eq!(parse(&rule, &Raw::Integer("65".to_owned())), Err("write a whole number from 1 to 64".to_owned()));
        assert!(parse(&rule, &Raw::Text("4".to_owned())).unwrap_err().contains("without quotes"));
        assert!(parse(&rule, &Raw::Integer("-1".to_owned())).unwrap_err().contains("from 1 to 64"));
    }

    #[test]
    fn a_size_is_a_text_or_a_number() {
        let rule = Rule::of(Kind::Bytes(1024, 1 << 20));
        assert_eq!(parse(&rule, &Raw::Text("64KiB".to_owned())), Ok(Value::Bytes(65_536)));
        assert_eq!(parse(&rule, &Raw::Integer("2048".to_owned())), Ok(Value::Bytes(2048)));
        assert!(parse(&rule, &Raw::Text("2MiB".to_owned())).unwrap_err().contains("1KiB to 1MiB"));
    }

    #[test]
    fn a_flag_is_a_word_only_in_the_environment() {
        let rule = Rule::of(Kind::Flag);
        assert_eq!(parse(&rule, &Raw::Untyped("true".to_owned())), Ok(Value::Flag(true)));
        assert_eq!(parse(&rule, &Raw::Flag(false)), Ok(Value::Flag(false)));
        assert!(parse(&rule, &Raw::Text("true".to_owned())).unwrap_err().contains("without quotes"));
        assert!(parse(&rule, &Raw::Untyped("yes".to_owned())).is_err());
    }

    #[test]
    fn brokers_need_a_host_and_a_port_each() {
        for good in ["localhost:9092", "a:1,b:2", "a:1, b:2", "[::1]:9092"] {
            assert!(text(Kind::Brokers, good).is_ok(), "{good}");
        }
        for bad in ["localhost", "a:1,", ":9092", "a:0", "a:99999", "http://a:1", "a b:1"] {
            assert!(text(Kind::Brokers, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn topic_names_are_kafkas() {
        for good in ["payments", "a.b_c-D9", &"x".repeat(249)] {
            assert!(text(Kind::Topic, good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "pay ments", "zahlüng", "a/b", &"x".repeat(250)] {
            assert!(text(Kind::Topic, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_url_needs_its_scheme_and_a_host() {
        let schemes = Kind::Url(&["http", "https"]);
        assert!(text(schemes, "https://registry:8081/apis").is_ok());
        for bad in ["registry:8081", "ftp://x", "http://", "http://a b"] {
            assert_eq!(
                text(schemes, bad),
                Err("write a URL that begins with http:// or https:// and a host".to_owned())
            );
        }
    }

    #[test]
    fn an_address_is_an_ip_and_a_port() {
        assert!(text(Kind::Address, "0.0.0.0:9464").is_ok());
        assert!(text(Kind::Address, "localhost:9464").unwrap_err().contains("127.0.0.1:9464"));
    }

    #[test]
    fn a_wrong_word_is_answered_with_the_words_and_the_nearest() {
        let error = text(Kind::Choice(&["text", "json"]), "jsn").unwrap_err();
        assert_eq!(error, "write one of text, json; did you mean `json`?");
    }

    #[test]
    fn a_log_filter_is_checked_by_the_library_that_uses_it() {
        assert!(text(Kind::Filter, "info,orderstream::publish=debug").is_ok());
        assert!(text(Kind::Filter, "info,orderstream=loud").unwrap_err().contains("such as info"));
    }

    #[test]
    fn text_is_one_line_and_never_empty() {
        assert!(text(Kind::Text, "").unwrap_err().contains("leave the setting out"));
        assert!(text(Kind::Text, "a\nb").is_err());
        assert!(text(Kind::Text, "a\0b").is_err());
        assert!(parse(&Rule::of(Kind::Text), &Raw::Integer("1".to_owned())).unwrap_err().contains("in quotes"));
    }

    #[test]
    fn a_secret_is_wrapped_as_soon_as_it_is_read() {
        let value = parse(&Rule::of(Kind::Text).secret(), &Raw::Text("hunter2".to_owned())).unwrap();
        assert_eq!(format!("{value:?} {}", value.shown()), "Secret(********) ********");
    }
}
