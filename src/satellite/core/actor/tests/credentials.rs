//! How a credential is read, tried, replaced and renewed.

use super::*;

#[test]
fn a_new_credential_replaces_one_that_works_only_after_it_worked() {
    let mut stage = Stage::new(json!({})).in_sync();
    let other = || ("secret", Input::SecretRead(Ok(false)));
    stage.instead.push(other());
    stage.fail("try", refused(Reason::Unauthorized));
    let wait = stage.step(Woken::Secret).unwrap();
    assert_eq!(stage.said[..4], ["choose", "secret", "open Secret", "try"]);
    assert!(!stage.said.contains(&"use".to_owned()) && stage.holds() && wait.is_well, "{:?}", stage.said);
    assert_eq!(
        (stage.says(Ready), stage.says(CredentialsValid)),
        ("True Connected".into(), "False Unauthorized".into())
    );
    // It is tried again after a while, not at every step, and not logged again.
    stage.now += s(1);
    stage.step(Woken::Time).unwrap();
    assert!(!stage.said.contains(&"secret".to_owned()), "{:?}", stage.said);
    stage.now += s(30);
    stage.instead.push(other());
    stage.fail("try", refused(Reason::Unauthorized));
    stage.step(Woken::Time).unwrap();
    assert!(stage.said.contains(&"try".to_owned()) && stage.logs().is_empty(), "{:?}", stage.logs());
    stage.now += s(30);
    stage.instead.push(other());
    stage.step(Woken::Time).unwrap();
    assert_eq!(stage.said[..5], ["choose", "secret", "open Secret", "try", "use"]);
    assert!(matches!(stage.logs()[..], [Log::Over(_)]), "{:?}", stage.logs());
    assert_eq!(stage.says(CredentialsValid), "True Connected");
}

#[test]
fn a_changed_resource_is_used_with_the_credential_that_works() {
    let mut stage = Stage::new(json!({})).in_sync();
    stage.fail("secret", Problem::stalled(Reason::CredentialRefused, "exec"));
    stage.step(Woken::Config(config(json!({ "target": { "name": "other" } }), kept()))).unwrap();
    assert_eq!(stage.said[..4], ["choose", "secret", "open InUse", "use"]);
    assert!(stage.holds());
    assert_eq!(stage.says(CredentialsValid), "False CredentialRefused");
}

#[test]
fn without_a_credential_the_secret_is_waited_for() {
    for problem in [
        Problem::transient(Reason::CredentialMissing, "no Secret"),
        Problem::stalled(Reason::CredentialRefused, "exec"),
    ] {
        let mut stage = Stage::new(json!({}));
        let reason = problem.reason;
        stage.fail("secret", problem);
        let wait = stage.step(Woken::Time).unwrap();
        assert_eq!(stage.said, ["choose", "secret"]);
        assert!(!wait.is_for_snapshots, "a change of the Secret ends this wait");
        assert_eq!(stage.says(CredentialsValid), format!("False {reason:?}"));
        stage.step(Woken::Secret).unwrap();
        assert!(stage.holds());
    }
}

#[test]
fn a_401_reads_the_secret_again_at_once() {
    let mut stage = Stage::new(json!({})).in_sync();
    stage.fail("read", refused(Reason::Unauthorized));
    let wait = stage.step(Woken::Time).unwrap();
    assert!(wait.pause <= Duration::from_millis(250));
    assert_eq!(
        stage.says(crate::api::ConditionType::Stalled),
        "False Complete",
        "a new token may be there already"
    );
    stage.fail("read", refused(Reason::Unauthorized));
    let wait = stage.step(Woken::Time).unwrap();
    assert!(stage.said.contains(&"secret".to_owned()));
    assert_eq!(
        (wait.pause, stage.says(crate::api::ConditionType::Stalled)),
        (s(10), "True Unauthorized".into())
    );
}

