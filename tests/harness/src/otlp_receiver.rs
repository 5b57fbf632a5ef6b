//! A receiver of OTLP over HTTP, as a collector is one: takes spans, or answers what it is told to.
//!
//! Reads them with the messages that the OpenTelemetry project generates from the protocol, so that ours are not compared with
//! themselves. On a thread of its own. Invariant: gone, with its connections, when it is dropped.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1 as wire;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A receiver that listens.
#[derive(Debug)]
pub struct OtlpReceiver {
    url: String,
    heard: Arc<Mutex<Heard>>,
    _ends: watch::Sender<()>,
}

/// What it was sent, and what it answers.
#[derive(Debug)]
struct Heard {
    spans: Vec<Span>,
    pushes: usize,
    answer: StatusCode,
}

/// A span with ids as hexadecimal digits and attributes as text.
#[derive(Clone, Debug)]
pub struct Span {
    /// The trace.
    pub trace_id: String,
    /// The span.
    pub span_id: String,
    /// The span above it.
    pub parent_span_id: String,
    /// What tracing systems know of the trace beside that.
    pub trace_state: String,
    /// Its name.
    pub name: String,
    /// Which side of a message it is.
    pub kind: wire::span::SpanKind,
    /// Whether it ended in an error.
    pub is_error: bool,
    /// From when to when, in nanoseconds of Unix time.
    pub times: (u64, u64),
    /// What it says.
    pub attributes: BTreeMap<String, String>,
    /// What the process that sent it says of itself.
    pub resource: BTreeMap<String, String>,
}

impl OtlpReceiver {
    /// A receiver on a port of its own that takes everything.
    ///
    /// # Errors
    /// The system gives no port or no thread.
    pub fn start() -> Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let heard = Arc::new(Mutex::new(Heard { spans: Vec::new(), pushes: 0, answer: StatusCode::OK }));
        let (ends, ended) = watch::channel(());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = heard.clone();
        let work = move || runtime.block_on(serve(listener, shared, ended));
        std::thread::Builder::new().name("otlp receiver".to_owned()).spawn(work)?;
        Ok(Self { url, heard, _ends: ends })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Answers with this status from now on; spans are taken with 200 alone.
    pub fn answer(&self, status: u16) {
        let status = StatusCode::from_u16(status).expect("a test names a status");
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).answer = status;
    }

    /// How often it was asked.
    #[must_use]
    pub fn pushes(&self) -> usize {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).pushes
    }

    /// The spans that it took, in the order in which they came.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).spans.clone()
    }
}

async fn serve(listener: std::net::TcpListener, heard: Arc<Mutex<Heard>>, mut ended: watch::Receiver<()>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // The sender is gone: so is the receiver.
            _ = ended.changed() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let heard = heard.clone();
        tokio::spawn(async move {
            let service = service_fn(async |request| Ok::<_, Infallible>(answer(request, &heard).await));
            // A client that breaks off is its own affair.
            _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, heard: &Mutex<Heard>) -> Response<Full<Bytes>> {
    let is_push = request.method() == Method::POST && request.uri().path() == "/v1/traces";
    let is_protobuf = request.headers().get("content-type").is_some_and(|kind| kind == "application/x-protobuf");
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let said = body.ok().and_then(|body| ExportTraceServiceRequest::decode(body).ok());
    let status = match said {
        _ if !is_push => StatusCode::NOT_FOUND,
        _ if !is_protobuf => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        None => StatusCode::BAD_REQUEST,
        Some(request) => {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.pushes += 1;
            if heard.answer == StatusCode::OK {
                heard.spans.extend(spans_of(request));
            }
            heard.answer
        }
    };
    // An empty message is the answer of a receiver that took everything.
    Response::builder().status(status).body(Full::new(Bytes::new())).expect("a status is a response")
}

fn spans_of(request: ExportTraceServiceRequest) -> impl Iterator<Item = Span> {
    request.resource_spans.into_iter().flat_map(|of_process| {
        let resource = of_process.resource.map(|resource| attributes(resource.attributes)).unwrap_or_default();
        let spans = of_process.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans);
        spans.map(move |span| Span {
            trace_id: hex(&span.trace_id),
            span_id: hex(&span.span_id),
            parent_span_id: hex(&span.parent_span_id),
            trace_state: span.trace_state.clone(),
            kind: span.kind(),
            is_error: span.status.is_some_and(|status| status.code() == wire::status::StatusCode::Error),
            times: (span.start_time_unix_nano, span.end_time_unix_nano),
            attributes: attributes(span.attributes),
            name: span.name,
            resource: resource.clone(),
        })
    })
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    pairs.into_iter().map(|pair| (pair.key.clone(), text(&pair))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
