//! The registry: whether what we publish is registered there, and whether every version of our subjects goes together with ours.

use super::report::Report;
use crate::cli::schema;
use crate::config::Config;
use crate::decode::{Access, Registry};
use crate::publish::schemas::COMPATIBILITY;
use crate::publish::subjects::{self, Side, Subject};

const PART: &str = "registry";

/// Looks at the registry and at the subject of every topic.
pub(super) async fn look(config: &Config, report: &mut Report) {
    let registry = match Registry::new(Access::from(&config.registry)) {
        Ok(registry) => registry,
        Err(error) => return report.wrong(PART, "server", &error.to_string()),
    };
    let mut is_there = false;
    for (side, topic) in schema::of_topics(&config.topics) {
        let check = format!("subject `{}`", topic.subject);
        match subjects::look(&registry, &topic, side).await {
            Ok(subject) => {
                if !std::mem::replace(&mut is_there, true) {
                    report.ok(PART, "server", format!("the schema registry at `{}` answers", registry.shown_url()));
                }
                judge(&check, side, &subject, config.registry.register_on_start, report);
            }
            Err(error) if error.denied => {
                report.wrong(PART, if is_there { &check } else { "server" }, &error.to_string())
            }
            Err(error) => {
                let check = if is_there { check } else { "server".to_owned() };
                report.away(PART, check, error.to_string(), "start it, or correct registry.url");
            }
        }
        if !is_there {
            return report.not_checked(PART, &["subjects"], "the registry is not there");
        }
    }
}

fn judge(check: &str, side: Side, subject: &Subject, registers_itself: bool, report: &mut Report) {
    let before = report.checks.len();
    for (version, why) in &subject.apart {
        match side {
            Side::Written => {
                let remedy = schema::remedy(side);
                let text = format!("version {version} does not go together with ours ({why}): {remedy}");
                report.wrong(PART, check, &text);
            }
            Side::Read => {
                let found = format!("records written with version {version} would be dead letters ({why})");
                report.warning(PART, check, found, schema::remedy(side));
            }
        }
    }
    if subject.ours.is_none() {
        match side {
            Side::Written if registers_itself => {}
            Side::Written => {
                report.wrong(PART, check, "our schema is not registered: run `orderstream schema register`");
            }
            Side::Read if subject.versions.is_empty() => {
                let remedy = "run `orderstream schema register`, so that producers can start from it";
                report.warning(PART, check, "no schema is registered", remedy);
            }
            Side::Read => {}
        }
    }
    let is_strict = subject.rule.as_deref() == Some(COMPATIBILITY);
    if !is_strict && !subject.versions.is_empty() {
        let rule = subject.rule.as_deref().unwrap_or("none of its own");
        let found = format!("its compatibility rule is {rule} and not {COMPATIBILITY}");
        report.warning(PART, check, found, "run `orderstream schema register`, which sets it");
    }
    if report.checks.len() == before {
        let ours = match subject.ours {
            Some((id, Some(version))) => format!("ours is version {version} with id {id}"),
            Some((id, None)) => format!("ours has id {id}"),
            None if subject.versions.is_empty() => "a worker will register ours when it starts".to_owned(),
            None => "ours is not among them".to_owned(),
        };
        report.ok(PART, check, format!("{ours}; versions {:?} go together", subject.versions));
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;
    use crate::ids::SchemaId;

    fn judged(side: Side, subject: &Subject, registers_itself: bool) -> Report {
        let mut report = Report::default();
        judge("subject `s-value`", side, subject, registers_itself, &mut report);
        report
    }

    fn subject() -> Subject {
        Subject {
            ours: Some((SchemaId(7), Some(2))),
            versions: vec![1, 2],
            rule: Some(COMPATIBILITY.to_owned()),
            apart: Vec::new(),
        }
    }

    #[test]
    fn a_subject_with_our_schema_and_our_rule_is_fine() {
        let report = judged(Side::Written, &subject(), false);
        assert_eq!(report.count(Verdict::Ok), 1, "{:?}", report.checks);
    }

    #[test]
    fn an_output_without_our_schema_is_wrong_unless_workers_register_it() {
        let bare = Subject { ours: None, versions: Vec::new(), rule: None, ..subject() };
        assert_eq!(judged(Side::Written, &bare, false).count(Verdict::Wrong), 1);
        assert_eq!(judged(Side::Written, &bare, true).count(Verdict::Ok), 1);
        assert_eq!(judged(Side::Read, &bare, false).count(Verdict::Warning), 1);
    }

    #[test]
    fn a_version_that_does_not_go_together_is_wrong_where_we_write_and_told_where_we_read() {
        let apart = Subject { apart: vec![(1, "no such field".to_owned())], ..subject() };
        assert_eq!(judged(Side::Written, &apart, false).count(Verdict::Wrong), 1);
        assert_eq!(judged(Side::Read, &apart, false).count(Verdict::Warning), 1);
    }

    #[test]
    fn a_looser_rule_is_told() {
        let loose = Subject { rule: Some("BACKWARD".to_owned()), ..subject() };
        let report = judged(Side::Written, &loose, false);
        assert!(report.checks[0].found.contains("BACKWARD"), "{:?}", report.checks);
    }
}
