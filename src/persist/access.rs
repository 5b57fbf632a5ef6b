//! How Postgres lets us in: address, credentials and certificates, made anew for each connection, and what a refusal means.
//!
//! Secret files and certificates are read each time, so that they can be rotated under a running process: what is connected stays, the
//! next connection uses the new ones. Invariant: what is shown of the address is host, port, user and database, nothing else.

use std::fmt;
use std::path::{Path, PathBuf};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::error::{DENIED, Error, Result};
use crate::config::{self, Secret, SslMode};
use crate::trust::{self, Names};

const NAMES: Names = Names {
    address: "the host in database.url",
    authority: "database.ssl_ca_file",
    certificate: "database.ssl_certificate_file",
};

/// Address, credentials and certificates.
#[derive(Clone, Debug)]
pub struct Access {
    url: Secret,
    password: Option<Secret>,
    ssl_mode: Option<SslMode>,
    ca_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

/// The server as a person may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    address: String,
    database: String,
    user: String,
}

impl Access {
    /// Takes what the configuration says.
    ///
    /// # Errors
    /// A URL that sqlx does not take.
    pub fn of(database: &config::Database) -> Result<Self> {
        let access = Self {
            url: database.url.clone(),
            password: database.password.clone(),
            ssl_mode: database.ssl_mode,
            ca_file: database.ssl_ca_file.clone(),
            certificate_file: database.ssl_certificate_file.clone(),
            key_file: database.ssl_key_file.clone(),
        };
        access.parsed()?;
        Ok(access)
    }

    /// What to connect with now.
    ///
    /// # Errors
    /// A URL that sqlx does not take, or a certificate's file that cannot be read: it may be about to be replaced.
    pub fn options(&self) -> Result<PgConnectOptions> {
        let mut options = self.parsed()?;
        if let Some(password) = &self.password {
            options = options.password(&password.current());
        }
        if let Some(mode) = self.ssl_mode {
            options = options.ssl_mode(match mode {
                SslMode::Disable => PgSslMode::Disable,
                SslMode::Prefer => PgSslMode::Prefer,
                SslMode::Require => PgSslMode::Require,
                SslMode::VerifyCa => PgSslMode::VerifyCa,
                SslMode::VerifyFull => PgSslMode::VerifyFull,
            });
        }
        if let Some(path) = &self.ca_file {
            options = options.ssl_root_cert_from_pem(read("ssl_ca_file", path)?);
        }
        if let Some(path) = &self.certificate_file {
            options = options.ssl_client_cert_from_pem(read("ssl_certificate_file", path)?);
        }
        if let Some(path) = &self.key_file {
            options = options.ssl_client_key_from_pem(read("ssl_key_file", path)?);
        }
        Ok(options)
    }

    fn parsed(&self) -> Result<PgConnectOptions> {
        // sqlx's words may quote a part of the URL.
        self.url.current().parse().map_err(|_| {
            Error::misconfigured(
                "database.url cannot be understood: write postgres://user@host:port/database, and what is special in a password as %40 for @, %2F for /, %23 for #"
                    .to_owned(),
            )
        })
    }
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        let text = format!(
            "database.{key} = `{}` cannot be read ({error}): name a file that this user may read",
            path.display()
        );
        Error::passing(DENIED, text)
    })
}

impl Place {
    /// Where these options lead.
    #[must_use]
    pub fn of(options: &PgConnectOptions) -> Self {
        let socket = options.get_socket().map(|socket| socket.display().to_string());
        Self {
            address: socket.unwrap_or_else(|| format!("{}:{}", options.get_host(), options.get_port())),
            database: options.get_database().unwrap_or(options.get_username()).to_owned(),
            user: options.get_username().to_owned(),
        }
    }

    /// What a connection that did not come about means, with the server's name and, where it refuses us, what to do.
    #[must_use]
    pub fn explain(&self, error: sqlx::Error) -> Error {
        let said = |error: &sqlx::Error| Error::describe(error).trim_start_matches("postgres: ").to_owned();
        match &error {
            sqlx::Error::Database(refusal) => {
                let remedy = match refusal.code().as_deref() {
                    Some("28P01") => "correct database.password, or the user in database.url",
                    Some("28000") => {
                        "correct the user in database.url, database.ssl_mode or database.ssl_certificate_file, or let the user in (pg_hba.conf)"
                    }
                    Some("3D000") => "create the database, or correct its name in database.url",
                    Some("42501") => "grant the user what deploy/postgres/role.sql says",
                    _ => return Error::from(error).at(self),
                };
                let text = format!("{}: {remedy}", said(&error));
                Error::from(error).saying(text).at(self)
            }
            sqlx::Error::Tls(cause) if !is_io(cause.as_ref()) => {
                let cause = cause.to_string();
                let text = format!("no TLS: {cause}: {}", trust::remedy(&cause, NAMES));
                Error::passing(DENIED, text).at(self)
            }
            _ => Error::from(error).at(self),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (database `{}`, user `{}`)", self.address, self.database, self.user)
    }
}

/// Whether a handshake only ended because the connection did.
fn is_io(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<std::io::Error>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_shows_no_password() {
        let options: PgConnectOptions = "postgres://me:hunter2@db:5433/shop?sslmode=require".parse().expect("a URL");
        assert_eq!(Place::of(&options).to_string(), "`db:5433` (database `shop`, user `me`)");
    }

    #[test]
    fn a_handshake_that_fails_is_refused_and_one_that_is_cut_off_is_an_outage() {
        let options: PgConnectOptions = "postgres://me@db/shop".parse().expect("a URL");
        let place = Place::of(&options);
        let refused = place.explain(sqlx::Error::Tls("server does not support TLS".into()));
        assert!(refused.is_denied() && refused.to_string().contains("`db:5432`"), "{refused}");
        let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(!place.explain(sqlx::Error::Tls(cut.into())).is_denied());
    }
}
