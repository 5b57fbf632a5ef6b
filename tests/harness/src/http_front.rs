//! An HTTP server of our own before a registry: answers some questions itself, and has the registry behind answer the others.
//!
//! On a thread of its own, one for each front. Invariant: gone, with its connections, when it is dropped; and who goes around it hears
//! the registry itself.

use std::convert::Infallible;
use std::sync::Arc;
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
/// How long the registry behind may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer of a front.
pub type Answer = Response<Full<Bytes>>;

/// Who decides what is answered.
pub trait Answering: Send + Sync + 'static {
    /// The answer to a question.
    fn answer(&self, request: Request<Incoming>, behind: &Behind) -> impl Future<Output = Answer> + Send;
}

/// A server that listens.
#[derive(Debug)]
pub struct HttpFront {
    url: String,
    _ends: watch::Sender<()>,
}

impl HttpFront {
    /// A front before the registry at this base URL, on a port of its own; its thread bears the name.
    ///
    /// # Errors
    /// The system gives no port or no thread.
    pub fn before(registry: &str, name: &str, answering: Arc<impl Answering>) -> Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
        listener.set_nonblocking(true)?;
        let authority = listener.local_addr()?;
        let real = reqwest::Url::parse(registry).context("the registry's URL cannot be read")?;
        let (server, path) = (real.origin().ascii_serialization(), real.path().trim_end_matches('/'));
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let behind = Arc::new(Behind { server, http });
        let (ends, ended) = watch::channel(());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || runtime.block_on(serve(listener, answering, behind, ended));
        std::thread::Builder::new().name(name.to_owned()).spawn(work)?;
        Ok(Self { url: format!("http://{authority}{path}"), _ends: ends })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// The registry behind a front.
#[derive(Debug)]
pub struct Behind {
    /// Scheme, host and port.
    server: String,
    http: reqwest::Client,
}

impl Behind {
    /// Its answer to a question.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn answer(&self, request: Request<Incoming>) -> Result<Answer> {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("", |path| path.as_str());
        let body = body.collect().await?.to_bytes();
        let forwarded = self.http.request(head.method, format!("{}{path}", self.server));
        let answer = forwarded.header("content-type", JSON).body(body).send().await?;
        let status = answer.status();
        Ok(answer_of(status, answer.bytes().await?))
    }
}

/// An answer of the registry's content type.
#[must_use]
pub fn answer_of(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let answer = Response::builder().status(status).header("content-type", JSON).body(Full::new(body.into()));
    answer.expect("a status and one header are a response")
}

/// What is answered where the registry behind gave no answer.
#[must_use]
pub fn silence(error: &anyhow::Error) -> Answer {
    answer_of(StatusCode::BAD_GATEWAY, format!("the registry behind does not answer: {error:#}"))
}

async fn serve(
    listener: std::net::TcpListener,
    answering: Arc<impl Answering>,
    behind: Arc<Behind>,
    mut ended: watch::Receiver<()>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // The sender is gone: so is the front.
            _ = ended.changed() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (answering, behind) = (answering.clone(), behind.clone());
        tokio::spawn(async move {
            let service = service_fn(async |request| Ok::<_, Infallible>(answering.answer(request, &behind).await));
            // A client that breaks off is its own affair.
            _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
