//! Golden cases against the oracle and against the SQL on file.

use std::collections::BTreeSet;

use muster_tests::golden::{folder, topics};
use segment_core::dialect;
use segment_core::eval;

/// Fewer cases than this were lost somewhere.
const CASES_MIN: usize = 300;

#[test]
fn the_oracle_finds_the_members() {
    let mut faults = Vec::new();
    let mut cases = 0;
    for topic in topics() {
        let users = topic.rows();
        for case in &topic.cases {
            cases += 1;
            let plan = match topic.plan(case, &topic.catalog) {
                Ok(plan) => plan,
                Err(error) => {
                    faults.push(format!("{}, {}: {error}", topic.name, case.name));
                    continue;
                }
            };
            let found: BTreeSet<String> =
                users.iter().filter(|u| eval::is_member(&plan, u, &topic.lists)).map(|u| u.user_id.clone()).collect();
            if found != case.members {
                faults.push(format!(
                    "{}, {}: {}\n  expected {:?}\n  found    {found:?}",
                    topic.name, case.name, case.condition, case.members
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{} of {cases} cases:\n{}", faults.len(), faults.join("\n"));
    assert!(cases >= CASES_MIN, "only {cases} cases were found");
    println!("{cases} cases");
}

#[test]
fn the_sql_is_as_on_file() {
    let bless = std::env::var_os("MUSTER_BLESS").is_some_and(|v| v == "1");
    let mut faults = Vec::new();
    for topic in topics() {
        for name in dialect::NAMES {
            let path = folder().join(format!("{}.{name}.sql", topic.name));
            let made = topic.sql(name);
            if bless {
                std::fs::write(&path, &made).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                continue;
            }
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            if kept != made {
                let line = kept
                    .lines()
                    .zip(made.lines())
                    .position(|(a, b)| a != b)
                    .unwrap_or_else(|| kept.lines().count().min(made.lines().count()));
                let at = |text: &str| text.lines().nth(line).unwrap_or_default().to_owned();
                faults.push(format!("{}:{}\n  on file {}\n  made    {}", path.display(), line + 1, at(&kept), at(&made)));
            }
        }
    }
    assert!(faults.is_empty(), "SQL changed; read it, then `MUSTER_BLESS=1 make test` keeps it:\n{}", faults.join("\n"));
}
