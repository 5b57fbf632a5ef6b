//! Where secrets come from, and that they go nowhere else.

use super::*;

#[test]
fn a_secret_may_come_from_a_file_named_in_either_source() {
    let file = Temporary::holding("hunter2\n");
    let in_file = read_with(&format!("[database]\npassword_file = \"{}\"\n", file.path()), &[]).unwrap();
    let in_variable = read_with("", &[("ORDERSTREAM__DATABASE__PASSWORD_FILE", file.path())]).unwrap();
    for config in [in_file, in_variable] {
        assert_eq!(config.database.password.as_ref().unwrap().expose(), "hunter2");
        let shown = config.shown().find(|shown| shown.setting.name() == "database.password").unwrap();
        assert_eq!(shown.origin.to_string(), format!("file {}", file.path()));
    }
}

#[test]
fn a_required_secret_may_come_from_a_file_as_well() {
    let file = Temporary::holding("postgres://u:p@db/o");
    let variables = [REQUIRED[0], REQUIRED[1], ("ORDERSTREAM__DATABASE__URL_FILE", file.path())];
    assert_eq!(read("", &variables).unwrap().database.url.expose(), "postgres://u:p@db/o");
}

#[test]
fn a_secret_and_its_file_in_one_source_are_refused() {
    let file = Temporary::holding("from-file");
    let text = format!("[database]\npassword = \"hunter2\"\npassword_file = \"{}\"\n", file.path());
    let error = read_with(&text, &[]).unwrap_err();
    assert_eq!(error, "o.toml:3: database.password and database.password_file (o.toml:2) are both given: keep one");
}

#[test]
fn a_secret_in_the_environment_replaces_one_in_the_file_whichever_way_each_is_given() {
    let file = Temporary::holding("from-file");
    let text = "[database]\npassword = \"below\"\n";
    let over = read_with(text, &[("ORDERSTREAM__DATABASE__PASSWORD_FILE", file.path())]).unwrap();
    assert_eq!(over.database.password.unwrap().expose(), "from-file");

    let variables = [("ORDERSTREAM__DATABASE__PASSWORD_FILE", ""), ("ORDERSTREAM__DATABASE__PASSWORD", "given")];
    assert_eq!(read_with(text, &variables).unwrap().database.password.unwrap().expose(), "given");
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_with_its_path() {
    let error = read_with("[registry]\nusername = \"u\"\npassword_file = \"/nonexistent\"\n", &[]).unwrap_err();
    assert!(error.contains("registry.password_file = `/nonexistent`: it cannot be read"), "{error}");
}

/// Every way in which a secret could get into a message: right, wrong, misplaced, misspelt, of a wrong type.
#[test]
fn no_secret_is_ever_printed() {
    let texts = [
        "[kafka]\nsasl_password = \"hunter2\"\n",
        "[kafka]\nsasl_pasword = \"hunter2\"\n",
        "[kafka]\nssl_key_password = \"hunter2\\n\"\n",
        "[kafka.properties]\n\"ssl.keystore.password\" = \"hunter2\"\n",
        "[kafka.properties]\n\"sasl.password\" = \"hunter2\"\nacks = \"hunter2\"\n",
        "[database]\npassword = [\"hunter2\"]\n",
        "[databse]\npassword = \"hunter2\"\n",
        "[database]\npassword_file = 1\npassword = \"hunter2\"\n",
        "[registry]\npassword = \"hunter2\"\nusername = \"u\"\n",
        "password = \"hunter2\"\n",
        "[telemetry]\notlp_headers = \"key=hunter2\"\n",
        "[telemetry]\notlp_headers = \"key=hunter2\"\notlp_endpoint = \"http://o\"\n",
    ];
    let variables = [
        ("ORDERSTREAM__DATABASE__URL", "mysql://u:hunter2@db"),
        ("ORDERSTREAM__DATABASE__URL", "postgres://u:hunter2@db"),
        ("ORDERSTREAM__DATABASE__PASWORD", "hunter2"),
        ("ORDERSTREAM__REGISTRY__URL", "http://u:hunter2@registry"),
        ("ORDERSTREAM__REGISTRY__URL", "ftp://u:hunter2@registry"),
        ("ORDERSTREAM__REGISTRY__URL", "http://u:1234?hunter2@registry"),
        ("ORDERSTREAM__REGISTRY__URL", "http://registry/apis?token=hunter2"),
        ("ORDERSTREAM__DATABASE__URL", "postgres://u@db/o?pasword=hunter2"),
        ("ORDERSTREAM__DATABASE__URL", "postgres://u:12/hunter2@db/o"),
        ("ORDERSTREAM__TELEMETRY__OTLP_ENDPOINT", "https://u:hunter2@otlp"),
        ("ORDERSTREAM__TELEMETRY__OTLP_ENDPOINT", "https://otlp?key=hunter2"),
        ("ORDERSTREAM__TELEMETRY__OTLP_ENDPOINT", "https://u:1/hunter2@otlp"),
        ("ORDERSTREAM__KAFKA__PROPERTIES__HTTPS_PROXY", "http://u:hunter2@proxy"),
    ];
    let from_files = texts.map(|text| read_with(text, &[]));
    let from_variables = variables.map(|variable| read_with("", &[variable]));
    for read in from_files.into_iter().chain(from_variables) {
        let said = match read {
            Ok(config) => format!("{config:?} {} {:?}", config.redacted(), config.shown().collect::<Vec<_>>()),
            Err(problems) => problems,
        };
        assert!(!said.contains("hunter2"), "{said}");
    }
}
