//! The receiver of spans, where one is configured: whether it takes a push.
//!
//! Invariant: whatever is wrong with it is a warning. A worker runs without it and only drops its spans.

use super::report::Report;
use crate::config::Config;
use crate::telemetry::endpoint::{Endpoint, Pushed};

const PART: &str = "telemetry";

/// Pushes a request without spans.
pub(super) async fn look(config: &Config, report: &mut Report) {
    match Endpoint::of(&config.telemetry) {
        Ok(None) => {}
        Ok(Some(endpoint)) => judge(endpoint.url(), endpoint.probe().await, report),
        Err(text) => report.wrong(PART, "receiver", &text),
    }
}

fn judge(url: &str, pushed: Pushed, report: &mut Report) {
    match pushed {
        Pushed::Taken { refused: 0, .. } => report.ok(PART, "receiver", format!("`{url}` takes spans")),
        Pushed::Taken { why, .. } => {
            report.warning(PART, "receiver", format!("`{url}` refuses: {why}"), "look into its log")
        }
        Pushed::Refused(text) | Pushed::Away(text) => {
            let (found, remedy) = text.rsplit_once(": ").unwrap_or((&text, "look into its log"));
            report.warning(PART, "receiver", format!("{found}; spans would be dropped"), remedy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;
    use crate::cli::exit::Exit;

    #[test]
    fn a_receiver_that_does_not_take_spans_is_a_warning_with_a_remedy() {
        for pushed in [
            Pushed::Refused("`http://o/v1/traces` answers with status 401: correct telemetry.otlp_headers".to_owned()),
            Pushed::Away("`http://o/v1/traces` gives no answer: refused: start it".to_owned()),
            Pushed::Taken { refused: 1, why: "full".to_owned() },
        ] {
            let mut report = Report::default();
            judge("http://o/v1/traces", pushed, &mut report);
            assert_eq!((report.count(Verdict::Warning), report.exit()), (1, Exit::Ok), "{:?}", report.checks);
            assert!(report.checks[0].remedy.is_some(), "{:?}", report.checks);
        }
        let mut report = Report::default();
        judge("http://o/v1/traces", Pushed::Taken { refused: 0, why: String::new() }, &mut report);
        assert_eq!(report.count(Verdict::Ok), 1);
    }
}
