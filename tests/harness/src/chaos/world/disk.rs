//! A small disk of its own for whoever shall find it full: a tmpfs, which only root can mount.
//!
//! Where nobody lets us mount, there is none, and a fault that needs one says that it could not take place. Invariant: what was mounted
//! is unmounted when its value is dropped, and also when this process is killed: a child of its own sees to that.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

const BALLAST: &str = "ballast";
/// Ends when nobody holds the other end of its standard input any more. Lazily, since a process that was killed may still be ending
/// there; and not by the Ctrl-C that is meant for us.
const KEEP: &str = "trap '' INT TERM HUP; read -r _; exec umount --lazy -- \"$0\"";
/// For how long after it was full a disk's users may still suffer from it.
const AFTERMATH: Duration = Duration::from_secs(10);

/// A mounted disk.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    keeper: Child,
    full: bool,
    emptied: Option<Instant>,
}

impl Disk {
    /// Mounts a disk of so many MiB at a directory, which is made.
    ///
    /// # Errors
    /// We are not root, or a container forbids it.
    pub fn mount(path: &Path, mib: u64) -> Result<Self> {
        std::fs::create_dir_all(path)?;
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={mib}m,mode=755"), "tmpfs"]).arg(path))?;
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEP]).arg(path).current_dir("/").process_group(0);
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let keeper = keeper.spawn().inspect_err(|_| _ = unmount(path)).context("`sh` cannot be started")?;
        Ok(Self { path: path.to_owned(), keeper, full: false, emptied: None })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills it to its last byte. Returns how many bytes that took.
    ///
    /// # Errors
    /// It still takes more.
    pub fn fill(&mut self) -> Result<u64> {
        (self.full, self.emptied) = (true, None);
        let mut ballast = File::options().create(true).append(true).open(self.path.join(BALLAST))?;
        for size in [1 << 20, 1 << 12, 1] {
            let piece = vec![0; size];
            while ballast.write_all(&piece).is_ok() {}
        }
        let took = ballast.metadata()?.len();
        match ballast.write(&[0]) {
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => Ok(took),
            other => bail!("a full disk answers a write with {other:?}"),
        }
    }

    /// Makes room again.
    ///
    /// # Errors
    /// The ballast cannot be removed.
    pub fn empty(&mut self) -> Result<()> {
        (self.full, self.emptied) = (false, Some(Instant::now()));
        std::fs::remove_file(self.path.join(BALLAST)).context("the ballast cannot be removed")
    }

    /// Whether it is full, or was a moment ago.
    #[must_use]
    pub fn was_full(&self) -> bool {
        self.full || self.emptied.is_some_and(|at| at.elapsed() < AFTERMATH)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        _ = self.keeper.wait();
    }
}

/// An empty directory, whatever an earlier run left there, mounted or not.
pub(super) fn emptied(directory: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(directory).with_context(|| format!("`{}` cannot be made", directory.display()))?;
    let directory = directory.canonicalize()?;
    let mounts = std::fs::read_to_string("/proc/mounts")?;
    let mounted = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(Path::new);
    for left in mounted.filter(|path| path.starts_with(&directory)) {
        unmount(left)?;
    }
    std::fs::remove_dir_all(&directory).with_context(|| format!("`{}` cannot be emptied", directory.display()))?;
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

fn unmount(path: &Path) -> Result<()> {
    run(Command::new("umount").arg("--lazy").arg(path))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.trim());
    Ok(())
}
