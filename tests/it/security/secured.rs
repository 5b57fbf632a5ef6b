//! The servers, their certificates, their users and the configuration of a worker that is let in.
//!
//! Every password here is a canary: a text that stands nowhere else, so that it can be searched for. Invariant: workers reach the
//! servers only over TLS and with rights of their own; plain and almighty ways are for the harness alone.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use orderstream_harness::certificates::{Authority, Issued, Valid};
use orderstream_harness::config_file::ConfigFile;
use orderstream_harness::kafka_admin::{self, Grant};
use orderstream_harness::servers::{
    Cluster, Listener, Plan, Postgres, Protocol, Registry, Settings, free_port, give_to_server,
};
use orderstream_harness::stack::Stack;
use orderstream_harness::tls_front::TlsFront;
use sqlx::{AssertSqlSafe, Executor};
use tokio::sync::Mutex;

use crate::patience;
use crate::stage::Stage;

/// Users of Kafka that each lack one right, at most.
const LACKING: usize = 10;

/// The servers, and a deployment on them.
pub struct Secured {
    pub authority: Authority,
    pub cluster: Mutex<Cluster>,
    pub postgres: Postgres,
    pub registry: Registry,
    pub registry_tls_port: u16,
    /// A front with basic authentication.
    pub front: TlsFront,
    pub stage: Stage,
    pub directory: PathBuf,
}

/// A password that stands nowhere else. With characters that URLs and shells would change.
pub fn canary(of: &str) -> String {
    format!("k4n4ry-{of}-{}+q/Z=", std::process::id())
}

