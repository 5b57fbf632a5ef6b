//! A worker's wall clock, which can jump while it runs: libfaketime reads how far it is off from a file.
//!
//! The monotonic clock stays the kernel's, as it does on a machine whose clock is set. Invariant: a worker without a fault has the right
//! time.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A clock of one worker.
#[derive(Clone, Debug)]
pub struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    /// A clock that is right. None where Debian's package `faketime` is not installed.
    ///
    /// # Errors
    /// Its file cannot be written.
    pub fn new(file: &Path) -> Result<Option<Self>> {
        let Some(library) = library() else { return Ok(None) };
        let clock = Self { file: file.to_owned(), library };
        clock.set(0)?;
        Ok(Some(clock))
    }

    /// Lets it be so many seconds ahead, or behind; it is read again within a second.
    ///
    /// # Errors
    /// Its file cannot be written.
    pub fn set(&self, seconds: i64) -> Result<()> {
        // Whole or not at all: a reader may come at any moment.
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}\n"))?;
        std::fs::rename(&new, &self.file).context("a clock cannot be set")
    }

    /// The words before a program that has this clock.
    #[must_use]
    pub fn words(&self) -> Vec<OsString> {
        let mut words = vec![OsString::from("env")];
        for (name, value) in [
            ("LD_PRELOAD", self.library.as_os_str()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.as_os_str()),
            ("FAKETIME_CACHE_DURATION", "1".as_ref()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".as_ref()),
            ("FAKETIME_DONT_RESET", "1".as_ref()),
        ] {
            let mut word = OsString::from(format!("{name}="));
            word.push(value);
            words.push(word);
        }
        words
    }

    /// How far the clock of the file's readers is off, asked of a process of its own.
    ///
    /// # Errors
    /// `date` cannot be run.
    pub fn reads(&self) -> Result<i64> {
        let words = self.words();
        let output = std::process::Command::new(&words[0]).args(&words[1..]).args(["date", "+%s"]).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let Ok(seconds) = said.trim().parse::<i64>() else { bail!("`date` says `{}`", said.trim()) };
        Ok(seconds - jiff::Timestamp::now().as_second())
    }
}

/// The library for programs with threads, wherever the machine's architecture has it.
fn library() -> Option<PathBuf> {
    let directories = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let mut places = directories.map(|directory| directory.path().join("faketime/libfaketimeMT.so.1"));
    places.find(|place| place.exists())
}
