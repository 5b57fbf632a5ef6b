//! What `deploy` ships names only metrics, labels and label values that exist, and the program sets every one that the table has.
//!
//! Invariant: nothing here needs a server. Whether an expression can be evaluated is [`super::served`]'s question.

use std::collections::BTreeSet;
use std::path::Path;

use orderstream::metrics::{Listed, catalogue};

use super::promql::{self, Selector};
use super::{DASHBOARDS, RULES, expressions_of, expressions_of_rules, legends_of, place, text_of};

/// Labels that Prometheus itself gives every series.
const OF_THE_TARGET: [&str; 2] = ["job", "instance"];
/// Series that Prometheus itself makes, one of every target.
const OF_PROMETHEUS: &str = "up";
/// Words in pages and manifests that look like metrics of ours: roles of the database, which `deploy/postgres/role.sql` makes.
const ROLES: [&str; 3] = ["orderstream_owner", "orderstream_worker", "orderstream_reader"];

/// What is known to be a series: a metric of the table, or what a rule records, with its labels.
struct Known {
    metrics: Vec<Listed>,
    recorded: BTreeSet<String>,
}

impl Known {
    fn new() -> Self {
        let text = text_of(RULES);
        let recorded = text.split("record: ").skip(1).filter_map(|rest| {
            let name = rest.lines().next()?.split(',').next()?.trim().trim_matches('"');
            Some(name.to_owned())
        });
        Self { metrics: catalogue(), recorded: recorded.collect() }
    }

    /// The metric of a series, and whether the series is one of a histogram's buckets.
    fn metric(&self, series: &str) -> Option<(&Listed, bool)> {
        let metric = |name: &str| self.metrics.iter().find(|metric| metric.name == name);
        match metric(series) {
            // A histogram has no series of its bare name.
            Some(found) => (found.kind != "histogram").then_some((found, false)),
            None => ["_bucket", "_sum", "_count"].into_iter().find_map(|end| {
                let found = metric(series.strip_suffix(end)?).filter(|metric| metric.kind == "histogram")?;
                Some((found, end == "_bucket"))
            }),
        }
    }

    /// What is wrong with a selector; else its series' labels are added to `labels`.
    fn judge(&self, selector: &Selector, labels: &mut BTreeSet<String>) -> Option<String> {
        labels.extend(OF_THE_TARGET.map(str::to_owned));
        if self.recorded.contains(&selector.name) {
            labels.insert("status".to_owned());
            return None;
        }
        if selector.name == OF_PROMETHEUS {
            let foreign = selector.matchers.iter().find(|(label, ..)| !OF_THE_TARGET.contains(&label.as_str()));
            return foreign.map(|(label, ..)| format!("`{OF_PROMETHEUS}` has no label `{label}`"));
        }
        let Some((metric, is_bucket)) = self.metric(&selector.name) else {
            return Some(format!("there is no series `{}`", selector.name));
        };
        labels.extend(metric.labels.iter().map(|label| label.name.to_owned()));
        labels.extend(is_bucket.then(|| "le".to_owned()));
        selector.matchers.iter().find_map(|(label, operator, value)| {
            if !labels.contains(label) {
                return Some(format!("`{}` has no label `{label}`", selector.name));
            }
            let parts: Vec<&str> =
                if operator.ends_with('~') { value.split('|').collect() } else { vec![value.as_str()] };
            let known = |part: &&str| part.contains('$') || has_value(metric, label, part);
            let unknown = parts.into_iter().find(|part| !known(part))?;
            Some(format!("`{label}` of `{}` is never `{unknown}`", selector.name))
        })
    }

    /// Everything that is wrong with an expression.
    fn judge_expression(&self, place: &str, expression: &str) -> Vec<String> {
        let named = match promql::read(expression) {
            Ok(named) => named,
            Err(text) => return vec![format!("{place}: {text}")],
        };
        let mut labels = BTreeSet::new();
        let mut wrong: Vec<String> =
            named.selectors.iter().filter_map(|selector| self.judge(selector, &mut labels)).collect();
        let foreign = named.labels.iter().filter(|label| !labels.contains(*label));
        wrong.extend(foreign.map(|label| format!("nothing in `{expression}` has a label `{label}`")));
        wrong.into_iter().map(|text| format!("{place}: {text}")).collect()
    }