impl Secured {
    pub async fn start() -> Self {
        let directory = std::env::temp_dir().join(format!("it_security_{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let [authority, stranger] =
            ["orderstream test", "a stranger"].map(|name| Authority::new(name).expect("an authority"));
        write(&directory, "ca.pem", &authority.pem().expect("PEM"));
        write(&directory, "stranger.pem", &stranger.pem().expect("PEM"));
        let registry_tls_port = free_port().expect("a port");
        let server = issue(&authority, &["127.0.0.1"], Valid::Now);
        server.write(&directory, "server").expect("written");
        issue(&authority, &["127.0.0.1"], Valid::Expired).write(&directory, "expired").expect("written");
        issue(&authority, &["elsewhere.example"], Valid::Now).write(&directory, "elsewhere").expect("written");
        authority
            .issue("certified", &[], Valid::Now)
            .and_then(|issued| issued.write(&directory, "certified"))
            .expect("written");
        let (cluster, postgres, registry) = tokio::join!(
            Cluster::start(&directory, plan(&directory)),
            postgres(&directory),
            registry(&directory, registry_tls_port)
        );
        let (cluster, registry) = (cluster.expect("a broker"), registry.expect("a registry"));
        let front = TlsFront::before(registry.port(), &server, Some(basic(&canary("registry")))).expect("a front");
        let stack = Stack {
            brokers: cluster.bootstrap("CLIENTS").expect("a listener"),
            registry: registry.url(),
            database: postgres.url(),
        };
        let stage = Stage::on(&stack, "security", 1).await;
        let cluster = Mutex::new(cluster);
        let secured = Self { authority, cluster, postgres, registry, registry_tls_port, front, stage, directory };
        secured.grant_rights();
        secured.make_roles().await;
        secured
    }

    /// The address of one of the broker's listeners.
    pub async fn broker(&self, listener: &str) -> String {
        self.cluster.lock().await.bootstrap(listener).expect("a listener")
    }

    /// A file of the test.
    pub fn file(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    /// Writes a file of the test.
    pub fn write(&self, name: &str, text: &str) -> String {
        write(&self.directory, name, text);
        self.file(name)
    }

    /// The configuration of a worker that reaches Kafka as this user over TLS, and everything else as the harness does.
    pub async fn with_kafka(&self, listener: &str, mechanism: &str, user: &str, password: &str) -> ConfigFile {
        let mut config = self.stage.config.clone();
        config.set("kafka.brokers", self.broker(listener).await).set("kafka.security_protocol", "sasl_ssl");
        config
            .set("kafka.sasl_mechanism", mechanism)
            .set("kafka.sasl_username", user)
            .set("kafka.sasl_password", password);
        config.set("kafka.ssl_ca_file", self.file("ca.pem"));
        config
    }

    /// The database's URL for a user, without a password.
    pub fn database(&self, user: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{}", self.postgres.port(), self.stage.database.name())
    }

    /// The configuration with TLS and least rights everywhere, secrets in files.
    pub async fn least(&self) -> ConfigFile {
        let mut config = self.with_kafka("SECURE", "SCRAM-SHA-512", "orderstream", "").await;
        config
            .unset("kafka.sasl_password")
            .set("kafka.sasl_password_file", self.write("kafka.secret", &canary("scram")));
        config.set("database.url", self.database("orderstream_worker")).set("database.ssl_mode", "verify-full");
        config.set("database.ssl_ca_file", self.write("postgres-ca.pem", &self.authority.pem().expect("PEM")));
        config.set("database.password_file", self.write("postgres.secret", &canary("worker")));
        config.set("registry.url", format!("https://127.0.0.1:{}/apis/ccompat/v7", self.front.port()));
        config.set("registry.ssl_ca_file", self.file("ca.pem")).set("registry.username", "orderstream");
        config.set("registry.password_file", self.write("registry.secret", &canary("registry")));
        config
    }

    /// Runs a command under a configuration; returns its exit code and all that it said.
    pub fn run(&self, config: &ConfigFile, arguments: &[&str]) -> (i32, String) {
        let path = self.directory.join(format!("{}.toml", uuid::Uuid::new_v4().simple()));
        config.write(&path).expect("a file");
        let output = self.stage.program.output(&path, arguments).expect("it runs");
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).join("");
        (output.status.code().unwrap_or(-1), said)
    }

    /// A command ends with this code and says all of this.
    pub fn says(&self, config: &ConfigFile, arguments: &[&str], code: i32, words: &[&str]) {
        let (exit, said) = self.run(config, arguments);
        assert_eq!(exit, code, "{arguments:?}: {said}");
        words.iter().for_each(|word| assert!(said.contains(word), "{arguments:?}: `{word}` is not in:\n{said}"));
    }

    /// A statement as an administrator of the database.
    pub async fn administer(&self, statement: &str) {
        let mut connection = self.stage.database.connect().await.expect("postgres answers");
        connection.execute(AssertSqlSafe(statement.to_owned())).await.expect(statement);
    }

    /// Gives Postgres another certificate, and waits until it shows it to a command that trusts it.
    pub async fn install(&self, name: &str) {
        for (from, to) in [("pem", "server.crt"), ("key", "server.key")] {
            lend(&self.directory.join(format!("{name}.{from}")), &self.postgres.data().join(to));
        }
        self.administer("select pg_reload_conf()").await;
    }

    /// The rights of a worker, as `deploy/kafka/acls.sh` prints them.
    pub fn rights(&self) -> Vec<Grant> {
        let topics = &self.stage.deployment.topics;
        let inputs: Vec<&str> = topics.inputs().map(|(_, name)| name).collect();
        let outputs: Vec<&str> = topics.outputs().collect();
        let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kafka/acls.sh"));
        script
            .env("INPUTS", inputs.join(" "))
            .env("OUTPUTS", outputs.join(" "))
            .env("GROUP", &self.stage.deployment.group);
        let output = script.output().expect("the script runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let commands = String::from_utf8(output.stdout).expect("text");
        commands.lines().flat_map(|line| Grant::of_command(line).expect("a command")).collect()
    }

    /// The users of Kafka get their rights: one has all, each other all but one.
    fn grant_rights(&self) {
        let rights = self.rights();
        assert!(rights.len() <= LACKING, "as many users as rights");
        let mut grants: Vec<(String, &Grant)> = Vec::new();
        for right in &rights {
            grants.extend(["orderstream", "plain"].map(|user| (user.to_owned(), right)));
        }
        for (number, _) in rights.iter().enumerate() {
            let others = rights.iter().enumerate().filter(|(other, _)| *other != number);
            grants.extend(others.map(|(_, right)| (format!("lacking{number}"), right)));
        }
        let grants: Vec<(&str, &Grant)> = grants.iter().map(|(user, right)| (user.as_str(), *right)).collect();
        kafka_admin::grant(&self.stage.deployment.stack.brokers, &grants).expect("granted");
    }

    async fn make_roles(&self) {
        self.administer(include_str!("../../../deploy/postgres/role.sql")).await;
        for (role, of) in
            [("orderstream_owner", "owner"), ("orderstream_worker", "worker"), ("orderstream_reader", "reader")]
        {
            self.administer(&format!("alter role {role} password '{}'", canary(of))).await;
        }
        self.administer("create role certified login; grant orderstream_reader to certified").await;
    }

    pub async fn end(self) {
        self.stage.strike().await;
        std::fs::remove_dir_all(&self.directory).expect("removed");
    }
}

/// What a registry's client says who has this password.
pub fn basic(password: &str) -> String {
    format!("Basic {}", base64(&format!("orderstream:{password}")))
}

/// Standard base64.
pub fn base64(text: &str) -> String {
    openssl::base64::encode_block(text.as_bytes())
}

fn write(directory: &Path, name: &str, text: &str) {
    std::fs::write(directory.join(name), text).expect("written");
}

/// Copies a file for the database server alone, which takes no key that others may read.
fn lend(from: &Path, to: &Path) {
    std::fs::copy(from, to).expect("copied");
    std::fs::set_permissions(to, PermissionsExt::from_mode(0o600)).expect("its owner's alone");
    give_to_server(to).expect("given");
}

fn issue(authority: &Authority, hosts: &[&str], valid: Valid) -> Issued {
    authority.issue("server", hosts, valid).expect("issued")
}

/// One broker: a plain listener for the harness, whose nobody may do everything, and one for each kind of trouble.
fn plan(directory: &Path) -> Plan {
    let path = |name: &str| directory.join(name).display().to_string();
    let mut plan = Plan::single()
        .with("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer")
        .with("super.users", "User:ANONYMOUS")
        .with("ssl.keystore.type", "PEM")
        .with("ssl.truststore.type", "PEM")
        .with("ssl.truststore.location", path("ca.pem"));
    for (name, protocol, certificate) in [
        ("SECURE", Protocol::SaslSsl, "server"),
        ("EXPIRED", Protocol::SaslSsl, "expired"),
        ("ELSEWHERE", Protocol::SaslSsl, "elsewhere"),
        ("MUTUAL", Protocol::Ssl, "server"),
    ] {
        plan.listeners.push(Listener { name: name.to_owned(), protocol, advertise: None });
        let key = |rest: &str| format!("listener.name.{}.{rest}", name.to_lowercase());
        plan = plan.with(&key("ssl.keystore.location"), path(&format!("{certificate}.all")));
        if protocol == Protocol::SaslSsl {
            let users = (0..LACKING).map(|number| format!("lacking{number}")).chain(["plain".to_owned()]);
            let users = users.map(|user| format!("user_{user}=\"{}\"", canary("plain"))).collect::<Vec<_>>().join(" ");
            let plain = "org.apache.kafka.common.security.plain.PlainLoginModule required";
            let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
            plan = plan
                .with(&key("sasl.enabled.mechanisms"), "PLAIN,SCRAM-SHA-512")
                .with(&key("plain.sasl.jaas.config"), format!("{plain} {users};"))
                .with(&key("scram-sha-512.sasl.jaas.config"), scram);
        } else {
            plan = plan.with(&key("ssl.client.auth"), "required");
        }
    }
    plan.format_arguments =
        vec!["--add-scram".to_owned(), format!("SCRAM-SHA-512=[name=orderstream,password={}]", canary("scram"))];
    plan
}

/// A database server that nobody reaches without TLS.
async fn postgres(directory: &Path) -> Postgres {
    let settings = Settings::default();
    let mut postgres = Postgres::start_in(directory, &settings).await.expect("postgres");
    for (from, to) in [("server.pem", "server.crt"), ("server.key", "server.key"), ("ca.pem", "clients.crt")] {
        lend(&directory.join(from), &postgres.data().join(to));
    }
    let on = [
        ("ssl", "on"),
        ("ssl_cert_file", "server.crt"),
        ("ssl_key_file", "server.key"),
        ("ssl_ca_file", "clients.crt"),
    ];
    let settings = Settings {
        settings: on.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
        hba: vec![
            "hostssl all certified 127.0.0.1/32 cert".to_owned(),
            "hostssl all all 127.0.0.1/32 scram-sha-256".to_owned(),
        ],
        data: None,
    };
    postgres.configure(&settings).expect("configured");
    postgres.stop(orderstream_harness::servers::Shutdown::Fast).await.expect("stopped");
    postgres.start().await.expect("started");
    postgres
}

/// A registry that serves HTTPS itself, beside the plain port that the harness uses.
async fn registry(directory: &Path, tls_port: u16) -> anyhow::Result<Registry> {
    let path = |name: &str| directory.join(name).display().to_string();
    let (port, certificate, key) = (tls_port.to_string(), path("server.pem"), path("server.key"));
    let properties = [
        ("quarkus.http.ssl-port", port.as_str()),
        ("quarkus.http.ssl.certificate.files", certificate.as_str()),
        ("quarkus.http.ssl.certificate.key-files", key.as_str()),
        ("quarkus.http.insecure-requests", "enabled"),
    ];
    let registry = Registry::start_in(directory, &properties).await?;
    patience::until("the registry to serve TLS", async || {
        Ok(std::net::TcpStream::connect(("127.0.0.1", tls_port)).is_ok())
    })
    .await?;
    Ok(registry)
}
