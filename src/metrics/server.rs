//! The only port: `GET` and `HEAD /metrics`, 404 on every other path, 405 for every other method.
//!
//! One request a connection, a bounded number of connections, and a deadline for each, so that neither a slow nor a silent
//! client can hold more than its place for a few seconds. Nothing that a client sends is believed or kept.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a client may take.
#[derive(Clone, Copy)]
struct Limits {
    /// Connections served at once; the next ones wait in the kernel's queue.
    connections: usize,
    /// How long a client may take to send its request's head.
    head: Duration,
    /// How long a connection may last, reading and writing together.
    whole: Duration,
}

const LIMITS: Limits = Limits { connections: 32, head: Duration::from_secs(5), whole: Duration::from_secs(10) };
/// Enough for any request that we answer.
const BUFFER_BYTES: usize = 16 << 10;
/// How often histograms are tidied between scrapes, so that memory stays flat when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(1);
/// The pause after a failed accept: without file descriptors the next one fails as well.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves the metrics until `stop` resolves; then closes the port at once.
pub async fn serve(listener: TcpListener, handle: PrometheusHandle, stop: impl Future<Output = ()>) {
    serve_within(LIMITS, listener, handle, stop).await;
}

async fn serve_within(limits: Limits, listener: TcpListener, handle: PrometheusHandle, stop: impl Future<Output = ()>) {
    let mut connections = JoinSet::new();
    let mut upkeep = tokio::time::interval(UPKEEP);
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = upkeep.tick() => handle.run_upkeep(),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < limits.connections => match accepted {
                Ok((stream, _)) => _ = connections.spawn(answer(limits, stream, handle.clone())),
                Err(error) => {
                    tracing::warn!(%error, "the metrics port cannot take a connection: raise the limit of open files");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn answer(limits: Limits, stream: TcpStream, handle: PrometheusHandle) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let response = respond(request.method(), request.uri().path(), || super::render(&handle));
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .keep_alive(false)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // A client that breaks off or is too slow has no fate of ours to decide.
    let _ = tokio::time::timeout(limits.whole, connection).await;
}

fn respond(method: &Method, path: &str, render: impl Fn() -> String) -> Response<Full<Bytes>> {
    let (status, header, body) = match (path, method) {
        ("/metrics", &Method::GET | &Method::HEAD) => (StatusCode::OK, (CONTENT_TYPE, TEXT_FORMAT), render()),
        ("/metrics", _) => (StatusCode::METHOD_NOT_ALLOWED, (ALLOW, "GET, HEAD"), String::new()),
        _ => (StatusCode::NOT_FOUND, (CONTENT_TYPE, "text/plain"), "only /metrics is served here\n".to_owned()),
    };
    Response::builder()
        .status(status)
        .header(header.0, header.1)
        .body(Full::new(Bytes::from(body)))
        .expect("status and header are constants that HTTP knows")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream as Client};
    use std::time::Instant;

    use tokio::sync::oneshot;

    use super::*;

    /// A server on a free port; it stops when the sender is dropped.
    async fn start(limits: Limits) -> (SocketAddr, oneshot::Sender<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (alive, dropped) = oneshot::channel::<()>();
        tokio::spawn(serve_within(limits, listener, crate::metrics::install(), async { _ = dropped.await }));
        (address, alive)
    }

    /// Sends bytes and reads until the server hangs up, which it may do before it has taken everything.
    async fn send(address: SocketAddr, request: String) -> String {
        let exchange = move || {
            let mut client = Client::connect(address).unwrap();
            let mut answer = Vec::new();
            _ = client.write_all(request.as_bytes());
            _ = client.read_to_end(&mut answer);
            String::from_utf8_lossy(&answer).into_owned()
        };
        tokio::task::spawn_blocking(exchange).await.unwrap()
    }

    async fn ask(address: SocketAddr, method: &str, path: &str) -> String {
        send(address, format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")).await
    }

    #[tokio::test]
    async fn get_and_head_are_answered_on_one_path() {
        let (address, _alive) = start(LIMITS).await;
        let get = ask(address, "GET", "/metrics").await;
        let (head, body) = get.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{head}");
        assert!(body.contains("# TYPE orderstream_batches_total counter\n"));

        let head = ask(address, "HEAD", "/metrics").await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(ask(address, "GET", "/metrics?name=x").await.starts_with("HTTP/1.1 200 "));
        assert!(send(address, "GET /metrics HTTP/1.0\r\n\r\n".to_owned()).await.contains(" 200 OK\r\n"));
    }

    #[tokio::test]
    async fn other_methods_are_not_allowed_and_other_paths_not_found() {
        let (address, _alive) = start(LIMITS).await;
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
            let answer = ask(address, method, "/metrics").await;
            assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD\r\n"), "{answer}");
        }
        for path in ["/", "/health", "/metrics/", "/Metrics", "//metrics", "/metrics/../x", "/%6detrics"] {
            for method in ["GET", "HEAD", "POST"] {
                let answer = ask(address, method, path).await;
                assert!(answer.starts_with("HTTP/1.1 404 "), "{method} {path}: {answer}");
            }
        }
    }

    #[tokio::test]
    async fn nonsense_and_a_head_without_end_are_refused() {
        let (address, _alive) = start(LIMITS).await;
        assert!(send(address, "\0\u{1}nonsense\r\n\r\n".to_owned()).await.starts_with("HTTP/1.1 400 "));
        let endless = format!("GET /metrics HTTP/1.1\r\nX: {}", "y".repeat(BUFFER_BYTES * 4));
        assert!(!send(address, endless).await.contains(" 200 OK"));
        assert!(ask(address, "GET", "/metrics").await.contains(" 200 OK"));
    }

    #[tokio::test]
    async fn silent_clients_lose_their_places_to_those_who_ask() {
        let short = Duration::from_millis(100);
        let (address, _alive) = start(Limits { connections: 2, head: short, whole: short * 2 }).await;
        let silent: Vec<Client> = (0..6).map(|_| Client::connect(address).unwrap()).collect();
        assert!(ask(address, "GET", "/metrics").await.contains(" 200 OK"));
        drop(silent);
    }

    #[tokio::test]
    async fn a_client_that_never_reads_is_dropped() {
        let short = Duration::from_millis(100);
        let (address, _alive) = start(Limits { connections: 1, head: short, whole: short * 2 }).await;
        let mut deaf = Client::connect(address).unwrap();
        deaf.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert!(ask(address, "GET", "/metrics").await.contains(" 200 OK"));
    }

    #[tokio::test]
    async fn stopping_closes_the_port() {
        let (address, alive) = start(LIMITS).await;
        drop(alive);
        let deadline = Instant::now() + Duration::from_secs(10);
        while Client::connect(address).is_ok() {
            assert!(Instant::now() < deadline, "the port is still open");
            tokio::task::yield_now().await;
        }
    }
}