    /// The labels of a legend that its expression's series do not have; they would be written empty.
    fn judge_legend(&self, place: &str, expression: &str, legend: &str) -> Vec<String> {
        let named = promql::read(expression).unwrap_or_else(|text| panic!("{place}: {text}"));
        let mut labels: BTreeSet<String> = named.labels.iter().filter(|label| *label != "le").cloned().collect();
        // What aggregates keeps the labels that it names; all else keeps those of its series.
        let aggregates = ["sum", "min", "max", "avg", "count", "histogram_quantile"];
        let mut words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        if !words.any(|word| aggregates.contains(&word)) {
            for selector in &named.selectors {
                self.judge(selector, &mut labels);
            }
        }
        let asked = legend.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")).map(|(label, _)| label.trim());
        let unknown = asked.filter(|label| !labels.contains(*label));
        unknown.map(|label| format!("{place}: nothing that `{expression}` gives has a label `{label}`")).collect()
    }
}

fn has_value(metric: &Listed, label: &str, value: &str) -> bool {
    if label == "le" {
        return value == "+Inf" || metric.buckets.iter().any(|bound| value.parse() == Ok(*bound));
    }
    let values = metric.labels.iter().find(|known| known.name == label).map(|label| label.values);
    values.is_none_or(|values| values.is_empty() || values.contains(&value))
}

#[test]
fn a_misspelt_series_label_value_or_bucket_is_found() {
    let known = Known::new();
    let right = "sum by (job, lane) (orderstream_lag_records{lane=\"$lane\"}) > on (job) orderstream:order_age:limit";
    assert_eq!(known.judge_expression("", right), Vec::<String>::new());
    for wrong in [
        "orderstream_lag_record",
        "lag_records",
        "orderstream_lag_records{partition=\"1\"}",
        "sum by (reason) (orderstream_lag_records)",
        "orderstream_rebalances_total{kind=\"error\"}",
        "orderstream_retries_total{cause=~\"conflict|fatigue\"}",
        "orderstream_batch_seconds",
        "orderstream_batch_seconds_bucket{le=\"3\"}",
        "orderstream_batch_seconds_sum{le=\"1\"}",
        "orderstream:order_age:limits",
        "up{lane=\"1\"}",
        "ups",
    ] {
        assert_eq!(known.judge_expression("", wrong).len(), 1, "{wrong}");
    }
    for (expression, legend, wrong) in [
        ("sum by (job, lane) (orderstream_lag_records)", "lane {{lane}} of {{ job }}", 0),
        ("topk(3, orderstream_lag_records)", "{{lane}} at {{instance}}", 0),
        ("sum by (job, lane) (orderstream_lag_records)", "{{instance}}", 1),
        ("sum(orderstream_lag_records)", "{{lane}}", 1),
        ("orderstream_lag_records", "{{partition}} of {{lane}}", 1),
        ("histogram_quantile(0.5, sum by (le) (orderstream_transaction_seconds_bucket))", "{{le}}", 1),
    ] {
        assert_eq!(known.judge_legend("", expression, legend).len(), wrong, "{expression}: {legend}");
    }
}

