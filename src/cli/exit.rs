//! How a command ends: the exit codes of sysexits(3), so that scripts and supervisors can tell why.
//!
//! 75 asks to be started again, 78 asks for a person. A signal at which the process ends at once gives 128 and its number.

use std::process::ExitCode;

/// An exit code with a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went well.
    Ok = 0,
    /// The command line was wrong.
    Usage = 64,
    /// The input was wrong.
    DataErr = 65,
    /// An input file cannot be read.
    NoInput = 66,
    /// A server that is needed at the start is not there.
    Unavailable = 69,
    /// An invariant is broken: a bug.
    Software = 70,
    /// It cannot go on now; started again, it may.
    TempFail = 75,
    /// The configuration, or something that was set up, is wrong.
    Config = 78,
    /// Ctrl-C, where a command only watched what goes on without it.
    Interrupted = 130,
}

impl Exit {
    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_sysexits() {
        let codes = [Exit::Usage, Exit::DataErr, Exit::NoInput, Exit::Unavailable, Exit::Software, Exit::TempFail];
        assert_eq!(codes.map(Exit::code), [64, 65, 66, 69, 70, 75]);
        assert_eq!([Exit::Ok, Exit::Config, Exit::Interrupted].map(Exit::code), [0, 78, 130]);
    }
}
