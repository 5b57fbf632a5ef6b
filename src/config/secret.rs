//! A value that must never be printed: a password, a key's passphrase, a URL that may hold one.
//!
//! A secret that came from a file is read again whenever it is needed, so that it can be rotated under a running process.
//! Invariant: neither `Debug` nor `Display` shows the text or its length; only `current` and `expose` hand it out, so a search
//! for them finds every place that a secret goes.

use std::fmt;

use super::secret_file;

/// What is shown in place of a secret.
pub const MASK: &str = "********";

/// A secret text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
    file: Option<String>,
}

impl Secret {
    /// Takes the text in.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), file: None }
    }

    /// The same, with the path of the file that it was read from.
    #[must_use]
    pub fn of_file(self, path: &str) -> Self {
        Self { file: Some(path.to_owned()), ..self }
    }

    /// Hands the text out as it was when the configuration was read, to be given to a client library and nobody else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Whether the text follows a file.
    #[must_use]
    pub fn may_change(&self) -> bool {
        self.file.is_some()
    }

    /// Hands the text out as its file holds it now; as it was where it came from no file, or where the file cannot be used
    /// at this moment: it may be about to be replaced.
    #[must_use]
    pub fn current(&self) -> String {
        let now = self.file.as_deref().and_then(|path| secret_file::read(path).ok());
        now.filter(|text| !text.contains(char::is_control)).unwrap_or_else(|| self.text.clone())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_printed_as_a_mask_of_fixed_length() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "******** ******** Some(********)");
        assert_eq!((secret.expose(), secret.current().as_str()), ("hunter2", "hunter2"));
    }

    #[test]
    fn a_secret_of_a_file_follows_the_file_while_that_can_be_read() {
        let path = std::env::temp_dir().join(format!("orderstream-secret-{}", uuid::Uuid::new_v4()));
        let secret = Secret::new("hunter2").of_file(path.to_str().unwrap());
        assert_eq!(secret.current(), "hunter2");
        std::fs::write(&path, "hunter3\n").unwrap();
        assert_eq!((secret.current().as_str(), secret.expose()), ("hunter3", "hunter2"));
        std::fs::write(&path, "").unwrap();
        assert_eq!(secret.current(), "hunter2");
        std::fs::remove_file(&path).unwrap();
    }
}
