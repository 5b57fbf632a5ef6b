//! What must fit together for servers to let us in: protocols, users, passwords, certificates and their files.
//!
//! The files are looked at here, so that a wrong path is told before any server is asked. Invariant: a message quotes paths, names and
//! modes, never a URL of the database or anything that stands in a file.

use super::Rules;
use crate::config::choices::SslMode;
use crate::config::typed::FromValue;
use crate::config::value::Value;

/// The settings that only mean something with one of the SASL protocols; each is needed there.
const SASL: [&str; 3] = ["sasl_mechanism", "sasl_username", "sasl_password"];
const SSL: [&str; 4] = ["ssl_ca_file", "ssl_certificate_file", "ssl_key_file", "ssl_key_password"];

/// What the URL of a database may say behind its question mark. sqlx would log anything else, with its value.
const DATABASE_PARAMETERS: [&str; 19] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "options[",
];

/// The largest file of certificates that is read.
const PEM_MAX_BYTES: u64 = 4 << 20;
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

impl Rules<'_> {
    pub(super) fn access_is_whole(&mut self) {
        self.sasl_is_complete_or_absent();
        self.certificates_go_with_kafkas_protocol();
        for section in ["kafka", "database"] {
            self.certificates_go_with_their_keys(section);
        }
        self.certificates_can_be_read();
        self.database_tls_is_whole();
        self.database_url_says_only_what_is_understood();
        self.registry_access_is_whole();
    }

    fn sasl_is_complete_or_absent(&mut self) {
        let Some(protocol) = self.text("kafka", "security_protocol") else { return };
        let sasl = protocol.starts_with("sasl");
        for key in SASL {
            let absent = self.values.is_absent("kafka", key);
            if sasl && absent {
                let text = format!("kafka.security_protocol = `{protocol}` needs kafka.{key}: give it");
                self.add(&[("kafka", "security_protocol")], text);
            }
            if !sasl && !absent {
                let text = format!(
                    "kafka.{key} has no effect with kafka.security_protocol = `{protocol}`: write sasl_ssl there, or remove it"
                );
                self.add(&[("kafka", key)], text);
            }
        }
    }

    fn certificates_go_with_kafkas_protocol(&mut self) {
        let Some(protocol) = self.text("kafka", "security_protocol") else { return };
        for key in SSL {
            if !protocol.ends_with("ssl") && !self.values.is_absent("kafka", key) {
                let text = format!(
                    "kafka.{key} has no effect with kafka.security_protocol = `{protocol}`: write ssl or sasl_ssl there, or remove it"
                );
                self.add(&[("kafka", key)], text);
            }
        }
    }

    fn certificates_go_with_their_keys(&mut self, section: &'static str) {
        let pairs = [("ssl_certificate_file", "ssl_key_file"), ("ssl_key_file", "ssl_certificate_file")];
        let passphrase = (section == "kafka").then_some(("ssl_key_password", "ssl_key_file"));
        for (given, other) in pairs.into_iter().chain(passphrase) {
            if !self.values.is_absent(section, given) && self.values.is_absent(section, other) {
                let text = format!("{section}.{given} needs {section}.{other}: give both or neither");
                self.add(&[(section, given)], text);
            }
        }
    }

    fn certificates_can_be_read(&mut self) {
        for section in ["kafka", "registry", "database", "telemetry"] {
            for key in ["ssl_ca_file", "ssl_certificate_file", "ssl_key_file"] {
                if matches!(section, "registry" | "telemetry") && key != "ssl_ca_file" {
                    continue;
                }
                let Some(path) = self.text(section, key) else { continue };
                let remedy = match read_pem(&path) {
                    Err(error) => {
                        format!("it cannot be read ({error}): name a file of PEM that this user may read")
                    }
                    Ok(text) if key == "ssl_key_file" && !text.contains("PRIVATE KEY-----") => {
                        "it holds no private key: name a file of PEM that does".to_owned()
                    }
                    Ok(text) if key != "ssl_key_file" && !text.contains(CERTIFICATE) => {
                        "it holds no certificate: name a file of PEM that does".to_owned()
                    }
                    // sqlx takes the first and leaves the others.
                    Ok(text) if section == "database" && key == "ssl_ca_file" && text.matches(CERTIFICATE).count() > 1 => {
                        "it holds several certificates, and only the first would be trusted: name a file with the one that is needed"
                            .to_owned()
                    }
                    Ok(_) => continue,
                };
                self.add(&[(section, key)], format!("{section}.{key} = `{path}`: {remedy}"));
            }
        }
    }

    fn database_tls_is_whole(&mut self) {
        let mode = self.values.get("database", "ssl_mode").map(|(value, _)| value);
        let Some(mode) = SslMode::from_value(mode) else {
            let in_url = self.database_parameters().iter().any(|key| matches!(key.as_str(), "sslmode" | "ssl-mode"));
            if !in_url
                && !self.values.is_absent("database", "ssl_ca_file")
                && self.values.is_absent("database", "ssl_mode")
            {
                let text = "database.ssl_ca_file has no effect without database.ssl_mode: write verify-full there";
                self.add(&[("database", "ssl_ca_file")], text.to_owned());
            }
            return;
        };
        if !mode.verifies() && !self.values.is_absent("database", "ssl_ca_file") {
            let text = format!(
                "database.ssl_ca_file has no effect with database.ssl_mode = `{}`: write verify-full there, or remove it",
                mode.as_str()
            );
            self.add(&[("database", "ssl_ca_file")], text);
        }
        if mode == SslMode::Disable && !self.values.is_absent("database", "ssl_certificate_file") {
            let text = "database.ssl_certificate_file has no effect with database.ssl_mode = `disable`: write verify-full there, or remove it";
            self.add(&[("database", "ssl_certificate_file")], text.to_owned());
        }
    }

    fn database_url_says_only_what_is_understood(&mut self) {
        let strangers = self.database_parameters().into_iter().filter(|name| {
            let known = |known: &&str| name == *known || (known.ends_with('[') && name.starts_with(*known));
            !DATABASE_PARAMETERS.iter().any(known)
        });
        if self.database_url_is_cut_to_pieces() {
            let text = "database.url has an @ behind its host: write what is special in a password as %40 for @, %2F for /, %3F for ? and %23 for #";
            return self.add(&[("database", "url")], text.to_owned());
        }
        // Not even the name: a password with a question mark in it would be cut to pieces here.
        if let count @ 1.. = strangers.count() {
            let text = format!(
                "database.url has {count} parameter(s) that are not understood: write sslmode, sslrootcert, sslcert, sslkey, host, port, dbname, user, password or options, and a ? in a password as %3F"
            );
            self.add(&[("database", "url")], text);
        }
    }

    /// Whether a password with a special character in it would be taken for host, port or database, and be shown as such.
    fn database_url_is_cut_to_pieces(&self) -> bool {
        let Some((Value::Secret(url), _)) = self.values.get("database", "url") else { return false };
        let rest = url.expose().split_once("://").map_or("", |(_, rest)| rest);
        rest.find(['/', '?', '#']).is_some_and(|end| rest[end..].contains('@'))
    }

    /// The names of what stands behind the question mark of the database's URL.
    fn database_parameters(&self) -> Vec<String> {
        let Some((Value::Secret(url), _)) = self.values.get("database", "url") else { return Vec::new() };
        let query = url.expose().split('#').next().and_then(|url| url.split_once('?')).map_or("", |(_, query)| query);
        let names = query.split('&').filter(|pair| !pair.is_empty());
        names
            .map(|pair| pair.split('=').next().unwrap_or_default().replace("%5B", "[").replace("%5b", "[").to_owned())
            .collect()
    }

    fn registry_access_is_whole(&mut self) {
        if !self.values.is_absent("registry", "password") && self.values.is_absent("registry", "username") {
            let text = "registry.password has no effect without registry.username: give both or neither";
            self.add(&[("registry", "password")], text.to_owned());
        }
        let Some(url) = self.text("registry", "url") else { return };
        let authority = url.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
        // Behind an @ that is no part of a path there was a password with a slash or a question mark in it.
        let cut_to_pieces = url.split(['?', '#']).nth(1).is_some_and(|rest| rest.contains('@'));
        if authority.is_some_and(|host| host.contains('@')) || cut_to_pieces {
            let text = "registry.url holds a user name: move it to registry.username and registry.password, which are kept secret";
            self.add(&[("registry", "url")], text.to_owned());
        } else if url.contains(['?', '#']) {
            let text = "registry.url goes on behind its path: write only the base URL, and credentials in registry.username and registry.password";
            self.add(&[("registry", "url")], text.to_owned());
        }
        if !url.starts_with("https://") && !self.values.is_absent("registry", "ssl_ca_file") {
            let text =
                "registry.ssl_ca_file has no effect with an http URL: write https:// in registry.url, or remove it";
            self.add(&[("registry", "ssl_ca_file")], text.to_owned());
        }
    }
}

/// A file of PEM; keys may not be UTF-8 in their comments.
fn read_pem(path: &str) -> std::io::Result<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(PEM_MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
