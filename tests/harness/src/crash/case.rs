//! Which point is hit when, and what has to happen around a worker so that it comes there.
//!
//! Pure. Invariant: every point of the program's table becomes a case each time, whether somebody thought of it here or not.

use super::program::Act;

/// Which pass of a point that is passed with every batch or transaction is the last: another one each time.
const PASSES: [u64; 5] = [1, 5, 2, 17, 40];

/// One worker that is to end at one point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The point.
    pub point: String,
    /// At which pass of it.
    pub pass: u64,
    /// What happens there.
    pub act: Act,
    /// What leads there.
    pub occasion: Occasion,
    /// Whether another worker is in the group.
    pub company: Company,
}

/// What brings a worker to a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It starts and works.
    Work,
    /// It takes over from one that died right after a COMMIT.
    Inheritance,
    /// It is asked to stop.
    Request,
    /// Another worker joins the group.
    Newcomer,
    /// Its connections to the database are cut.
    Severance,
    /// The database holds an old day of the journal, and a dead letter that was resolved long ago.
    OldDays,
}

/// Who else is in the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Company {
    /// Another worker, which goes on.
    Another,
    /// Nobody; it is started again afterwards.
    Nobody,
}

/// The cases of so many times through the table, those in company first, shared out to so many deployments.
#[must_use]
pub fn share(points: &[String], times: u64, act: Act, deployments: usize) -> Vec<Vec<Case>> {
    let mut shares = vec![Vec::new(); deployments];
    for time in 0..times {
        for (number, point) in (0..).zip(points) {
            let mut case = case(point, time, act);
            // Half of the points alone, half in company, and the other way round the next time.
            let alone = (number + time) % 2 == 0 || case.occasion == Occasion::Inheritance;
            case.company = if alone { Company::Nobody } else { Company::Another };
            if case.point.starts_with("drain.") && case.company == Company::Another {
                case.occasion = Occasion::Newcomer;
            }
            let place = usize::try_from(number / 2 + time).unwrap_or_default() % deployments;
            shares[place].push(case);
        }
    }
    shares.iter_mut().for_each(|share| share.sort_by_key(|case| case.company));
    shares
}

fn case(point: &str, time: u64, act: Act) -> Case {
    let stage = point.split('.').next().unwrap_or_default();
    let occasion = match (stage, point) {
        (_, "takeover.former_ended" | "takeover.journal_loaded") => Occasion::Inheritance,
        ("drain" | "shutdown", _) => Occasion::Request,
        ("doubt", _) => Occasion::Severance,
        ("upkeep", _) => Occasion::OldDays,
        _ => Occasion::Work,
    };
    let often = matches!(stage, "batch" | "relay");
    let pass = if often { PASSES[usize::try_from(time).unwrap_or_default() % PASSES.len()] } else { 1 };
    Case { point: point.to_owned(), pass, act, occasion, company: Company::Another }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_a_case_each_time_alone_and_in_company_by_turns() {
        let points: Vec<String> = ["start.settled", "batch.fenced", "drain.begun", "made.up"].map(str::to_owned).into();
        let shares = share(&points, 4, Act::Kill, 3);
        for point in &points {
            let cases: Vec<&Case> = shares.iter().flatten().filter(|case| case.point == *point).collect();
            assert_eq!(cases.len(), 4, "{point}");
            assert_eq!(cases.iter().filter(|case| case.company == Company::Nobody).count(), 2, "{point}");
        }
        let passes = shares.iter().flatten().filter(|case| case.point == "batch.fenced").map(|case| case.pass);
        assert_eq!(passes.collect::<std::collections::BTreeSet<_>>().len(), 4);
    }
}
