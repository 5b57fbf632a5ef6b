//! The receiver: where it is, how it lets us in, and what its answers mean (OTLP over HTTP, `Content-Type: application/x-protobuf`).
//!
//! Invariant: secrets leave this file only inside requests, and only to the URL that was configured: no redirect is followed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Response, StatusCode};

use super::otlp;
use crate::causes::chain;
use crate::config::{self, Secret};
use crate::retry::Retry;
use crate::trust::{self, Names};

const NAMES: Names = Names {
    address: "telemetry.otlp_endpoint",
    authority: "telemetry.ssl_ca_file",
    certificate: "telemetry.otlp_headers",
};
/// Where traces are received, below the base URL.
const PATH: &str = "/v1/traces";
/// The first pause between two attempts at a push, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// More is not read of an answer; it may hold one sentence.
const ANSWER_MAX_BYTES: usize = 64 << 10;

/// A receiver.
#[derive(Debug)]
pub struct Endpoint {
    url: String,
    secret: Option<Secret>,
    /// Those of the secret as it was last right.
    headers: HeaderMap,
    ca_file: Option<PathBuf>,
    /// What the file held when the client was made.
    authorities: Option<Vec<u8>>,
    client: reqwest::Client,
    timeout: Duration,
}

/// What became of a push.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed {
    /// Taken, but for some spans perhaps.
    Taken {
        /// How many spans of it were not taken.
        refused: u64,
        /// The receiver's reason.
        why: String,
    },
    /// Not taken, and no other attempt would change that.
    Refused(String),
    /// Nobody there, or too busy, until the time was over.
    Away(String),
}

/// What became of one attempt.
enum Attempt {
    Over(Pushed),
    Again { text: String, after: Option<Duration> },
}

impl Endpoint {
    /// As configured; none where no receiver is.
    ///
    /// # Errors
    /// What cannot be used, and what to do.
    pub fn of(telemetry: &config::Telemetry) -> Result<Option<Self>, String> {
        let Some(base) = &telemetry.otlp_endpoint else { return Ok(None) };
        let url = format!("{}{PATH}", base.trim_end_matches('/'));
        if let Err(error) = reqwest::Url::parse(&url) {
            return Err(format!(
                "telemetry.otlp_endpoint = `{base}` is no URL ({error}): write one such as http://localhost:4318"
            ));
        }
        let secret = telemetry.otlp_headers.clone();
        let headers = secret.as_ref().map_or_else(|| Ok(HeaderMap::new()), |secret| headers(secret.expose()))?;
        let ca_file = telemetry.ssl_ca_file.clone();
        let authorities = ca_file.as_deref().map(read).transpose()?;
        let client = client(ca_file.as_deref().zip(authorities.as_deref()))?;
        Ok(Some(Self { url, secret, headers, ca_file, authorities, client, timeout: telemetry.otlp_timeout }))
    }

    /// Where spans go.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Pushes a request until it is over, for as long as the setting allows.
    pub async fn push(&mut self, body: Bytes) -> Pushed {
        let until = Instant::now() + self.timeout;
        let mut retry = Retry::with_pauses("otlp", PAUSES[0], PAUSES[1]);
        self.renew_headers();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (text, after) = match self.attempt(body.clone(), left).await {
                Attempt::Over(pushed) => return pushed,
                Attempt::Again { text, after } => (text, after),
            };
            self.renew_client();
            let pause = retry.next_delay().max(after.unwrap_or_default());
            // A receiver may ask for a year.
            if pause >= until.saturating_duration_since(Instant::now()) {
                return Pushed::Away(text);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Pushes a request without spans, once.
    pub async fn probe(&self) -> Pushed {
        match self.attempt(Bytes::new(), self.timeout).await {
            Attempt::Over(pushed) => pushed,
            Attempt::Again { text, .. } => Pushed::Away(text),
        }
    }

    async fn attempt(&self, body: Bytes, limit: Duration) -> Attempt {
        let request = self.client.post(&self.url).headers(self.headers.clone());
        let request = request.header(CONTENT_TYPE, "application/x-protobuf").timeout(limit).body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let error = chain(&error);
                let remedy = if error.contains("SSL routines") {
                    trust::remedy(&error, NAMES)
                } else {
                    "start it, or correct telemetry.otlp_endpoint (OTLP over HTTP, port 4318 by custom)".to_owned()
                };
                return Attempt::Again {
                    text: format!("`{}` gives no answer: {error}: {remedy}", self.url),
                    after: None,
                };
            }
        };
        let status = response.status();
        if status.is_success() {
            return Attempt::Over(taken(response).await);
        }
        let text = format!("`{}` answers with status {status}: {}", self.url, remedy(status));
        // Those that the protocol calls retryable.
        if matches!(status.as_u16(), 429 | 502 | 503 | 504) {
            let seconds = response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
            return Attempt::Again { text, after: seconds.map(Duration::from_secs) };
        }
        Attempt::Over(Pushed::Refused(text))
    }

