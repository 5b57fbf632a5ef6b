//! A registry in front of the real one that learns one schema late: as if a producer had registered it somewhere else first.
//!
//! Everything is handed on as it comes; only the one id is unknown until [`LateRegistry::learn`]. Invariant: the worker speaks
//! to the real registry's API, so what it believes about the id is the registry's own way of saying so.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// The id that is learned late; no registry gives it out.
pub const LATE_ID: u32 = 0x7fff_fff0;
/// The registry's own answer for an id that it does not know.
const UNKNOWN: &str = r#"{"error_code": 40403, "message": "Schema not found"}"#;

/// The registry; it ends with the test's runtime.
pub struct LateRegistry {
    /// Its base URL.
    pub url: String,
    /// The real id of the late one; 0 while it is unknown.
    known_as: Arc<AtomicU32>,
}

impl LateRegistry {
    /// Serves in front of the registry at this base URL.
    pub async fn before(real: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let known_as = Arc::new(AtomicU32::new(0));
        let front = Front { real: real.trim_end_matches('/').to_owned(), known_as: known_as.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let front = front.clone();
                let service = service_fn(move |request| {
                    let front = front.clone();
                    async move { Ok::<_, Infallible>(front.answer(request).await) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { url, known_as }
    }

    /// From now on the late id is the schema of this real one.
    pub fn learn(&self, real_id: u32) {
        self.known_as.store(real_id, Ordering::SeqCst);
    }
}

#[derive(Clone)]
struct Front {
    real: String,
    known_as: Arc<AtomicU32>,
}

impl Front {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let late = format!("/schemas/ids/{LATE_ID}");
        let path = match (path.starts_with(&late), self.known_as.load(Ordering::SeqCst)) {
            (true, 0) => return response(404, UNKNOWN.into()),
            (true, known) => path.replacen(&late, &format!("/schemas/ids/{known}"), 1),
            (false, _) => path,
        };
        let method = request.method().clone();
        let kind = request.headers().get("content-type").cloned();
        let body = request.into_body().collect().await.expect("a whole request").to_bytes();
        let mut handed_on = reqwest::Client::new().request(method, format!("{}{path}", self.real)).body(body);
        if let Some(kind) = kind {
            handed_on = handed_on.header("content-type", kind);
        }
        match handed_on.send().await {
            Ok(answer) => {
                let status = answer.status().as_u16();
                response(status, answer.bytes().await.unwrap_or_default())
            }
            Err(error) => response(502, error.to_string().into()),
        }
    }
}

fn response(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Full::new(body)).expect("a status that HTTP knows")
}
