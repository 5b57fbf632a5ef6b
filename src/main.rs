//! The program: everything is in the library, so that tests can reach it. Start reading at `lib.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    orderstream::cli::main()
}
