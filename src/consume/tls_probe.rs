//! Why a broker's certificate is not trusted: librdkafka only says that it is not, so this shakes hands once more and asks OpenSSL.
//!
//! Only at the start, after librdkafka was refused. Nothing is sent behind the handshake.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use native_tls::{Certificate, HandshakeError, TlsConnector};

use crate::config;

const PATIENCE: Duration = Duration::from_secs(2);

/// The first broker of the list whose handshake fails, with the reason; none where each that answers is trusted.
pub fn look(kafka: &config::Kafka) -> Option<String> {
    let connector = connector(kafka)?;
    kafka.brokers.split(',').map(str::trim).find_map(|broker| {
        let (host, _) = broker.rsplit_once(':')?;
        let host = host.trim_matches(['[', ']']);
        let address = broker.to_socket_addrs().ok()?.next()?;
        let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        match connector.connect(host, stream) {
            Err(HandshakeError::Failure(error)) => {
                Some(format!("`{broker}` shows a certificate that is not trusted: {error}"))
            }
            Err(HandshakeError::WouldBlock(_)) | Ok(_) => None,
        }
    })
}

/// With the same authorities as librdkafka. Without a certificate of ours: brokers judge that later.
fn connector(kafka: &config::Kafka) -> Option<TlsConnector> {
    let mut builder = TlsConnector::builder();
    if let Some(path) = &kafka.ssl_ca_file {
        builder.disable_built_in_roots(true);
        for certificate in Certificate::stack_from_pem(&std::fs::read(path).ok()?).ok()? {
            builder.add_root_certificate(certificate);
        }
    }
    builder.build().ok()
}
