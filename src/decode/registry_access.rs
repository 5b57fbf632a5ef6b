//! How the registry lets us in: address, credentials and the authority of its certificate, and the client made of them.
//!
//! After a failure it is looked whether the files hold something else by now, and then another client is made: passwords and
//! certificates can be rotated under a running process. Invariant: credentials leave this file only inside requests.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Certificate;
use schema_registry_converter::async_impl::schema_registry::SrSettings;

use crate::causes::chain;
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
    username: Option<String>,
    held: Held,
}

/// What the files held when a client was made of it.
#[derive(PartialEq, Eq)]
struct Held {
    password: Option<String>,
    authorities: Option<Vec<u8>>,
}

/// The client that serves as long as the files hold the same.
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

    /// What the files hold now.
    fn held(&self) -> Result<Held, String> {
        let password = self.password.as_ref().map(Secret::current);
        let authorities = self.ca_file.as_ref().map(|path| std::fs::read(path).map_err(|error| unusable(path, &error)));
        Ok(Held { password, authorities: authorities.transpose()? })
    }

    fn client(&self) -> Result<Client, String> {
        let held = self.held()?;
        let mut settings = SrSettings::new_builder(self.url.clone());
        settings.set_timeout(self.timeout);
        if let Some(username) = &self.username {
            settings.set_basic_authorization(username, held.password.as_deref());
        }
        Ok(Client {
            settings: settings.build_with(self.builder(&held)?).map_err(|error| described(&error))?,
            http: self.builder(&held)?.timeout(self.timeout).build().map_err(|error| chain(&error))?,
            username: self.username.clone(),
            held,
        })
    }

    fn builder(&self, held: &Held) -> Result<reqwest::ClientBuilder, String> {
        let builder = reqwest::Client::builder();
        let Some((path, pem)) = self.ca_file.as_ref().zip(held.authorities.as_ref()) else { return Ok(builder) };
        Ok(builder.tls_certs_only(Certificate::from_pem_bundle(pem).map_err(|error| unusable(path, &error))?))
    }
}

fn unusable(path: &Path, error: &dyn Error) -> String {
    format!(
        "registry.ssl_ca_file = `{}` cannot be used ({}): name a file of PEM certificates",
        path.display(),
        chain(error)
    )
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
        self.known(self.http.put(url))
    }

    /// A request to read something.
    pub fn get(&self, url: String) -> reqwest::RequestBuilder {
        self.known(self.http.get(url))
    }

    /// The request as one of our user.
    fn known(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.username {
            Some(username) => request.basic_auth(username, self.held.password.as_ref()),
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

    /// Gives the client up if it was made of something else than the files hold now. Making one reads all certificates of the
    /// system, which costs more than a hundred look-ups: a registry that is ill must not keep us busy with that.
    pub fn failed(&self) {
        let held = self.access.held();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.take_if(|client| held.as_ref().is_err() || held.as_ref().is_ok_and(|held| *held != client.held));
    }
}

/// An error of `schema_registry_converter` in its own words and with its causes; its `Display` adds what its caches make of it.
pub(super) fn described(error: &schema_registry_converter::error::SRCError) -> String {
    match error.source() {
        Some(cause) => format!("{}: {}", error.error, chain(cause)),
        None => error.error.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_failed_serves_on_until_the_password_is_another() {
        let path = std::env::temp_dir().join(format!("orderstream-registry-{}", uuid::Uuid::new_v4()));
        std::fs::write(&path, "before").expect("a file");
        let secret = Secret::new("before").of_file(path.to_str().expect("text"));
        let access = Access::to("http://127.0.0.1:9", Duration::from_secs(1)).with_user("me", Some(secret));
        let clients = Clients::of(access).expect("a client");
        let first = clients.client().expect("the first");
        clients.failed();
        assert!(Arc::ptr_eq(&first, &clients.client().expect("the same")));
        std::fs::write(&path, "after").expect("a file");
        assert!(Arc::ptr_eq(&first, &clients.client().expect("nothing failed")));
        clients.failed();
        let second = clients.client().expect("another");
        assert_eq!(second.held.password.as_deref(), Some("after"));
        std::fs::remove_file(&path).expect("removed");
    }
}
