//! Settings that are one word out of a few, as enums, so that a stage matches them exhaustively.
//!
//! The words are the ones written in the file; the same list makes the range check, the example and the error's remedy.

use super::typed::FromValue;
use super::value::Value;

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The words for it, in the order of the variants.
            pub const WORDS: &[&str] = &[$($word,)+];

            /// The word for it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl FromValue for $name {
            fn from_value(value: Option<&Value>) -> Option<Self> {
                match value?.as_text()? { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

choice! {
    /// How the connection to the brokers is protected.
    SecurityProtocol {
        /// Neither encrypted nor authenticated.
        Plaintext = "plaintext",
        /// Encrypted; the client may show a certificate.
        Ssl = "ssl",
        /// Authenticated by SASL, not encrypted.
        SaslPlaintext = "sasl_plaintext",
        /// Authenticated by SASL, encrypted.
        SaslSsl = "sasl_ssl",
    }
}

impl SecurityProtocol {
    /// Whether a user name and a password are used.
    #[must_use]
    pub fn uses_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    /// Whether certificates are used.
    #[must_use]
    pub fn uses_ssl(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }
}

choice! {
    /// How a SASL password is shown to the broker.
    SaslMechanism {
        /// In clear; only sensible inside TLS.
        Plain = "PLAIN",
        /// Salted challenge and response with SHA-256.
        ScramSha256 = "SCRAM-SHA-256",
        /// Salted challenge and response with SHA-512.
        ScramSha512 = "SCRAM-SHA-512",
    }
}

choice! {
    /// How the connection to Postgres is protected, in libpq's words.
    SslMode {
        /// Not encrypted.
        Disable = "disable",
        /// Encrypted where the server can.
        Prefer = "prefer",
        /// Encrypted, to whoever answers.
        Require = "require",
        /// Encrypted, to a server whose certificate the authority signed.
        VerifyCa = "verify-ca",
        /// Encrypted, to the server of that name whose certificate the authority signed.
        VerifyFull = "verify-full",
    }
}

impl SslMode {
    /// Whether the server's certificate is looked at.
    #[must_use]
    pub fn verifies(self) -> bool {
        matches!(self, Self::VerifyCa | Self::VerifyFull)
    }
}

choice! {
    /// What money means for an order that was never placed (DOMAIN section 5).
    ShellPolicy {
        /// Any money that is authorized or captured counts as the whole total.
        Trust = "trust",
        /// Such an order is never secured or settled.
        Wait = "wait",
    }
}

choice! {
    /// The form of log lines.
    LogFormat {
        /// One line for a person.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_as_the_variant_that_prints_it() {
        for word in SecurityProtocol::WORDS {
            let value = Value::Text((*word).to_owned());
            assert_eq!(SecurityProtocol::from_value(Some(&value)).map(SecurityProtocol::as_str), Some(*word));
        }
        assert_eq!(LogFormat::from_value(Some(&Value::Text("xml".to_owned()))), None);
    }

    #[test]
    fn sasl_over_tls_uses_both() {
        assert!(SecurityProtocol::SaslSsl.uses_sasl() && SecurityProtocol::SaslSsl.uses_ssl());
        assert!(!SecurityProtocol::Plaintext.uses_sasl() && !SecurityProtocol::Plaintext.uses_ssl());
    }
}
