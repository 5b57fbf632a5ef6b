//! Asks workers for their metrics, over HTTP.
//!
//! Invariant: a worker that is away, slow, or something else entirely costs no more than its second, and its answer is bounded.

use std::time::{Duration, Instant};

use reqwest::{Client, Response, StatusCode, Url};

use super::model::Asked;
use super::scrape::Scrape;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// No worker's answer is as large.
const ANSWER_MAX_BYTES: usize = 32 << 20;

/// A worker that is asked again and again.
#[derive(Clone, Debug)]
struct Source {
    url: Url,
    name: String,
    last: Option<Scrape>,
}

/// The workers.
pub(super) struct Workers {
    client: Client,
    sources: Vec<Source>,
}

impl Workers {
    /// Those at these addresses.
    ///
    /// # Errors
    /// The system's TLS cannot be used.
    pub fn at(urls: &[Url]) -> Result<Self, String> {
        // Workers are in the same network; a proxy for the outside knows nothing of them.
        let client = Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).no_proxy().build();
        let client = client.map_err(|error| format!("no HTTP client can be made: {error}"))?;
        let sources = urls.iter().map(|url| Source { url: url.clone(), name: name(url), last: None }).collect();
        Ok(Self { client, sources })
    }

    /// Asks all of them at the same time.
    pub async fn ask(&mut self) -> Vec<Asked> {
        let mut answers = tokio::task::JoinSet::new();
        for (index, source) in self.sources.iter().enumerate() {
            let (client, url) = (self.client.clone(), source.url.clone());
            answers.spawn(async move { (index, scrape(&client, url).await) });
        }
        let mut asked = Vec::new();
        while let Some(answer) = answers.join_next().await {
            let (index, answer) = answer.expect("nothing panics while it asks, and nobody aborts it");
            let source = &mut self.sources[index];
            let before = match &answer {
                Ok(now) => source.last.replace(now.clone()),
                Err(_) => None,
            };
            asked.push((index, Asked { name: source.name.clone(), answer, before }));
        }
        asked.sort_by_key(|(index, _)| *index);
        asked.into_iter().map(|(_, asked)| asked).collect()
    }
}

async fn scrape(client: &Client, url: Url) -> Result<Scrape, String> {
    let answer = client.get(url).send().await.map_err(|error| said(&error))?;
    if answer.status() != StatusCode::OK {
        return Err(format!("status {}: give the whole address, as in http://127.0.0.1:9464/metrics", answer.status()));
    }
    let text = body(answer).await?;
    Scrape::read(&text, Instant::now())
}

async fn body(mut answer: Response) -> Result<String, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| said(&error))? {
        if body.len() + chunk.len() > ANSWER_MAX_BYTES {
            return Err(format!("its answer has more than {ANSWER_MAX_BYTES} bytes: this is no worker's"));
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).map_err(|_| "its answer is no text: this is no worker's".to_owned())
}

/// The last of the causes, which says most in the fewest words.
fn said(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", PATIENCE.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// An address, written in full or as host and port.
///
/// # Errors
/// How to write one.
pub(super) fn url(text: &str) -> Result<Url, String> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&whole).ok().filter(|url| url.has_host() && ["http", "https"].contains(&url.scheme()));
    let mut url =
        url.ok_or_else(|| format!("`{text}` is no address: write one such as http://127.0.0.1:9464/metrics"))?;
    if url.path() == "/" {
        url.set_path("/metrics");
    }
    Ok(url)
}

/// A short name: host and port, and the path where it is not the usual one.
fn name(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = if url.path() == "/metrics" { "" } else { url.path() };
    format!("{host}{port}{path}")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_may_be_short() {
        for (text, whole, short) in [
            ("w1:9464", "http://w1:9464/metrics", "w1:9464"),
            ("http://127.0.0.1:9464", "http://127.0.0.1:9464/metrics", "127.0.0.1:9464"),
            ("https://proxy/w1/metrics", "https://proxy/w1/metrics", "proxy/w1/metrics"),
            ("[::1]:9464", "http://[::1]:9464/metrics", "[::1]:9464"),
        ] {
            let url = url(text).expect(text);
            assert_eq!((url.as_str(), name(&url).as_str()), (whole, short));
        }
        for wrong in ["", "http://", "ftp://w1", "w1:port"] {
            assert!(url(wrong).unwrap_err().contains(&format!("`{wrong}` is no address")), "{wrong}");
        }
    }

    /// Answers every connection with these bytes.
    fn server(answer: String) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = url(&listener.local_addr().unwrap().to_string()).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        url
    }

    fn http(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn each_worker_has_its_own_answer_and_what_it_said_before() {
        let good = server(http("200 OK", "orderstream_build_info{version=\"1\"} 1\n"));
        let missing = server(http("404 Not Found", ""));
        let other = server(http("200 OK", "go_goroutines 1\n"));
        let nobody = url("127.0.0.1:9").unwrap();
        let mut workers = Workers::at(&[good, missing, other, nobody]).unwrap();
        let first = workers.ask().await;
        let says: Vec<String> = first
            .iter()
            .map(|asked| asked.answer.as_ref().map(|_| "ok".to_owned()).unwrap_or_else(Clone::clone))
            .collect();
        assert!(says[0] == "ok" && first[0].before.is_none(), "{says:?}");
        assert!(says[1].contains("404") && says[2].contains("no worker's") && says[3].contains("refused"), "{says:?}");
        let second = workers.ask().await;
        assert!(second[0].before.is_some() && second[1].before.is_none());
    }
}
