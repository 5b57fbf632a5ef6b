//! What must fit together for spans to be pushed.
//!
//! Invariant: a message never quotes a URL that may hold a password.

use super::Rules;

impl Rules<'_> {
    pub(super) fn telemetry_is_whole(&mut self) {
        if self.values.is_absent("telemetry", "otlp_endpoint") {
            for key in ["otlp_headers", "ssl_ca_file"] {
                if !self.values.is_absent("telemetry", key) {
                    let text = format!(
                        "telemetry.{key} has no effect without telemetry.otlp_endpoint: name the receiver there, or remove it"
                    );
                    self.add(&[("telemetry", key)], text);
                }
            }
        }
        let Some(url) = self.text("telemetry", "otlp_endpoint") else { return };
        if url.contains('@') {
            // Wherever it stands: behind a password with a slash in it there is no telling.
            let text = "telemetry.otlp_endpoint holds an @: write a plain URL there, and credentials in telemetry.otlp_headers, which is kept secret";
            self.add(&[("telemetry", "otlp_endpoint")], text.to_owned());
        } else if url.contains(['?', '#']) {
            let text = "telemetry.otlp_endpoint goes on behind its path: write only the base URL, and keys in telemetry.otlp_headers";
            self.add(&[("telemetry", "otlp_endpoint")], text.to_owned());
        } else if url.trim_end_matches('/').ends_with("/v1/traces") {
            let text = format!(
                "telemetry.otlp_endpoint = `{url}` ends with /v1/traces, which is added to it: write the base URL"
            );
            self.add(&[("telemetry", "otlp_endpoint")], text);
        }
        if !url.starts_with("https://") && !self.values.is_absent("telemetry", "ssl_ca_file") {
            let text = "telemetry.ssl_ca_file has no effect with an http URL: write https:// in telemetry.otlp_endpoint, or remove it";
            self.add(&[("telemetry", "ssl_ca_file")], text.to_owned());
        }
    }
}
