//! The chart and the program agree.

use super::text_of;
use std::collections::BTreeSet;

#[test]
fn every_setting_of_the_chart_is_one_of_the_program() {
    let template = text_of("charts/groundlink/templates/deployment.yaml");
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_groundlink"))
        .args(["run", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let names: BTreeSet<&str> = template
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- name: "))
        .filter(|n| n.starts_with("GROUNDLINK_"))
        .collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        assert!(
            help.contains(&format!("{name}=")),
            "the chart sets {name}, which `groundlink run` does not know"
        );
    }
}
