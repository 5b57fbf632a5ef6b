//! Who is not let in by the registry, over its own HTTPS and behind a front with a password.

use orderstream_harness::certificates::Valid;
use orderstream_harness::config_file::ConfigFile;
use orderstream_harness::tls_front::TlsFront;

use super::secured::{Secured, canary};

const CONFIG: i32 = 78;
const REGISTER: [&str; 2] = ["schema", "register"];

pub async fn refusals(secured: &Secured) {
    let expired = secured.authority.issue("server", &["127.0.0.1"], Valid::Expired).expect("issued");
    let expired = TlsFront::before(secured.registry.port(), &expired, None).expect("a front");
    let own = at(secured, "127.0.0.1", secured.registry_tls_port);
    secured.says(&own, &REGISTER, 0, &["OrderStatusChanged"]);

    let mut stranger = own.clone();
    stranger.set("registry.ssl_ca_file", secured.file("stranger.pem"));
    let url = format!("https://127.0.0.1:{}", secured.registry_tls_port);
    secured.says(&stranger, &REGISTER, CONFIG, &[&url, "name the one that signed it in registry.ssl_ca_file"]);
    let mut system = own.clone();
    system.unset("registry.ssl_ca_file");
    secured.says(&system, &REGISTER, CONFIG, &["name the one that signed it in registry.ssl_ca_file"]);
    let words = ["mismatch", "write that name in registry.url"];
    secured.says(&at(secured, "localhost", secured.registry_tls_port), &REGISTER, CONFIG, &words);
    let words = ["certificate has expired", "give the server a new one"];
    secured.says(&at(secured, "127.0.0.1", expired.port()), &REGISTER, CONFIG, &words);

    let front = at(secured, "127.0.0.1", secured.front.port());
    secured.says(&front, &REGISTER, CONFIG, &["401", "correct registry.username and registry.password"]);
    let mut user = front.clone();
    user.set("registry.username", "orderstream").set("registry.password", "wrong");
    secured.says(&user, &REGISTER, CONFIG, &["401", "correct registry.username and registry.password"]);
    user.set("registry.password", canary("registry"));
    secured.says(&user, &REGISTER, 0, &["OrderStatusChanged"]);
    // A worker is told the same.
    let mut worker = secured.stage.worker_with("registry-401", |config| *config = front.clone());
    secured.stage.ends(&mut worker, CONFIG, &["401", "correct registry.username and registry.password"]).await;
}

fn at(secured: &Secured, host: &str, port: u16) -> ConfigFile {
    let mut config = secured.stage.config.clone();
    config.set("registry.url", format!("https://{host}:{port}/apis/ccompat/v7"));
    config.set("registry.ssl_ca_file", secured.file("ca.pem"));
    config
}
