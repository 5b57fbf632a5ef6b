//! Colours are for a terminal: in a pipe, and where `NO_COLOR` is set, no answer holds a byte that steers one.
//!
//! The terminal is a real one, the far end of a pseudo-terminal, so that the silence in a pipe is no accident.

use std::ffi::CStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};

use super::events::captured;
use super::stage::{GOODBYE, Stage};

const ESCAPE: char = '\x1b';

/// A pseudo-terminal: our end, and the end that a program takes for a terminal. No process inherits either by chance.
fn terminal() -> (File, File) {
    // SAFETY: the call takes flags only.
    let descriptor = unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC) };
    assert!(descriptor >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the descriptor is open and nobody else's.
    let ours = unsafe { File::from_raw_fd(descriptor) };
    let size = libc::winsize { ws_row: 40, ws_col: 160, ws_xpixel: 0, ws_ypixel: 0 };
    let mut name = [0_u8; 128];
    // SAFETY: the descriptor is that of a pseudo-terminal, the size lives on, and the buffer is as long as is said.
    let is_named = unsafe {
        libc::ioctl(ours.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) == 0
            && libc::grantpt(ours.as_raw_fd()) == 0
            && libc::unlockpt(ours.as_raw_fd()) == 0
            && libc::ptsname_r(ours.as_raw_fd(), name.as_mut_ptr().cast(), name.len()) == 0
    };
    assert!(is_named, "{}", std::io::Error::last_os_error());
    let name = CStr::from_bytes_until_nul(&name).expect("it ends").to_str().expect("a path in ASCII");
    let theirs = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(name).expect("its other end");
    (ours, theirs)
}

/// In an environment of its own: the one around may set what the configuration says.
fn command(stage: &Stage, arguments: &[&str], no_color: Option<&str>) -> Command {
    let mut command = Command::new(stage.program.path());
    command.args(arguments).arg("--config").arg(stage.config_path()).env_clear().stdin(Stdio::null());
    command.envs(no_color.map(|value| ("NO_COLOR", value)));
    command
}

/// What a command says on standard output, which is a terminal.
fn on_a_terminal(stage: &Stage, arguments: &[&str], no_color: Option<&str>) -> String {
    let (mut ours, theirs) = terminal();
    let mut child = {
        let mut command = command(stage, arguments, no_color);
        command.stdout(theirs).stderr(Stdio::null()).spawn().expect("it starts")
    };
    let mut said = Vec::new();
    // Once nobody has the other end any more, reading ends with EIO.
    let ended = ours.read_to_end(&mut said);
    assert!(ended.as_ref().map_or_else(|error| error.raw_os_error() == Some(libc::EIO), |_| true), "{ended:?}");
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{arguments:?}");
    String::from_utf8(said).expect("text")
}

#[tokio::test]
async fn answers_are_coloured_on_a_terminal_and_neither_in_a_pipe_nor_where_nobody_wants_it() {
    let stage = Stage::new("terminal", 1).await;
    let worker = stage.worker("w");
    let mut producer = stage.producer().await;
    producer.send_json(&captured("ord-1", "cap-1")).expect("sent");
    producer.flush().expect("kafka has it");
    stage.all_published().await;
    worker.stop(GOODBYE).await.expect("a good end");

    for arguments in [&["check"][..], &["tap", "--until-end"], &["order", "show", "ord-1"]] {
        let piped = command(&stage, arguments, None).output().expect("it starts");
        let said = String::from_utf8([piped.stdout, piped.stderr].concat()).expect("text");
        assert_eq!(piped.status.code(), Some(0), "{arguments:?}: {said}");
        assert!(said.lines().count() > 1 && !said.contains(ESCAPE), "{arguments:?}: {said:?}");
        for (no_color, is_coloured) in [(None, true), (Some(""), true), (Some("1"), false)] {
            let said = on_a_terminal(&stage, arguments, no_color);
            assert_eq!(said.contains(ESCAPE), is_coloured, "{arguments:?}, NO_COLOR {no_color:?}: {said:?}");
        }
    }
    stage.check().await;
    stage.strike().await;
}
