//! Mutants: the product with one mechanism switched off, each of which must fail a test that passes without it.
//!
//! | part | what it is |
//! |---|---|
//! | [`table`] | what is switched off, how, and who must notice: `tests/mutants/mutants.toml` |
//! | [`tree`] | a private copy of the sources with a target folder of its own, where mutants are made and built |
//! | [`trial`] | one mutant: built, and its tests run |
//! | [`report`] | what came of it |
//!
//! Invariant: a mutant that survives, does not apply or does not compile is an error, and so is a test that fails without it: before
//! all mutants, or right after it failed with one.

pub mod report;
pub mod table;
pub mod tree;
pub mod trial;

use std::path::Path;

use anyhow::{Result, bail};

use crate::stack::Stack;
use report::Report;
use table::Mutant;
use tree::Tree;

/// Tries mutants one after the other in a copy of `repository` below `directory`; `deps` is a folder of cargo's profile from which
/// what is built of other packages may be taken.
///
/// # Errors
/// The copy cannot be made or built, or a named test fails without any mutant.
pub async fn run(
    repository: &Path,
    directory: &Path,
    deps: &Path,
    mutants: &[Mutant],
    stack: &Stack,
) -> Result<Report> {
    let tree = Tree::copy(repository, directory, deps)?;
    eprintln!("building without any mutant");
    let built = tree.build_tests()?;
    let mut names: Vec<&str> = mutants.iter().flat_map(|mutant| &mutant.caught_by).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    eprintln!("running {} tests without any mutant", names.len());
    if let Some(failed) = trial::first_that_fails(&tree, &built, &names, stack).await? {
        bail!("`{}` fails without any mutant:\n{}", failed.test, failed.said);
    }
    let unmutated = tree.put_aside(&built)?;
    let mut report = Report::default();
    for mutant in mutants {
        let outcome = trial::run(&tree, (&built, &unmutated), mutant, stack).await?;
        eprintln!("{}", report::line(mutant, &outcome));
        report.add(mutant.clone(), outcome);
    }
    Ok(report)
}
