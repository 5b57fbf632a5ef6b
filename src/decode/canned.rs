//! A schema registry made of canned answers, for the tests of this folder: one answer per call, in order, then none.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::Access;
use super::registry::Registry;

/// What the registry sends.
#[derive(Clone, Debug)]
pub enum Sent {
    /// A status and a body.
    Answer(u16, String),
    /// Nothing: the connection stays open and silent.
    Silence,
}

/// The registry's answer with a schema.
pub fn schema(schema: &Value) -> Sent {
    Sent::Answer(200, json!({ "schema": schema.to_string() }).to_string())
}

/// The registry's answer to an id that it does not know.
pub fn unknown() -> Sent {
    Sent::Answer(404, json!({ "error_code": 40_403, "message": "Schema not found" }).to_string())
}

/// Starts the registry; the counter tells how many calls came.
pub fn registry(answers: Vec<Sent>) -> (Registry, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("a bound port"));
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            counter.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]).expect("a request");
            match answer {
                Sent::Answer(status, body) => {
                    let length = body.len();
                    let head = format!("HTTP/1.1 {status} S\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                    stream.write_all((head + &body).as_bytes()).expect("a reader");
                }
                Sent::Silence => silent.push(stream),
            }
        }
    });
    let registry = Registry::new(Access::to(&url, Duration::from_millis(300))).expect("a usable URL");
    (registry, calls)
}