#[test]
fn what_stays_where_the_target_was_is_told() {
    let mut stage = Stage::new(json!({})).in_sync();
    let moved = Opened { place: "icinga/other".into(), is_elsewhere: false, validity: None };
    stage.instead.push(("open", Input::Opened(Ok(moved))));
    stage.step(Woken::Config(config(json!({ "target": { "name": "other" } }), kept()))).unwrap();
    assert_eq!(stage.events(), [Reason::CleanupSkipped]);
    // A new Secret leads to another cluster, whose content is unknown.
    stage.instead.push(("secret", Input::SecretRead(Ok(false))));
    let moved = Opened { place: "icinga/other".into(), is_elsewhere: true, validity: None };
    stage.instead.push(("open", Input::Opened(Ok(moved))));
    stage.step(Woken::Secret).unwrap();
    assert_eq!(stage.events(), [Reason::CleanupSkipped]);
    assert!(stage.effects.iter().any(|effect| matches!(effect, Effect::NotHeld)));
    assert!(!stage.effects.iter().any(|effect| matches!(effect, Effect::Corrected(_))));
}

#[test]
fn a_token_is_renewed_after_every_step_that_the_satellite_answered() {
    let good = |issued: i64| Some(Validity { issued: Some(issued), expires: issued + DAY });
    let due = || {
        let mut stage = Stage::new(json!({ "tokenRenewal": {} }));
        stage.validity = good(UNIX);
        let mut stage = stage.in_sync();
        assert!(!stage.said.contains(&"renew".to_owned()), "not due");
        stage.now += s(DAY as u64 / 3);
        stage
    };
    for (task, problem, renews) in [
        ("read", refused(Reason::Forbidden), true),
        ("deliver", refused(Reason::QuotaExceeded), true),
        ("deliver", silent(), false),
        ("read", silent(), false),
    ] {
        let mut stage = due();
        stage.fail(task, problem);
        stage.step(Woken::Time).unwrap();
        assert_eq!(stage.said.last().unwrap() == "renew", renews, "{task}: {:?}", stage.said);
    }
    let mut stage = due();
    stage.is_leader = true;
    stage.fail("renew", Problem::transient(Reason::Forbidden, "may not"));
    stage.step(Woken::Time).unwrap();
    assert_eq!(stage.says(CredentialsValid), "True CredentialExpiring");
    assert!(stage.logs().iter().any(|log| matches!(log, Log::Warning(..))));
    // Not at every step, and not logged again.
    stage.now += s(31);
    stage.step(Woken::Time).unwrap();
    assert!(!stage.said.contains(&"renew".to_owned()));
    stage.now += s(600);
    stage.fail("renew", Problem::transient(Reason::Forbidden, "may not"));
    stage.step(Woken::Time).unwrap();
    assert!(stage.said.contains(&"renew".to_owned()) && stage.logs().is_empty(), "{:?}", stage.logs());
    // Somebody else replaced it: nobody renewed it here, and the Secret is read again.
    stage.now += s(600);
    stage.instead.push(("renew", Input::TokenRenewed(Ok(Renewal::Overtaken))));
    stage.step(Woken::Time).unwrap();
    assert_eq!(stage.says(CredentialsValid), "True CredentialExpiring", "it still ends");
    stage.validity = good(stage.unix());
    stage.instead.push(("secret", Input::SecretRead(Ok(false))));
    stage.step(Woken::Time).unwrap();
    assert!(stage.said.contains(&"try".to_owned()), "{:?}", stage.said);
    assert_eq!(stage.says(CredentialsValid), "True Connected");
}

#[test]
fn the_end_of_a_credential_is_told_also_of_a_suspended_satellite() {
    let mut stage = Stage::new(json!({ "suspend": true }));
    stage.validity = Some(Validity { issued: Some(UNIX - DAY), expires: UNIX + 2000 });
    stage.step(Woken::Time).unwrap();
    assert_eq!(stage.says(CredentialsValid), "True CredentialExpiring");
}
