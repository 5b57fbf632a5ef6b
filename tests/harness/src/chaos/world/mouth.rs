//! What the registry says to workers: the truth, the truth late, or nonsense.
//!
//! Stands before the registry and speaks HTTP for it. It never denies an id that there is, and never gives the schema of another one:
//! no client could tell that from the truth. Invariant: who goes around it hears the truth.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;

const JSON: &str = "application/vnd.schemaregistry.v1+json";
/// What it babbles, in turn.
const NONSENSE: [(u16, &str); 7] = [
    (200, "<html><body>It works!</body></html>"),
    (200, r#"{"schema": "{\"type\": \"record\", \"name\": \"Pay"#),
    (200, r#"{"schema": "no schema at all"}"#),
    (200, "{}"),
    (200, ""),
    (500, r#"{"error_code": 50001, "message": "Error in the backend data store"}"#),
    (503, "no healthy upstream"),
];

/// How the registry answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As it is.
    Honest,
    /// After so long.
    Late(Duration),
    /// With what nobody can read, or with errors.
    Babbling,
}

/// The registry's mouth.
#[derive(Debug)]
pub struct Mouth {
    url: String,
    common: Arc<Common>,
    _ends: watch::Sender<()>,
}

#[derive(Debug)]
struct Common {
    server: String,
    http: reqwest::Client,
    manner: Mutex<Manner>,
    /// Answers that were late or nonsense.
    distorted: AtomicU64,
    /// Questions that the registry behind did not answer.
    unanswered: AtomicU64,
}

impl Mouth {
    pub(super) fn before(registry: &str) -> Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
        listener.set_nonblocking(true)?;
        let authority = listener.local_addr()?;
        let real = reqwest::Url::parse(registry).context("the registry's URL cannot be read")?;
        let (server, path) = (real.origin().ascii_serialization(), real.path().trim_end_matches('/'));
        let common = Arc::new(Common {
            server,
            http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build()?,
            manner: Mutex::new(Manner::Honest),
            distorted: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
        });
        let (ends, ended) = watch::channel(());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = {
            let common = common.clone();
            move || runtime.block_on(serve(listener, common, ended))
        };
        std::thread::Builder::new().name("registry's mouth".to_owned()).spawn(work)?;
        Ok(Self { url: format!("http://{authority}{path}"), common, _ends: ends })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets it answer otherwise from now on.
    pub fn speak(&self, manner: Manner) {
        *self.common.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// How many answers were late or nonsense.
    #[must_use]
    pub fn distorted(&self) -> u64 {
        self.common.distorted.load(Ordering::Relaxed)
    }

    /// How many questions the registry behind did not answer.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        self.common.unanswered.load(Ordering::Relaxed)
    }
}

async fn serve(listener: std::net::TcpListener, common: Arc<Common>, mut ended: watch::Receiver<()>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = ended.changed() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let common = common.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| common.answer(request));
            // A client that breaks off is its own affair.
            _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Common {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let manner = *self.manner.lock().unwrap_or_else(PoisonError::into_inner);
        match manner {
            Manner::Honest => {}
            Manner::Late(by) => {
                self.distorted.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(by).await;
            }
            Manner::Babbling => {
                let turn = usize::try_from(self.distorted.fetch_add(1, Ordering::Relaxed)).unwrap_or(0);
                let (status, body) = NONSENSE[turn % NONSENSE.len()];
                let status = StatusCode::from_u16(status).expect("a status of the list");
                return Ok(response(status, Bytes::from_static(body.as_bytes())));
            }
        }
        Ok(self.forward(request).await.unwrap_or_else(|error| {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
            response(StatusCode::BAD_GATEWAY, format!("the registry behind does not answer: {error:#}").into())
        }))
    }

    async fn forward(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("", |path| path.as_str());
        let body = body.collect().await?.to_bytes();
        let forwarded = self.http.request(head.method, format!("{}{path}", self.server));
        let answer = forwarded.header("content-type", JSON).body(body).send().await?;
        let status = answer.status();
        Ok(response(status, answer.bytes().await?))
    }
}

fn response(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header("content-type", JSON).body(Full::new(body));
    response.expect("a status and one header are a response")
}
