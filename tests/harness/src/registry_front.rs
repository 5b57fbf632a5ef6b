//! A registry as workers see it while some schemas are not registered yet: everything goes through to the real one, but it does not
//! know the ids that are kept back.
//!
//! For records that cannot be understood when they come and can be later. The ids are real ones, so nothing depends on guessing
//! what a registry gives out next. Gone, with its connections, when it is dropped.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};

use crate::http_front::{Answer, Answering, Behind, HttpFront, answer_of, silence};

/// What the registry's API says of an id that it does not know.
const UNKNOWN: &str = r#"{"error_code":40403,"message":"Schema not found"}"#;

/// A front before a registry.
#[derive(Debug)]
pub struct Front {
    front: HttpFront,
    kept_back: Arc<KeptBack>,
}

/// The ids that it does not know.
#[derive(Debug, Default)]
struct KeptBack(Mutex<BTreeSet<u32>>);

impl Front {
    /// A front before the registry at this base URL, on a port of its own.
    ///
    /// # Errors
    /// The system gives no port or no thread.
    pub fn before(registry: &str) -> Result<Self> {
        let kept_back = Arc::new(KeptBack::default());
        Ok(Self { front: HttpFront::before(registry, "registry front", kept_back.clone())?, kept_back })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        self.front.url()
    }

    /// Does not know these schemas any more.
    pub fn keep_back(&self, ids: impl IntoIterator<Item = u32>) {
        self.kept_back.0.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
    }

    /// Knows all schemas of the registry from now on.
    pub fn release(&self) {
        self.kept_back.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl KeptBack {
    fn has(&self, id: u32) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }
}

impl Answering for KeptBack {
    async fn answer(&self, request: Request<Incoming>, behind: &Behind) -> Answer {
        if id_in(request.uri().path()).is_some_and(|id| self.has(id)) {
            return answer_of(StatusCode::NOT_FOUND, UNKNOWN);
        }
        behind.answer(request).await.unwrap_or_else(|error| silence(&error))
    }
}

/// The id in `…/schemas/ids/<id>…`.
fn id_in(path: &str) -> Option<u32> {
    let rest = path.split_once("/schemas/ids/")?.1;
    rest.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_found_wherever_the_api_has_it() {
        assert_eq!(id_in("/apis/ccompat/v7/schemas/ids/17"), Some(17));
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
