//! What commands that change something ask for, about dead letters or about a whole deployment: whether to do it, who does it, why.
//!
//! Who is given with `--as`, else the user and the machine as the system tells them: a note for colleagues, not a proof.
//! Invariant: without `--yes` a command only says what it would do.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::ConfigFile;
use super::output::Output;
use crate::persist::letters::By;

/// The options that such commands share.
#[derive(Debug, Args)]
pub(super) struct ChangeArgs {
    /// Does it; without this it only says what would be done.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub by: ByArgs,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub file: ConfigFile,
}

/// The options that say who and why.
#[derive(Clone, Debug, Default, Args)]
pub struct ByArgs {
    /// Why, as it is written down.
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub note: Option<String>,
    /// Who does it, as it is written down [default: $USER@hostname].
    #[arg(long = "as", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub actor: Option<String>,
}

impl ByArgs {
    /// Who does it, and why.
    pub fn by(&self) -> By {
        let actor = self.actor.clone().unwrap_or_else(|| {
            let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
            let user = user.filter(|user| !user.is_empty()).unwrap_or_else(|| "unknown".to_owned());
            format!("{user}@{}", hostname())
        });
        By { actor, note: self.note.clone() }
    }
}

fn hostname() -> String {
    let mut name = [0_u8; 256];
    // SAFETY: the pointer and the length are those of a buffer that lives through the call and has no other user.
    let answer = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) };
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    match str::from_utf8(&name[..end]) {
        Ok(host) if answer == 0 && !host.is_empty() => host.to_owned(),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_names_himself_is_written_down_under_that_name() {
        let by = ByArgs { actor: Some("on-call".to_owned()), note: Some("INC-1".to_owned()) }.by();
        assert_eq!(by, By { actor: "on-call".to_owned(), note: Some("INC-1".to_owned()) });
    }

    #[test]
    fn whoever_does_not_is_somebody_on_this_machine() {
        let By { actor, note } = ByArgs::default().by();
        let (user, host) = actor.split_once('@').unwrap();
        assert!(!user.is_empty() && !host.is_empty() && host != "unknown", "{actor}");
        assert_eq!(note, None);
    }
}
