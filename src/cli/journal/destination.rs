//! Where an export goes: standard output, or a file that appears only when it is complete.
//!
//! A file is written under another name beside its place and renamed at the end. Invariant: whoever finds the file finds all of it;
//! an export that fails leaves what was there before.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

/// An open destination.
pub(super) enum Destination {
    /// Standard output.
    Stdout(BufWriter<Stdout>),
    /// A pipe or a device that is there: nothing can be put in its place.
    Device(BufWriter<File>),
    /// A file on its way.
    File(Partial),
}

/// A file under its temporary name; removed unless it is finished.
pub(super) struct Partial {
    file: BufWriter<File>,
    written: PathBuf,
    place: PathBuf,
}

impl Destination {
    /// Opens the file's temporary form, or standard output when there is no path. A link leads to the file it names; what is
    /// there and no file, such as a named pipe, is written as it is.
    ///
    /// # Errors
    /// What keeps the file from being made.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else { return Ok(Self::Stdout(BufWriter::new(io::stdout()))) };
        let place = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if place.exists() && !place.is_file() {
            return Ok(Self::Device(BufWriter::new(File::options().write(true).open(place)?)));
        }
        let name = place.file_name().ok_or_else(|| io::Error::other("it has no file name"))?;
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}.partial", std::process::id()));
        let written = place.with_file_name(temporary);
        let file = BufWriter::new(File::create_new(&written)?);
        Ok(Self::File(Partial { file, written, place }))
    }

    /// Ends it: everything is on the disk, and the file in its place.
    ///
    /// # Errors
    /// What keeps the rest from being written.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Stdout(mut out) => out.flush(),
            Self::Device(mut out) => out.flush(),
            Self::File(mut partial) => {
                partial.file.flush()?;
                partial.file.get_ref().sync_all()?;
                std::fs::rename(&partial.written, &partial.place)
            }
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After the rename there is nothing under that name any more.
        _ = std::fs::remove_file(&self.written);
    }
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::Device(out) => out.write(bytes),
            Self::File(partial) => partial.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::Device(out) => out.flush(),
            Self::File(partial) => partial.file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of the test's own, gone when it ends.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("orderstream-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = std::fs::read_dir(&self.0).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_appears_when_it_is_complete_and_not_before() {
        let directory = Directory::new("export-complete");
        let path = directory.0.join("out.jsonl");
        std::fs::write(&path, "before").unwrap();
        let mut out = Destination::open(Some(&path)).unwrap();
        out.write_all(b"after").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
        out.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(directory.names(), ["out.jsonl"]);
    }

    #[test]
    fn an_export_that_is_given_up_leaves_nothing() {
        let directory = Directory::new("export-given-up");
        let mut out = Destination::open(Some(&directory.0.join("out.jsonl"))).unwrap();
        out.write_all(b"half").unwrap();
        drop(out);
        assert!(directory.names().is_empty());
    }

    #[test]
    fn a_link_leads_to_its_file_and_a_directory_or_a_device_stays_what_it_is() {
        let directory = Directory::new("export-link");
        let (file, link) = (directory.0.join("file"), directory.0.join("link"));
        std::fs::write(&file, "before").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut out = Destination::open(Some(&link)).unwrap();
        out.write_all(b"after").unwrap();
        out.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "after");
        assert!(link.is_symlink());
        assert!(matches!(Destination::open(Some(Path::new("/dev/null"))), Ok(Destination::Device(_))));
        assert!(Destination::open(Some(&directory.0)).is_err());
        assert!(Destination::open(Some(Path::new("/"))).is_err());
    }
}
