//! Certificates for one run: an authority made afresh, and what it signs. Nothing of it is ever kept.
//!
//! Invariant: what is called good is good for everything that a server or client checks; what is not differs in the one thing that its
//! name says.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name};

const DAY: i64 = 24 * 60 * 60;

/// An authority, which signs.
pub struct Authority {
    key: PKey<Private>,
    certificate: X509,
}

/// A certificate with its key, both PEM.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The key, PKCS#8.
    pub key: String,
}

/// How long a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Valid {
    /// From yesterday until tomorrow.
    Now,
    /// Until yesterday.
    Expired,
}

impl Authority {
    /// A new one of this name.
    ///
    /// # Errors
    /// OpenSSL refuses.
    pub fn new(name: &str) -> Result<Self> {
        let key = key()?;
        let mut builder = builder(name, Valid::Now, &key)?;
        let issuer = named(name)?;
        builder.set_issuer_name(&issuer)?;
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { certificate: builder.build(), key })
    }

    /// Its own certificate, PEM.
    ///
    /// # Errors
    /// OpenSSL refuses.
    pub fn pem(&self) -> Result<String> {
        Ok(String::from_utf8(self.certificate.to_pem()?)?)
    }

    /// Signs a certificate made out to a common name and to hosts, which are names or addresses.
    ///
    /// # Errors
    /// OpenSSL refuses.
    pub fn issue(&self, name: &str, hosts: &[&str], valid: Valid) -> Result<Issued> {
        let key = key()?;
        let mut builder = builder(name, valid, &key)?;
        builder.set_issuer_name(self.certificate.subject_name())?;
        builder.append_extension(BasicConstraints::new().build()?)?;
        builder.append_extension(ExtendedKeyUsage::new().server_auth().client_auth().build()?)?;
        if !hosts.is_empty() {
            let mut names = SubjectAlternativeName::new();
            for host in hosts {
                let is_address = host.parse::<std::net::IpAddr>().is_ok();
                if is_address {
                    names.ip(host)
                } else {
                    names.dns(host)
                };
            }
            let names = names.build(&builder.x509v3_context(Some(&self.certificate), None))?;
            builder.append_extension(names)?;
        }
        builder.sign(&self.key, MessageDigest::sha256())?;
        Ok(Issued {
            certificate: String::from_utf8(builder.build().to_pem()?)?,
            key: String::from_utf8(key.private_key_to_pem_pkcs8()?)?,
        })
    }
}

impl Issued {
    /// Writes `<name>.pem` and `<name>.key`, and both together as `<name>.all`; returns the three paths.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&self, directory: &Path, name: &str) -> Result<[PathBuf; 3]> {
        let all = format!("{}{}", self.key, self.certificate);
        let written = [("pem", &self.certificate), ("key", &self.key), ("all", &all)].map(|(extension, text)| {
            let path = directory.join(format!("{name}.{extension}"));
            std::fs::write(&path, text).with_context(|| format!("`{}` cannot be written", path.display()))?;
            Ok::<_, anyhow::Error>(path)
        });
        let [certificate, key, all] = written;
        Ok([certificate?, key?, all?])
    }
}

fn key() -> Result<PKey<Private>> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    Ok(PKey::from_ec_key(EcKey::generate(&group)?)?)
}

fn named(name: &str) -> Result<X509Name> {
    let mut builder = X509Name::builder()?;
    builder.append_entry_by_nid(Nid::COMMONNAME, name)?;
    Ok(builder.build())
}

fn builder(name: &str, valid: Valid, key: &PKey<Private>) -> Result<X509Builder> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs().cast_signed();
    let until = match valid {
        Valid::Now => now + DAY,
        Valid::Expired => now - DAY,
    };
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_not_before(&*Asn1Time::from_unix(now - 3 * DAY)?)?;
    builder.set_not_after(&*Asn1Time::from_unix(until)?)?;
    let subject = named(name)?;
    builder.set_subject_name(&subject)?;
    builder.set_pubkey(key)?;
    Ok(builder)
}
