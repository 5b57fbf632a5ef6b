//! What to say about a name that is no setting: the nearest one that is.
//!
//! Never a value: whoever misspells `password` has still written a secret.

use super::environment::{PREFIX, variable as variable_name};
use super::resolve::all;
use super::settings::SECTIONS;
use super::suggest::nearest;
use super::table::Setting;

/// About a header.
pub fn section(section: &str) -> String {
    let names = SECTIONS.iter().map(|known| format!("[{}]", known.name));
    let wrong = format!("[{section}]");
    let hint = match nearest(&wrong, names.clone()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => format!(": use one of {}", names.collect::<Vec<_>>().join(", ")),
    };
    format!("`{wrong}` is not a section{hint}")
}

/// About a key in a section; nothing when the section itself is unknown, since that was said once.
pub fn setting(section: &str, key: &str) -> Option<String> {
    let known = SECTIONS.iter().find(|known| known.name == section)?;
    let mut keys: Vec<String> = known.settings.iter().map(|setting| setting.key.to_owned()).collect();
    keys.extend(known.settings.iter().filter_map(Setting::file_key));
    let hint = match nearest(key, keys.iter()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => elsewhere(key),
    };
    Some(format!("`{key}` is not a setting of [{section}]{hint}"))
}

/// About a key outside of any section.
pub fn loose(key: &str) -> String {
    if SECTIONS.iter().any(|known| known.name == key) {
        return format!("`{key}` is a section: write [{key}] and its settings below");
    }
    format!("`{key}` is outside of any section: write it below its section{}", elsewhere(key))
}

/// About a variable.
pub fn variable(variable: &str) -> String {
    // The prefix is left out of the comparison: as a common part it would make everything look near.
    let bare = |name: &str| name.trim_start_matches(PREFIX).to_owned();
    let mut names: Vec<String> = all().map(|setting| bare(&setting.variable())).collect();
    names.extend(all().filter_map(|setting| Some(bare(&variable_name(setting.section, &setting.file_key()?)))));
    let hint = match nearest(&bare(variable), names) {
        Some(near) => format!("; did you mean `{PREFIX}{near}`?"),
        None => ": unset it, or see `orderstream config example`".to_owned(),
    };
    format!("no setting has this variable{hint}")
}

/// The same key, or one much like it, in any section.
fn elsewhere(key: &str) -> String {
    let near = all().find(|setting| setting.key == key).or_else(|| {
        let key = nearest(key, all().map(|setting| setting.key))?;
        all().find(|setting| setting.key == key)
    });
    match near {
        Some(setting) => format!("; did you mean `{}` of [{}]?", setting.key, setting.section),
        None => ": remove it, or see `orderstream config example`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_near_to_none_is_shown_where_all_are() {
        assert!(variable("ORDERSTREAM__ORDER_STREAM").contains("see `orderstream config example`"));
        assert!(variable("ORDERSTREAM__TOPICS__DEADLETTER").ends_with("`ORDERSTREAM__TOPICS__DEAD_LETTER`?"));
        assert!(variable("ORDERSTREAM__kafka__group").ends_with("`ORDERSTREAM__KAFKA__GROUP`?"));
        assert!(variable("ORDERSTREAM__DATABASE__PASWORD_FILE").ends_with("`ORDERSTREAM__DATABASE__PASSWORD_FILE`?"));
    }

    #[test]
    fn a_section_that_is_near_to_none_is_answered_with_all() {
        assert!(section("colour").contains("use one of [kafka], [topics], "));
        assert!(section("kafak").ends_with("did you mean `[kafka]`?"));
    }
}
