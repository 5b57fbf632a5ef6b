//! `orderstream completions` and `orderstream man`: what a shell and a reader of manuals need, made from the command line itself.
//!
//! Invariant: nothing is written down twice; a command that is added is in both.

use std::io;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::commands::Cli;
use super::exit::Exit;
use super::{complain, print_bytes};

/// Which shell.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsArgs {
    /// Prints what the shell is to be told.
    pub(super) fn run(&self) -> Exit {
        print_bytes(&completions(self.shell))
    }
}

/// One page, or all.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Writes a page for each command into this directory, which must be there; without it, the first page is printed.
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

impl ManArgs {
    /// Prints the page, or writes them all.
    pub(super) fn run(&self) -> Exit {
        let Some(directory) = &self.directory else {
            let mut page = Vec::new();
            let written = clap_mangen::Man::new(Cli::command()).render(&mut page);
            written.expect("memory takes what is written");
            return print_bytes(&page);
        };
        match clap_mangen::generate_to(Cli::command(), directory) {
            Ok(()) => Exit::Ok,
            Err(error) => {
                let hint = if error.kind() == io::ErrorKind::NotFound { "make it first" } else { "name another" };
                complain(format_args!("`{}` cannot be written ({error}): {hint}", directory.display()));
                Exit::TempFail
            }
        }
    }
}

fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "orderstream", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_is_told_of_every_command() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(completions(*shell)).expect("text");
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }

    #[test]
    fn every_command_has_a_page_with_its_example() {
        let directory = std::env::temp_dir().join(format!("orderstream-man-{}", uuid::Uuid::new_v4()));
        let args = ManArgs { directory: Some(directory.clone()) };
        assert_eq!(args.run(), Exit::TempFail, "it is not there");
        std::fs::create_dir(&directory).expect("a directory");
        assert_eq!(args.run(), Exit::Ok);
        let page = |name: &str| std::fs::read_to_string(directory.join(name)).expect(name);
        assert!(page("orderstream.1").contains("Exit codes"));
        assert!(page("orderstream-config-show.1").contains("config show"));
        for command in Cli::command().get_subcommands() {
            assert!(
                page(&format!("orderstream-{}.1", command.get_name())).starts_with(".ie"),
                "{}",
                command.get_name()
            );
        }
        std::fs::remove_dir_all(&directory).expect("it was ours");
    }
}
