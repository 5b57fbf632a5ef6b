//! What a failed TLS handshake means, in words that name the setting to look at. Pure.
//!
//! OpenSSL's own words are kept, since they are what people search for; behind them comes what to do. The same for Kafka, Postgres and
//! the registry.

/// The settings that a remedy may name.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// Where the server is, as in `kafka.brokers`.
    pub address: &'static str,
    /// Who may have signed its certificate.
    pub authority: &'static str,
    /// Which certificate we show.
    pub certificate: &'static str,
}

/// What to do about a handshake that failed with these words.
#[must_use]
pub fn remedy(said: &str, names: Names) -> String {
    let Names { address, authority, certificate } = names;
    let said = said.to_lowercase();
    let any = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
    if any(&["hostname mismatch", "ip address mismatch"]) {
        format!(
            "its certificate is made out to another name: write that name in {address}, or give the server a certificate for this one"
        )
    } else if any(&["certificate has expired"]) {
        "its certificate has expired: give the server a new one".to_owned()
    } else if any(&["not yet valid"]) {
        "its certificate is not valid yet: compare the clocks".to_owned()
    } else if any(&["local issuer", "self-signed", "self signed", "unable to get issuer", "signature failure"]) {
        format!(
            "its certificate is not signed by an authority that we trust: name the one that signed it in {authority}"
        )
    } else if any(&["certificate could not be verified"]) {
        // librdkafka does not say more.
        format!(
            "its certificate has expired, is made out to another name than in {address}, or is not signed by an authority of {authority}"
        )
    } else if any(&["alert", "certificate required", "client ssl authentication"]) {
        format!("it does not accept us: it may want a certificate, or another one, in {certificate}")
    } else if any(&["does not support tls", "wrong version number", "record layer", "packet length"]) {
        format!("it speaks no TLS there: correct {address}, or how the connection is to be protected")
    } else {
        format!("compare {address}, {authority} and {certificate} with the server's set-up")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_remedy_that_names_a_setting() {
        let names = Names { address: "x.url", authority: "x.ssl_ca_file", certificate: "x.ssl_certificate_file" };
        for (said, part) in [
            ("certificate verify failed (hostname mismatch)", "write that name in x.url"),
            ("certificate verify failed (IP address mismatch)", "write that name in x.url"),
            ("certificate verify failed (certificate has expired)", "give the server a new one"),
            ("certificate verify failed (unable to get local issuer certificate)", "in x.ssl_ca_file"),
            ("certificate verify failed (self-signed certificate in certificate chain)", "in x.ssl_ca_file"),
            ("certificate verify failed: broker certificate could not be verified", "an authority of x.ssl_ca_file"),
            ("tlsv13 alert certificate required", "in x.ssl_certificate_file"),
            ("server does not support TLS", "correct x.url"),
            ("something new", "compare x.url, x.ssl_ca_file and x.ssl_certificate_file"),
        ] {
            assert!(remedy(said, names).contains(part), "{said}");
        }
    }
}
