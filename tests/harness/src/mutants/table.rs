//! The table of mutants: for each mechanism the text that makes it, what stands there instead, and the tests that must fail.
//!
//! Invariant: a text occurs exactly once in its file, so a mutant that the code has moved away from is noticed and not skipped.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// One mechanism switched off.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// Its name, for `ONLY=`.
    pub name: String,
    /// What is switched off, in words.
    pub mechanism: String,
    /// How.
    pub edits: Vec<Edit>,
    /// The tests of which one must fail, the quickest first: `it::…` of the integration tests, anything else of the library's.
    pub caught_by: Vec<String>,
}

/// One text in place of another.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Below the repository.
    pub file: String,
    /// What stands there, exactly once.
    pub find: String,
    /// What is to stand there.
    pub replace: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    mutant: Vec<Mutant>,
}

/// Reads the table of a repository.
///
/// # Errors
/// It is not there, or cannot be understood.
pub fn read(repository: &Path) -> Result<Vec<Mutant>> {
    let path = repository.join("tests/mutants/mutants.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    let table: Table = toml::from_str(&text).with_context(|| format!("`{}`", path.display()))?;
    Ok(table.mutant)
}

impl Mutant {
    /// The files that the mutant changes, as they are to be, read below `root`; a file may be changed in several places.
    ///
    /// # Errors
    /// A text does not occur exactly once.
    pub fn files(&self, root: &Path) -> Result<Vec<(String, String)>> {
        let mut files: Vec<(String, String)> = Vec::new();
        for Edit { file, find, replace } in &self.edits {
            if !files.iter().any(|(name, _)| name == file) {
                let text = std::fs::read_to_string(root.join(file)).with_context(|| format!("`{file}`"))?;
                files.push((file.clone(), text));
            }
            let (_, text) = files.iter_mut().find(|(name, _)| name == file).expect("it was just read");
            let count = text.matches(find.as_str()).count();
            ensure!(count == 1, "mutant `{}`: its text occurs {count} times in `{file}`, not once:\n{find}", self.name);
            *text = text.replace(find.as_str(), replace);
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_not_there_or_there_twice_is_an_error() {
        let edit = |find: &str| Edit { file: "table.rs".into(), find: find.into(), replace: String::new() };
        let mutant = |find: &str| Mutant {
            name: "m".into(),
            mechanism: String::new(),
            edits: vec![edit(find)],
            caught_by: Vec::new(),
        };
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mutants");
        assert!(mutant("/// How.\n").files(&here).is_ok());
        assert!(mutant("#[serde(deny_unknown_fields)]").files(&here).is_err());
        assert!(mutant(&["is not", "there"].concat()).files(&here).is_err());
    }
}
