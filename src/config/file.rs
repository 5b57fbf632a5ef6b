//! The TOML file as a source: what it gives, each with its line, and every syntax error at once.
//!
//! Knows TOML and the two levels of the file, `[section]` and `key = value`, but no setting.
//! Invariant: of a file with a syntax error nothing is given and no text is quoted - what the parser makes of the rest
//! may be a password that somebody forgot to quote.

use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem};
use super::resolve::{Given, Key};
use super::value::Raw;

/// A file's name and text.
pub struct File<'a> {
    /// How messages call it.
    pub name: &'a str,
    /// Its content.
    pub text: &'a str,
}

impl File<'_> {
    /// Everything given; or, of a file that is not TOML, every syntax error.
    pub(super) fn read(&self) -> (Vec<Given>, Vec<Problem>) {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        if !errors.is_empty() {
            return (Vec::new(), errors.iter().map(|error| self.syntax_problem(error)).collect());
        }
        let mut given = Vec::new();
        for (name, value) in table.get_ref() {
            let place = self.place(name.span().start);
            match value.get_ref() {
                DeValue::Table(section) => {
                    given.push(Given {
                        key: Key::Section(name.get_ref().to_string()),
                        raw: Raw::Other("a table"),
                        place,
                    });
                    self.read_section(name.get_ref(), section, &mut given);
                }
                other => given.push(Given { key: Key::Loose(name.get_ref().to_string()), raw: raw(other), place }),
            }
        }
        (given, Vec::new())
    }

    fn read_section(&self, section: &str, table: &DeTable<'_>, given: &mut Vec<Given>) {
        for (name, value) in table {
            let key = name.get_ref().as_ref();
            match value.get_ref() {
                DeValue::Table(properties) if (section, key) == ("kafka", "properties") => {
                    self.read_properties("", properties, given);
                }
                other => given.push(Given {
                    key: Key::Setting(section.to_owned(), key.to_owned()),
                    raw: raw(other),
                    place: self.place(name.span().start),
                }),
            }
        }
    }

    /// Reads names with dots both quoted (`"client.rack" = …`) and bare, where TOML makes nested tables of them.
    fn read_properties(&self, path: &str, table: &DeTable<'_>, given: &mut Vec<Given>) {
        for (name, value) in table {
            let full = format!("{path}{}", name.get_ref());
            match value.get_ref() {
                DeValue::Table(nested) => self.read_properties(&format!("{full}."), nested, given),
                other => given.push(Given {
                    key: Key::Property(full),
                    raw: raw(other),
                    place: self.place(name.span().start),
                }),
            }
        }
    }

    fn syntax_problem(&self, error: &toml::de::Error) -> Problem {
        let place = match error.span() {
            Some(span) => self.place(span.start),
            None => Place::File(self.name.to_owned()),
        };
        Problem::new(place, format!("is not TOML: {}", error.message().replace('\n', ", ")))
    }

    fn place(&self, byte: usize) -> Place {
        let before = self.text.as_bytes().get(..byte).unwrap_or(self.text.as_bytes());
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Place::Line(self.name.to_owned(), line)
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(integer) => {
            let number = i128::from_str_radix(integer.as_str(), integer.radix());
            Raw::Integer(number.map_or_else(|_| integer.to_string(), |number| number.to_string()))
        }
        DeValue::Boolean(flag) => Raw::Flag(*flag),
        DeValue::Float(_) => Raw::Other("a fraction"),
        DeValue::Datetime(_) => Raw::Other("a date or time"),
        DeValue::Array(_) => Raw::Other("an array"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Given>, Vec<Problem>) {
        File { name: "o.toml", text }.read()
    }

    fn line(number: usize) -> Place {
        Place::Line("o.toml".to_owned(), number)
    }

    #[test]
    fn every_setting_comes_with_its_line() {
        let (given, problems) = read("# a comment\n[kafka]\ngroup = \"g\"\n\n[worker]\nwriters = 2\n");
        assert!(problems.is_empty());
        let places: Vec<_> = given.iter().map(|given| (given.key.clone(), given.place.clone())).collect();
        assert!(places.contains(&(Key::Section("kafka".into()), line(2))), "{places:?}");
        assert!(places.contains(&(Key::Setting("kafka".into(), "group".into()), line(3))), "{places:?}");
        assert!(places.contains(&(Key::Setting("worker".into(), "writers".into()), line(6))), "{places:?}");
    }

    #[test]
    fn properties_may_be_quoted_or_bare() {
        let (given, _) = read("[kafka.properties]\n\"client.rack\" = \"a\"\nsocket.keepalive.enable = true\n");
        let keys: Vec<_> = given.into_iter().map(|given| given.key).collect();
        assert!(keys.contains(&Key::Property("client.rack".into())), "{keys:?}");
        assert!(keys.contains(&Key::Property("socket.keepalive.enable".into())), "{keys:?}");
    }

    #[test]
    fn every_syntax_error_is_reported_with_its_line() {
        let (given, problems) = read("[kafka]\ngroup = \n[worker]\nwriters = = 3\nwriters = 4\n");
        let places: Vec<_> = problems.iter().map(|problem| problem.place.clone()).collect();
        assert!(given.is_empty());
        assert!(places.contains(&line(2)) && places.contains(&line(4)), "{problems:?}");
    }

    #[test]
    fn a_secret_on_a_line_with_a_syntax_error_is_not_repeated() {
        for text in [
            "[database]\npassword = hunter2\n",
            "[database]\npassword = \"hunter2\n",
            "[database]\npassword \"hunter2\"\n",
            "[database]\nhunter2\n",
            "[database]\npassword = \"a\" hunter2 = 3\n",
            "[database]\npassword = \"\\hunter2\"\n",
            "[hunter2\n",
        ] {
            let (given, problems) = read(text);
            assert!(given.is_empty() && !problems.is_empty(), "{text}");
            assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[a-z\\[\\]=\".\n0-9ü ]{0,60}") {
            let _ = read(&text);
        }
    }
}