#[test]
fn a_dashboard_writes_only_labels_that_its_series_have() {
    let known = Known::new();
    let legends: Vec<_> = DASHBOARDS.into_iter().flat_map(legends_of).collect();
    assert!(legends.iter().filter(|(.., legend)| legend.contains("{{")).count() > 40, "they are read");
    let wrong: Vec<String> =
        legends.iter().flat_map(|(place, expression, legend)| known.judge_legend(place, expression, legend)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_metric_is_looked_at_by_a_dashboard_or_an_alert() {
    let known = Known::new();
    let expressions = DASHBOARDS.into_iter().flat_map(expressions_of).chain(expressions_of_rules());
    let named: Vec<Selector> =
        expressions.flat_map(|(_, expression)| promql::read(&expression).expect("an expression").selectors).collect();
    let is_seen = |metric: &Listed| {
        named.iter().any(|selector| known.metric(&selector.name).is_some_and(|(seen, _)| seen.name == metric.name))
    };
    let unseen: Vec<&str> = known.metrics.iter().filter(|metric| !is_seen(metric)).map(|metric| metric.name).collect();
    assert!(unseen.is_empty(), "nobody looks at {unseen:?}");
}

#[test]
fn rules_their_tests_dashboards_and_the_autoscaler_name_only_what_exists() {
    let known = Known::new();
    let rules = expressions_of_rules();
    let expected = text_of(RULES).matches("expr: ").count();
    assert!(rules.len() == expected && rules.len() >= 30, "{} of {expected} expressions are read", rules.len());
    let panels: Vec<(String, String)> = DASHBOARDS.into_iter().flat_map(expressions_of).collect();
    assert!(panels.len() > 90, "{} expressions of dashboards are read", panels.len());
    let tests = text_of("deploy/prometheus/alerts.test.yaml");
    let series = tests
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- series: "))
        .map(|series| ("alerts.test.yaml".to_owned(), series.trim_matches('\'').to_owned()));
    let scaler = text_of("deploy/kubernetes/overlays/autoscaling/scaled-object.yaml");
    let queries = scaler.lines().filter_map(|line| line.trim().strip_prefix("query: "));
    let queries = queries.map(|query| ("scaled-object.yaml".to_owned(), query.to_owned()));
    let all = rules.into_iter().chain(panels).chain(series).chain(queries);
    let wrong: Vec<String> = all.flat_map(|(place, expression)| known.judge_expression(&place, &expression)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pages_and_manifests_name_only_metrics_that_exist() {
    let known = Known::new();
    let mut files = vec![place("README.md")];
    files_below(&place("deploy"), &["md", "yaml", "toml", "sh"], &mut files);
    let mut named = 0;
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("text");
        for (at, _) in text.match_indices("orderstream_") {
            if text[..at].ends_with(|c: char| c.is_alphanumeric() || "_/.-".contains(c)) {
                continue;
            }
            let end = text[at..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(text.len(), |n| at + n);
            let name = &text[at..end];
            let matchers = text[end..].starts_with('{').then(|| text[end..].find('}')).flatten();
            if ROLES.contains(&name) {
                continue;
            }
            named += 1;
            // Beside series, a page may name a histogram as a whole.
            let is_whole = matchers.is_none() && known.metrics.iter().any(|metric| metric.name == name);
            let expression = matchers.map_or(name, |length| &text[at..=end + length]);
            if !is_whole {
                wrong.extend(known.judge_expression(&file.display().to_string(), expression));
            }
        }
    }
    assert!(named > 100, "{named} names are found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn files_below(folder: &Path, extensions: &[&str], files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, extensions, files);
        } else if path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known)) {
            files.push(path);
        }
    }
}

/// The program's text without the table of metrics and without tests.
fn program() -> String {
    let mut files = Vec::new();
    files_below(&place("src"), &["rs"], &mut files);
    let texts = files.into_iter().filter(|file| !file.starts_with(place("src/metrics"))).map(|file| {
        let text = std::fs::read_to_string(&file).expect("a source is text");
        text.split("\n#[cfg(test)]\n").next().unwrap_or_default().to_owned()
    });
    texts.collect()
}

#[test]
fn every_metric_of_the_table_and_every_value_of_a_label_is_said_somewhere_in_the_program() {
    let program = program();
    let table = text_of("src/metrics/table.rs");
    let kinds = ["Counter<", "Gauge<", "Histogram<"];
    let handles: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(": "))
        .filter(|(_, kind)| kinds.iter().any(|known| kind.starts_with(known)))
        .map(|(handle, _)| handle)
        .collect();
    let ours = catalogue().into_iter().filter(|metric| metric.name.starts_with("orderstream_")).count();
    assert_eq!(handles.len(), ours, "every line of the table is read");
    // Set where the metrics are installed.
    let used = |handle: &str| handle == "BUILD_INFO" || program.contains(&format!("metrics::{handle}"));
    let unused: Vec<&str> = handles.into_iter().filter(|handle| !used(handle)).collect();
    assert!(unused.is_empty(), "nothing counts {unused:?}");
    for metric in catalogue() {
        for label in metric.labels.iter().filter(|label| label.name != "version") {
            let unsaid: Vec<&&str> =
                label.values.iter().filter(|value| !program.contains(&format!("\"{value}\""))).collect();
            assert!(unsaid.is_empty(), "`{}` of {} is never {unsaid:?}", label.name, metric.name);
        }
    }
}
