//! Who decides, about a dead letter or about a whole deployment: the name under which it is written down.
//!
//! Given with `--as`, else the user and the machine as the system tells them. It is a note for colleagues, not a proof.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::persist::letters::By;

/// The option that says who.
#[derive(Clone, Debug, Default, Args)]
pub struct ByArgs {
    /// Who does it, as it is written down [default: $USER@hostname].
    #[arg(long = "as", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub actor: Option<String>,
}

impl ByArgs {
    /// Who does it, and why.
    pub fn by(&self, note: Option<&str>) -> By {
        let actor = self.actor.clone().unwrap_or_else(|| {
            let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
            let user = user.filter(|user| !user.is_empty()).unwrap_or_else(|| "unknown".to_owned());
            format!("{user}@{}", hostname())
        });
        By { actor, note: note.map(str::to_owned) }
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
        let by = ByArgs { actor: Some("on-call".to_owned()) }.by(Some("INC-1"));
        assert_eq!(by, By { actor: "on-call".to_owned(), note: Some("INC-1".to_owned()) });
    }

    #[test]
    fn whoever_does_not_is_somebody_on_this_machine() {
        let By { actor, note } = ByArgs::default().by(None);
        let (user, host) = actor.split_once('@').unwrap();
        assert!(!user.is_empty() && !host.is_empty() && host != "unknown", "{actor}");
        assert_eq!(note, None);
    }
}
