//! A registry as workers see it while some schemas are not registered yet: everything goes through to the real one, but it does not
//! know the ids that are kept back.
//!
//! For records that cannot be understood when they come and can be later. The ids are real ones, so nothing depends on guessing
//! what a registry gives out next. Gone, with its connections, when it is dropped.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What the registry's API says of an id that it does not know.
const UNKNOWN: &str = r#"{"error_code":40403,"message":"Schema not found"}"#;
const JSON: &str = "application/vnd.schemaregistry.v1+json";

/// A front before a registry.
#[derive(Debug)]
pub struct Front {
    url: String,
    kept_back: Arc<Mutex<BTreeSet<u32>>>,
    _ends: watch::Sender<()>,
}

impl Front {
    /// A front before the registry at this base URL, on a port of its own.
    ///
    /// # Errors
    /// The system gives no port or no thread.
    pub fn before(registry: &str) -> Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
        listener.set_nonblocking(true)?;
        let authority = listener.local_addr()?;
        let real = reqwest::Url::parse(registry).context("the registry's URL cannot be read")?;
        let (server, path) = (real.origin().ascii_serialization(), real.path().trim_end_matches('/'));
        let kept_back = Arc::new(Mutex::new(BTreeSet::new()));
        let (ends, ended) = watch::channel(());
        let answering = Arc::new(Answering { server, http: reqwest::Client::new(), kept_back: kept_back.clone() });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || runtime.block_on(serve(listener, answering, ended));
        std::thread::Builder::new().name("registry front".to_owned()).spawn(work)?;
        Ok(Self { url: format!("http://{authority}{path}"), kept_back, _ends: ends })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Does not know these schemas any more.
    pub fn keep_back(&self, ids: impl IntoIterator<Item = u32>) {
        self.kept_back.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
    }

    /// Knows all schemas of the registry from now on.
    pub fn release(&self) {
        self.kept_back.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What it takes to answer.
struct Answering {
    /// Scheme, host and port of the real registry.
    server: String,
    http: reqwest::Client,
    kept_back: Arc<Mutex<BTreeSet<u32>>>,
}

async fn serve(listener: std::net::TcpListener, answering: Arc<Answering>, mut ended: watch::Receiver<()>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // The sender is gone: so is the front.
            _ = ended.changed() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let answering = answering.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answering.answer(request));
            // A client that breaks off is its own affair.
            _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Answering {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path_and_query().map_or("", |path| path.as_str()).to_owned();
        if id_in(&path).is_some_and(|id| self.kept_back.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)) {
            return Ok(response(StatusCode::NOT_FOUND, UNKNOWN.into()));
        }
        Ok(self.forward(request, &path).await.unwrap_or_else(|error| {
            response(StatusCode::BAD_GATEWAY, format!("the registry behind does not answer: {error:#}").into())
        }))
    }

    async fn forward(&self, request: Request<Incoming>, path: &str) -> Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
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

/// The id in `…/schemas/ids/<id>…`.
fn id_in(path: &str) -> Option<u32> {
    let rest = path.split_once("/schemas/ids/")?.1;
    rest.split(['/', '?']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_found_wherever_the_api_has_it() {
        assert_eq!(id_in("/apis/ccompat/v7/schemas/ids/17?deleted=true"), Some(17));
        assert_eq!(id_in("/schemas/ids/17/schema"), Some(17));
        assert_eq!(id_in("/subjects/a-value/versions"), None);
    }

    #[tokio::test]
    async fn an_id_is_unknown_while_it_is_kept_back_and_asked_for_behind_the_front_after_that() {
        let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/api", nobody.local_addr().unwrap());
        drop(nobody);
        let front = Front::before(&url).unwrap();
        let status = async |id: u32| {
            let answer = reqwest::get(format!("{}/schemas/ids/{id}", front.url())).await.unwrap();
            answer.status().as_u16()
        };
        front.keep_back([17]);
        assert_eq!((status(17).await, status(18).await), (404, 502));
        front.release();
        assert_eq!(status(17).await, 502);
    }
}
