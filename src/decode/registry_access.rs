//! How the registry lets us in: address, credentials and the authority of its certificate, and the client made of them.
//!
//! A client that failed is dropped, and the next call makes another from what the files hold then: passwords and certificates can be
//! rotated under a running process. Invariant: credentials leave this file only inside requests.

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Certificate;
use schema_registry_converter::async_impl::schema_registry::SrSettings;

use crate::config::{self, Secret};

/// Address, credentials and authority.
#[derive(Clone, Debug)]
pub struct Access {
    pub(super) url: String,
    username: Option<String>,
    password: Option<Secret>,
    ca_file: Option<PathBuf>,
    timeout: Duration,
}

/// A client, and what it asks with.
pub(super) struct Client {
    /// For the calls of `schema_registry_converter`.
    pub settings: SrSettings,
    http: reqwest::Client,
    credentials: Option<(String, Option<String>)>,
}

/// The client that serves until it fails.
pub(super) struct Clients {
    access: Access,
    current: Mutex<Option<Arc<Client>>>,
}

impl Access {
    /// Access without credentials, to the base URL. `timeout` bounds each call as a whole.
    #[must_use]
    pub fn to(url: &str, timeout: Duration) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { url, username: None, password: None, ca_file: None, timeout }
    }

    /// With a user, as in HTTP's basic authentication.
    #[must_use]
    pub fn with_user(self, username: &str, password: Option<Secret>) -> Self {
        Self { username: Some(username.to_owned()), password, ..self }
    }

    /// Makes a client of what the files hold now.
    fn client(&self) -> Result<Client, String> {
        let password = self.password.as_ref().map(Secret::current);
        let mut settings = SrSettings::new_builder(self.url.clone());
        settings.set_timeout(self.timeout);
        if let Some(username) = &self.username {
            settings.set_basic_authorization(username, password.as_deref());
        }
        Ok(Client {
            settings: settings.build_with(self.builder()?).map_err(|error| described(&error))?,
            http: self.builder()?.timeout(self.timeout).build().map_err(|error| chain(&error))?,
            credentials: self.username.clone().map(|username| (username, password)),
        })
    }

    fn builder(&self) -> Result<reqwest::ClientBuilder, String> {
        let builder = reqwest::Client::builder();
        let Some(path) = &self.ca_file else { return Ok(builder) };
        let refused = |error: &dyn Error| {
            format!(
                "registry.ssl_ca_file = `{}` cannot be used ({}): name a file of PEM certificates",
                path.display(),
                chain(error)
            )
        };
        let pem = std::fs::read(path).map_err(|error| refused(&error))?;
        Ok(builder.tls_certs_only(Certificate::from_pem_bundle(&pem).map_err(|error| refused(&error))?))
    }
}

impl From<&config::Registry> for Access {
    fn from(registry: &config::Registry) -> Self {
        Self {
            username: registry.username.clone(),
            password: registry.password.clone(),
            ca_file: registry.ssl_ca_file.clone(),
            ..Self::to(&registry.url, registry.timeout)
        }
    }
}

impl Client {
    /// A request to set something.
    pub fn put(&self, url: String) -> reqwest::RequestBuilder {
        let request = self.http.put(url);
        match &self.credentials {
            Some((username, password)) => request.basic_auth(username, password.as_ref()),
            None => request,
        }
    }
}

impl Clients {
    /// With a first client, so that what can never work is told at once.
    pub fn of(access: Access) -> Result<Self, String> {
        let first = Arc::new(access.client()?);
        Ok(Self { access, current: Mutex::new(Some(first)) })
    }

    /// The client.
    pub fn client(&self) -> Result<Arc<Client>, String> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some(client) => Ok(client.clone()),
            None => Ok(current.insert(Arc::new(self.access.client()?)).clone()),
        }
    }

    /// Gives the client up.
    pub fn forget(&self) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// An error of `schema_registry_converter` in its own words and with its causes; its `Display` adds what its caches make of it.
pub(super) fn described(error: &schema_registry_converter::error::SRCError) -> String {
    match error.source() {
        Some(cause) => format!("{}: {}", error.error, chain(cause)),
        None => error.error.clone(),
    }
}

/// An error with all its causes: reqwest tells the reason only at the end of the chain.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}
