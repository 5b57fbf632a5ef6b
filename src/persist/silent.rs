//! A database that lets everybody in and says nothing after that, for tests of what waits for one.
//!
//! Stands before the path of a test: a listener that speaks the first words of the protocol. Invariant: no session of it is closed
//! while the test runs, so that only a limit ends a wait.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::config::{Config, Environment};

/// "You are who you say", and "ready for a query".
const WELCOME: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

/// Starts one, and returns a configuration that points to it.
pub fn config() -> Config {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the system has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        let mut sessions = Vec::new();
        while let Ok((mut session, _)) = listener.accept() {
            let greeted = session.read(&mut [0; 1024]).and_then(|_| session.write_all(WELCOME));
            sessions.extend(greeted.is_ok().then_some(session));
        }
    });
    config_at(port)
}

/// A configuration that points to a database at this port of the machine, whoever listens there.
pub fn config_at(port: u16) -> Config {
    let text = format!(
        "[kafka]\nbrokers = \"b:1\"\n[registry]\nurl = \"http://r\"\n[database]\nurl = \"postgres://u@127.0.0.1:{port}/d?sslmode=disable\"\n"
    );
    Config::read(Some(("o.toml", &text)), &Environment::default()).expect("the text is a configuration")
}
