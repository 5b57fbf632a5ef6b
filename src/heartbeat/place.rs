//! Where heartbeats lie: a file a worker in `worker.heartbeat_directory`, or else in the system's directory for temporary files.
//!
//! A worker with a `kafka.instance` has its name in the file's, any other its process's number, so that two on one machine do not
//! collide. Invariant: a file is there as a whole or not at all, and what stands under its name is never followed elsewhere.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Heartbeat;
use crate::config::Config;

const ENDING: &str = ".heartbeat";

/// Where the heartbeats of one group's workers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    directory: PathBuf,
    /// What the names of all of them begin with.
    prefix: String,
    instance: Option<String>,
}

impl Place {
    /// The place that a configuration names.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
        let group: String = config.kafka.group.chars().map(legal).take(128).collect();
        Self {
            directory: config.worker.heartbeat_directory.clone().unwrap_or_else(std::env::temp_dir),
            prefix: format!("orderstream-{group}@"),
            instance: config.kafka.instance.clone(),
        }
    }

    /// The file of a worker: of the one that is configured with this instance, else of this process.
    #[must_use]
    pub fn file(&self, pid: u32) -> PathBuf {
        let name = self.instance.clone().unwrap_or_else(|| pid.to_string());
        self.directory.join(format!("{}{name}{ENDING}", self.prefix))
    }

    /// Finds the heartbeat to look at: the instance's, the process's, or the only one of a process that lives.
    ///
    /// # Errors
    /// There is none, or several, as a sentence.
    pub fn find(&self, pid: Option<u32>) -> Result<Heartbeat, String> {
        if self.instance.is_some() || pid.is_some() {
            let path = self.file(pid.unwrap_or_default());
            return read(&path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => nobody(&path),
                _ => format!("the heartbeat `{}` cannot be read: {error}", path.display()),
            });
        }
        let mut found: Vec<Heartbeat> = self.files().iter().filter_map(|path| read(path).ok()).collect();
        if found.iter().any(|beat| lives(beat.pid)) {
            found.retain(|beat| lives(beat.pid));
        }
        found.sort_by_key(|beat| beat.written_at_ms);
        match found.as_slice() {
            [.., first, second] if lives(first.pid) => Err(format!(
                "several workers of this group write heartbeats here (pids {} and {} among them): say which with --pid, or give each a kafka.instance",
                first.pid, second.pid
            )),
            // Of those that are gone, the last one says most.
            [.., last] => Ok(last.clone()),
            [] => Err(nobody(&self.directory)),
        }
    }

    /// Removes what workers left here that were killed and had no instance.
    pub fn sweep(&self) {
        for path in self.files() {
            if read(&path).is_ok_and(|beat| !lives(beat.pid)) {
                _ = fs::remove_file(path);
            }
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().filter_map(Result::ok);
        let ours = entries.filter(|entry| {
            let name = entry.file_name();
            name.to_str().is_some_and(|name| name.starts_with(&self.prefix) && name.ends_with(ENDING))
        });
        ours.map(|entry| entry.path()).collect()
    }
}

fn nobody(path: &Path) -> String {
    format!(
        "there is no heartbeat at `{}`: no worker of this group runs here, or it looks at another worker.heartbeat_directory",
        path.display()
    )
}

fn read(path: &Path) -> io::Result<Heartbeat> {
    serde_json::from_slice(&fs::read(path)?).map_err(io::Error::from)
}

/// Puts a heartbeat in the place of the one before.
///
/// # Errors
/// The system's refusal.
pub fn write(path: &Path, heartbeat: &Heartbeat) -> io::Result<()> {
    let text = serde_json::to_vec(heartbeat).map_err(io::Error::from)?;
    let fresh = path.with_extension(format!("{}.new", heartbeat.pid));
    // Whatever stands there, a link to somewhere else perhaps, is not opened.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).open(&fresh)?;
    file.write_all(&text)?;
    fs::rename(&fresh, path)
}

/// Whether there is a process of this number, of whomever.
fn lives(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    // SAFETY: signal 0 is sent to nobody; the call only looks.
    let found = unsafe { libc::kill(pid, 0) } == 0;
    found || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::config::Environment;

    /// More than any system gives to a process.
    const NOBODY: u32 = 1 << 30;

    fn place(instance: &str) -> Place {
        let directory = std::env::temp_dir().join(format!("orderstream-heartbeats-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&directory).expect("a directory");
        let text = format!(
            "[kafka]\nbrokers = \"b:1\"\ngroup = \"my orders\"\n{instance}[registry]\nurl = \"http://r\"\n[database]\nurl = \"postgres://d/d\"\n\
             [worker]\nheartbeat_directory = \"{}\"\n",
            directory.display()
        );
        Place::of(&Config::read(Some(("o.toml", &text)), &Environment::default()).expect("a configuration"))
    }

    fn beat(pid: u32, written_at_ms: u64) -> Heartbeat {
        Heartbeat {
            version: "0.1.0".to_owned(),
            pid,
            written_at_ms,
            state: State::Running,
            has_started: true,
            is_assigned: true,
            stopping: None,
            parts: Vec::new(),
            lanes: Vec::new(),
        }
    }

    #[test]
    fn the_only_worker_that_lives_is_found_without_its_name_and_what_others_left_is_swept() {
        let (place, ours) = (place(""), std::process::id());
        assert!(place.find(None).unwrap_err().contains("no heartbeat"));
        write(&place.file(NOBODY), &beat(NOBODY, 5)).expect("it is written");
        assert_eq!(place.find(None).map(|beat| beat.pid), Ok(NOBODY), "it says how long ago");
        write(&place.file(ours), &beat(ours, 1)).expect("it is written");
        assert_eq!(place.find(None).map(|beat| beat.pid), Ok(ours));
        place.sweep();
        assert!(!place.file(NOBODY).exists() && place.file(ours).exists());
        // A second one that lives: the process that started us all.
        write(&place.file(1), &beat(1, 7)).expect("it is written");
        assert!(place.find(None).unwrap_err().contains("--pid"));
        assert_eq!(place.find(Some(1)).map(|beat| beat.pid), Ok(1));
        fs::remove_dir_all(&place.directory).expect("it was ours");
    }

    #[test]
    fn a_worker_with_a_name_has_its_file_under_it_and_a_later_one_replaces_it() {
        let place = place("instance = \"worker-1\"\n");
        let path = place.file(1);
        assert!(path.ends_with("orderstream-my_orders@worker-1.heartbeat"), "{}", path.display());
        write(&path, &beat(1, 5)).and_then(|()| write(&path, &beat(2, 6))).expect("it is written");
        assert_eq!(place.find(None).map(|beat| beat.pid), Ok(2));
        assert_eq!(place.files().len(), 1, "nothing else is left");
        fs::remove_dir_all(&place.directory).expect("it was ours");
    }

    #[test]
    fn a_link_that_somebody_put_in_the_way_is_replaced_and_not_followed() {
        let place = place("");
        let (path, precious) = (place.file(1), place.directory.join("precious"));
        fs::write(&precious, "mine").expect("it is written");
        std::os::unix::fs::symlink(&precious, &path).expect("a link");
        std::os::unix::fs::symlink(&precious, path.with_extension("1.new")).expect("a link");
        write(&path, &beat(1, 5)).expect("it is written");
        assert_eq!(fs::read_to_string(&precious).expect("it is there"), "mine");
        assert_eq!(read(&path).expect("a heartbeat").pid, 1);
        fs::remove_dir_all(&place.directory).expect("it was ours");
    }
}
