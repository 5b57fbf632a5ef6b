//! A TLS front of a server that speaks plain HTTP, as a reverse proxy is one: its own certificate, and a password where it asks for one.
//!
//! One thread a connection. Invariant: without the right password nothing reaches the server behind.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::X509;

use crate::certificates::Issued;

const PATIENCE: Duration = Duration::from_secs(10);
const REQUEST_MAX_BYTES: usize = 1 << 20;

/// A front; it ends when this is dropped.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
    authorization: Arc<Mutex<Option<String>>>,
    ended: Arc<AtomicBool>,
}

impl TlsFront {
    /// A front with this certificate before a port of this machine; `authorization` is what requests must bring in that header.
    ///
    /// # Errors
    /// The certificate cannot be used, or no port is free.
    pub fn before(port: u16, issued: &Issued, authorization: Option<String>) -> Result<Self> {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        acceptor.set_certificate(&*X509::from_pem(issued.certificate.as_bytes())?)?;
        acceptor.set_private_key(&*PKey::private_key_from_pem(issued.key.as_bytes())?)?;
        let acceptor = Arc::new(acceptor.build());
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let authorization = Arc::new(Mutex::new(authorization));
        let front =
            Self { address: listener.local_addr()?, authorization: authorization.clone(), ended: Arc::default() };
        let ended = front.ended.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let wanted = authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let acceptor = acceptor.clone();
                std::thread::spawn(move || serve(&acceptor, stream, port, wanted.as_deref()));
            }
        });
        Ok(front)
    }

    /// What requests must bring in the header `authorization` from now on.
    pub fn set_authorization(&self, authorization: String) {
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(authorization);
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        _ = TcpStream::connect(self.address);
    }
}

/// Answers one request; whatever fails ends the connection.
fn serve(acceptor: &SslAcceptor, stream: TcpStream, port: u16, authorization: Option<&str>) -> Option<()> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut client = acceptor.accept(stream).ok()?;
    let mut request = Vec::new();
    let (head, length) = loop {
        let mut piece = [0; 8192];
        let read = client.read(&mut piece).ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some(end) = text.find("\r\n\r\n") {
            let value = |name: &str| {
                text[..end].lines().find_map(|line| {
                    let (key, value) = line.split_once(':')?;
                    key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
                })
            };
            if authorization.is_some_and(|wanted| value("authorization").as_deref() != Some(wanted)) {
                let refusal = b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                client.write_all(refusal).ok()?;
                _ = client.shutdown();
                return None;
            }
            break (end + 4, value("content-length").and_then(|length| length.parse::<usize>().ok()).unwrap_or(0));
        }
        if request.len() > REQUEST_MAX_BYTES {
            return None;
        }
    };
    while request.len() < head + length {
        let mut piece = [0; 8192];
        let read = client.read(&mut piece).ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&piece[..read]);
    }
    // One request a connection keeps this simple.
    let line = request.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let mut server = TcpStream::connect(("127.0.0.1", port)).ok()?;
    server.set_read_timeout(Some(PATIENCE)).ok()?;
    server.write_all(&[&request[..line], b"connection: close\r\n", &request[line..]].concat()).ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).ok()?;
    client.write_all(&answer).ok()?;
    _ = client.shutdown();
    Some(())
}