    /// Follows the file of the secret; what cannot be used there is passed over, since it may be about to be replaced.
    fn renew_headers(&mut self) {
        let current = self.secret.as_ref().filter(|secret| secret.may_change()).map(Secret::current);
        if let Some(Ok(headers)) = current.as_deref().map(headers) {
            self.headers = headers;
        }
    }

    /// Makes another client where the file of authorities holds something else by now.
    fn renew_client(&mut self) {
        let Some(path) = &self.ca_file else { return };
        let Ok(held) = read(path) else { return };
        if self.authorities.as_ref() != Some(&held)
            && let Ok(client) = client(Some((path, &held)))
        {
            (self.client, self.authorities) = (client, Some(held));
        }
    }
}

fn client(authorities: Option<(&Path, &[u8])>) -> Result<reqwest::Client, String> {
    let agent = concat!("orderstream/", env!("CARGO_PKG_VERSION"));
    let mut builder = reqwest::Client::builder().redirect(Policy::none()).user_agent(agent);
    if let Some((path, pem)) = authorities {
        builder =
            builder.tls_certs_only(Certificate::from_pem_bundle(pem).map_err(|error| unusable(path, &chain(&error)))?);
    }
    builder.build().map_err(|error| format!("no client for telemetry.otlp_endpoint can be made: {}", chain(&error)))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| unusable(path, &error.to_string()))
}

fn unusable(path: &Path, why: &str) -> String {
    format!("telemetry.ssl_ca_file = `{}` cannot be used ({why}): name a file of PEM certificates", path.display())
}

/// What an answer of success says.
async fn taken(mut response: Response) -> Pushed {
    let mut body = Vec::new();
    // An answer that breaks off, or is none of the protocol, does not take its status back.
    while let Ok(Some(piece)) = response.chunk().await {
        if body.len() + piece.len() > ANSWER_MAX_BYTES {
            break;
        }
        body.extend_from_slice(&piece);
    }
    let partial = otlp::Response::decode(&*body).ok().and_then(|response| response.partial_success).unwrap_or_default();
    Pushed::Taken { refused: u64::try_from(partial.rejected_spans).unwrap_or_default(), why: partial.error_message }
}

fn remedy(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "correct telemetry.otlp_headers",
        404 | 405 | 300..=399 => {
            "write the base URL of a receiver of OTLP over HTTP in telemetry.otlp_endpoint, without /v1/traces"
        }
        413 => "let it take requests of a megabyte",
        429 | 502..=504 => "look at how busy it is, and lower telemetry.sampling_percentage",
        _ => "look into its log",
    }
}

/// Headers as OTEL_EXPORTER_OTLP_HEADERS writes them. An error quotes nothing of them.
fn headers(text: &str) -> Result<HeaderMap, String> {
    let wrong = |place: usize, what: &str| {
        format!(
            "telemetry.otlp_headers: entry {place} {what}: write name=value, several separated by commas, what is special in a value as %2C"
        )
    };
    let mut headers = HeaderMap::new();
    for (place, entry) in (1..).zip(text.split(',')).filter(|(_, entry)| !entry.trim().is_empty()) {
        let (name, value) = entry.split_once('=').ok_or_else(|| wrong(place, "has no `=`"))?;
        let name =
            HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong(place, "has a name that is none"))?;
        let value = unescaped(value.trim()).ok_or_else(|| wrong(place, "has a `%` without two digits behind it"))?;
        let mut value = HeaderValue::from_bytes(&value).map_err(|_| wrong(place, "has a value that is none"))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// A value without its percent-encoding.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(text: &str) -> Vec<(String, String)> {
        let headers = headers(text).expect("headers");
        let text = |value: &HeaderValue| value.to_str().expect("text").to_owned();
        headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    #[test]
    fn headers_are_written_as_the_field_writes_them() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read_as("authorization=Bearer%20a%2Cb"), [pair("authorization", "Bearer a,b")]);
        assert_eq!(read_as(" X-Tenant = shop , key=YQ==,"), [pair("x-tenant", "shop"), pair("key", "YQ==")]);
        assert_eq!(read_as(""), []);
    }

    #[test]
    fn what_is_no_header_is_refused_by_its_place_and_quoted_nowhere() {
        for (text, part) in [
            ("a=1,hunter2", "entry 2 has no `=`"),
            ("hunter 2=1", "entry 1 has a name that is none"),
            ("a=hunter2%4", "entry 1 has a `%` without"),
            ("a=hunter2%zz", "entry 1 has a `%` without"),
            ("a=hunter2%0A", "entry 1 has a value that is none"),
        ] {
            let error = headers(text).expect_err(text);
            assert!(error.contains(part) && !error.contains("hunter"), "{error}");
        }
    }
}
