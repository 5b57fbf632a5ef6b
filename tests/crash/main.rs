//! `orderstream-crash`: the program with crash points (`src/crash.rs`), for tests; no ordinary build makes it.
//!
//! It is `orderstream` in everything but that the variable of its environment makes it die, freeze or wait at one place. Alone with
//! the argument `points` it lists them.

use std::process::ExitCode;

use orderstream::crash::{Point, VARIABLE, arm};

fn main() -> ExitCode {
    if std::env::args().skip(1).eq(["points"]) {
        Point::ALL.iter().for_each(|(_, name)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    if let Ok(text) = std::env::var(VARIABLE)
        && let Err(error) = arm(&text)
    {
        eprintln!("orderstream-crash: {VARIABLE}: {error}");
        return ExitCode::from(64);
    }
    orderstream::cli::main()
}
