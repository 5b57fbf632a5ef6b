//! The configuration as its user meets it: files and variables in, a typed configuration or a list of problems out.

use super::*;

mod combinations;
mod secrets;

/// What must be given.
const REQUIRED: [(&str, &str); 3] = [
    ("ORDERSTREAM__KAFKA__BROKERS", "kafka:9092"),
    ("ORDERSTREAM__REGISTRY__URL", "http://registry:8081"),
    ("ORDERSTREAM__DATABASE__URL", "postgres://orderstream@db/orderstream"),
];

/// Reads a file's text and variables, and nothing else.
fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let environment: Environment = variables.iter().copied().collect();
    Config::read(Some(("o.toml", text)), &environment).map_err(|problems| problems.to_string())
}

/// Reads a file's text; variables give what must be given, and more.
fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    read(text, &[&REQUIRED, variables].concat())
}

/// A file that is gone with the test.
struct Temporary(std::path::PathBuf);

impl Temporary {
    fn holding(text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("orderstream-config-{}", uuid::Uuid::new_v4()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn three_settings_are_enough() {
    let config = read_with("", &[]).unwrap();
    assert_eq!(config.kafka.brokers, "kafka:9092");
    assert_eq!(config.kafka.session_timeout, Duration::from_secs(8));
    assert_eq!(config.kafka.security_protocol, SecurityProtocol::Plaintext);
    assert_eq!(config.topics.status, "order-status");
    assert_eq!((config.topics.order, config.kafka.instance), (None, None));
    assert_eq!(config.worker.writers, 4);
    assert_eq!(config.worker.batch_max_bytes, 8 << 20);
    assert_eq!(config.worker.emitted_record_max_bytes, 1_000_000);
    assert_eq!(config.metrics.listen.to_string(), "127.0.0.1:9464");
    assert!(!config.registry.register_on_start);
}

#[test]
fn no_file_is_needed_when_the_environment_says_enough() {
    assert!(load(None, &REQUIRED.into_iter().collect()).is_ok());
}

#[test]
fn the_environment_wins_over_the_file_for_every_setting() {
    let variables = [("ORDERSTREAM__KAFKA__GROUP", "blue"), ("ORDERSTREAM__WORKER__WRITERS", "2")];
    let config = read_with("[kafka]\ngroup = \"green\"\n[worker]\nwriters = 8\n", &variables).unwrap();
    assert_eq!((config.kafka.group.as_str(), config.worker.writers), ("blue", 2));
    for setting in SECTIONS.iter().flat_map(|section| section.settings) {
        let Some(value) = setting.rule.default.or(setting.rule.example) else { continue };
        if let Kind::Properties = setting.rule.kind {
            continue;
        }
        let problems = read("", &[(&setting.variable(), value)]).err().unwrap_or_default();
        assert!(!problems.contains("no setting has this variable"), "{problems}");
    }
}

#[test]
fn an_empty_variable_takes_an_optional_setting_back_and_no_other() {
    let text = "[topics]\norder = \"orders\"\n";
    assert_eq!(read_with(text, &[("ORDERSTREAM__TOPICS__ORDER", "")]).unwrap().topics.order, None);
    let error = read_with(text, &[("ORDERSTREAM__TOPICS__STATUS", "")]).unwrap_err();
    assert!(error.starts_with("ORDERSTREAM__TOPICS__STATUS: topics.status = ``: "), "{error}");
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let text = "\
[kafka]
sesion_timeout = \"9s\"
heartbeat_interval = \"9s\"
[topics]
payment = \"a\"
inventory = \"a\"
[worker]
writers = 65
drain_timeout = \"soon\"
[databse]
url = \"postgres://x\"
";
    let variables = [("ORDERSTREAM__LOG__FORMAT", "xml"), ("ORDERSTREAM__KAFKA__BROKER", "x:1")];
    let problems = read(text, &variables).unwrap_err();
    let expected = [
        "o.toml:2: `sesion_timeout` is not a setting of [kafka]; did you mean `session_timeout`?",
        "o.toml:3: kafka.heartbeat_interval = `9s` is not below a third of kafka.session_timeout = `8s`: shorten the first or lengthen the second",
        "o.toml:6: topics.payment and topics.inventory are both `a`: give each its own topic",
        "o.toml:8: worker.writers = `65`: write a whole number from 1 to 64",
        "o.toml:9: worker.drain_timeout = `soon`: write whole numbers with units, such as `500ms`, `8s`, `15m`, `24h` or `1h30m`",
        "o.toml:10: `[databse]` is not a section; did you mean `[database]`?",
        "ORDERSTREAM__KAFKA__BROKER: no setting has this variable; did you mean `ORDERSTREAM__KAFKA__BROKERS`?",
        "ORDERSTREAM__LOG__FORMAT: log.format = `xml`: write one of text, json",
        "database.url: must be given: write it in [database] or set ORDERSTREAM__DATABASE__URL",
        "kafka.brokers: must be given: write it in [kafka] or set ORDERSTREAM__KAFKA__BROKERS",
        "registry.url: must be given: write it in [registry] or set ORDERSTREAM__REGISTRY__URL",
    ];
    assert_eq!(problems.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn numbers_may_be_written_in_every_form_that_toml_has() {
    let config =
        read_with("[worker]\nwriters = 0x10\nbatch_max_records = 20_000\nlane_queue_bytes = \"2MiB\"\n", &[]).unwrap();
    assert_eq!((config.worker.writers, config.worker.batch_max_records), (16, 20_000));
    assert_eq!(config.worker.lane_queue_bytes, 2 << 20);
}

#[test]
fn a_key_in_the_wrong_section_or_in_none_is_shown_its_place() {
    let error = read("brokers = \"a:1\"\n[topics]\nwriters = 3\nkafka = 1\n", &[]).unwrap_err();
    assert!(error.contains("o.toml:1: `brokers` is outside of any section: write it below its section; did you mean `brokers` of [kafka]?"), "{error}");
    assert!(
        error.contains("o.toml:3: `writers` is not a setting of [topics]; did you mean `writers` of [worker]?"),
        "{error}"
    );
    assert!(read("kafka = 3\n", &[]).unwrap_err().contains("write [kafka] and its settings below"));
}

#[test]
fn of_a_file_that_is_not_toml_only_that_is_said_beside_wrong_variables() {
    let error = read("[kafka]\nbrokers = \n", &[("ORDERSTREAM__LOG__FROMAT", "json")]).unwrap_err();
    let lines: Vec<&str> = error.lines().collect();
    assert!(lines[0].starts_with("o.toml:2: is not TOML: "), "{error}");
    assert!(lines[1].starts_with("ORDERSTREAM__LOG__FROMAT: "), "{error}");
    assert_eq!(lines.len(), 2);
}

#[test]
fn a_missing_file_is_one_clear_problem() {
    let problems = load(Some(Path::new("/nonexistent/o.toml")), &Environment::default()).unwrap_err();
    assert_eq!(problems.count(), 1);
    assert!(problems.to_string().starts_with("/nonexistent/o.toml: it cannot be read ("), "{problems}");
}

#[test]
fn properties_of_librdkafka_are_merged_over_the_sources_and_the_fixed_ones_refused() {
    let text = "[kafka.properties]\n\"client.rack\" = \"a\"\nsocket.keepalive.enable = true\n\"batch.size\" = 0\n";
    let config = read_with(text, &[("ORDERSTREAM__KAFKA__PROPERTIES__CLIENT_RACK", "b")]).unwrap();
    let properties: Vec<_> = config.kafka.properties.iter().collect();
    assert_eq!(properties, [("batch.size", "0"), ("client.rack", "b"), ("socket.keepalive.enable", "true")]);

    let text = "[kafka.properties]\nacks = 1\n\"isolation.level\" = \"read_uncommitted\"\n";
    let error = read_with(text, &[("ORDERSTREAM__KAFKA__PROPERTIES__GROUP_ID", "x")]).unwrap_err();
    assert!(
        error.contains("kafka.properties.acks: it cannot be set: it is all: fewer acknowledgements lose"),
        "{error}"
    );
    assert!(error.contains("kafka.properties.isolation.level: it cannot be set"), "{error}");
    assert!(
        error.contains(
            "ORDERSTREAM__KAFKA__PROPERTIES__GROUP_ID: kafka.properties.group.id: it cannot be set: use kafka.group"
        ),
        "{error}"
    );
}

#[test]
fn each_value_says_where_it_comes_from() {
    let text = "[kafka]\nbrokers = \"kafka:9092\"\n[database]\nurl = \"postgres://u:p@db/o\"\n[registry]\nurl = \"http://r\"\n";
    let config = read(text, &[("ORDERSTREAM__LOG__FORMAT", "json")]).unwrap();
    let shown = |name: &str| {
        let shown = config.shown().find(|shown| shown.setting.name() == name).unwrap();
        format!("{} ({})", shown.value, shown.origin)
    };
    assert_eq!(shown("kafka.brokers"), "kafka:9092 (o.toml:2)");
    assert_eq!(shown("log.format"), "json (ORDERSTREAM__LOG__FORMAT)");
    assert_eq!(shown("policy.payment_retry_window"), "24h (default)");
    assert_eq!(shown("database.url"), "******** (o.toml:4)");
    assert_eq!(
        config.redacted(),
        "kafka.brokers=kafka:9092 registry.url=http://r database.url=******** log.format=json"
    );
}

#[test]
fn the_order_policy_follows_the_topics_unless_it_is_written() {
    let shell = |text: &str| read_with(text, &[]).unwrap().order_policy().shell;
    assert_eq!(shell(""), Shell::Trust);
    assert_eq!(shell("[topics]\norder = \"orders\"\n"), Shell::Wait);
    assert_eq!(shell("[topics]\norder = \"orders\"\n[policy]\nshell = \"trust\"\n"), Shell::Trust);
    assert_eq!(read_with("", &[]).unwrap().order_policy(), order::Policy::default());
}

#[test]
fn the_table_is_sound() {
    for section in SECTIONS {
        assert!(section.settings.iter().all(|setting| setting.section == section.name));
        for setting in section.settings {
            let Rule { required, default, secret, .. } = setting.rule;
            assert!(!(required && default.is_some()), "{}: what must be given has no default", setting.name());
            assert!(!setting.doc.is_empty() && setting.key == setting.key.to_lowercase(), "{}", setting.name());
            assert!(!secret || matches!(setting.rule.kind, Kind::Text | Kind::Url(_)), "{}", setting.name());
            assert!(!setting.key.ends_with("_file") || matches!(setting.rule.kind, Kind::Path), "{}", setting.name());
        }
    }
}
