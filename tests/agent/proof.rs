//! The proof that the running daemon has loaded a set, and what is none.

use super::stage::{HOST, api, candidate, proved};
use crate::support::{GENEROUS, Hook, Icinga, eventually, generations};
use groundlink::agent::icinga::api::{NotYet, Password};
use groundlink::agent::icinga::daemon::{NoDaemon, Umbrella};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_set_is_proved_only_by_the_process_that_has_loaded_it() {
    let _alone = crate::ONE_AT_A_TIME.lock().await;
    for generation in generations() {
        let mut icinga = Icinga::prepare(generation, Hook::Package);
        let api = api(&icinga);
        assert!(matches!(api.marker().await, Err(NotYet::Refused(_))), "nobody listens yet");
        assert!(matches!(Umbrella::find(&icinga.pid_file()), Err(NoDaemon::PidFile { .. })));
        icinga.activate(&candidate("1.1 first", &icinga.tree("1.1", &[HOST]), false));
        icinga.start().await;
        proved(&api, "1.1 first").await;
        let first = api.process().await.unwrap();
        assert!(first.version.contains(generation), "{first:?}");

        // On disk, and not loaded.
        let two = "object Host \"db\" { check_command = \"dummy\" }\n";
        icinga.activate(&candidate("1.2 second", &icinga.tree("1.2", &[HOST, ("a.db.conf", two)]), true));
        assert_eq!(api.proves("1.2 second").await, Err(NotYet::OtherMarker("1.1 first".into())));
        let umbrella = Umbrella::find(&icinga.pid_file()).unwrap();
        assert_eq!(umbrella.children().unwrap(), [i32::try_from(first.pid).unwrap()]);
        umbrella.reload().unwrap();
        proved(&api, "1.2 second").await;
        let second = api.process().await.unwrap();
        assert!(second.program_start > first.program_start && second.pid != first.pid);

        // By the API, which this set permits.
        icinga.activate(&candidate("1.3 third", &icinga.tree("1.3", &[HOST]), false));
        api.restart().await.unwrap();
        proved(&api, "1.3 third").await;
        assert!(matches!(api.restart().await, Err(NotYet::NotFound(403 | 404))), "this set does not");
        eventually(GENEROUS, "one worker is left", async || {
            let children = umbrella.children().map_err(|error| error.to_string())?;
            if children.len() == 1 { Ok(()) } else { Err(format!("{children:?}")) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_is_believed() {
    let _alone = crate::ONE_AT_A_TIME.lock().await;
    for generation in generations() {
        let mut icinga = Icinga::prepare(generation, Hook::Main);
        icinga.activate(&candidate("1.1", &icinga.tree("1.1", &[HOST]), false));
        icinga.start().await;
        let good = api(&icinga);
        proved(&good, "1.1").await;
        let mut other = good.clone();
        other.password = Password::new("wrong".into());
        assert_eq!(other.marker().await, Err(NotYet::Unauthorized));

        let mut other = good.clone();
        other.node_name = "icinga_master 2".into();
        let refused = other.marker().await.unwrap_err();
        assert!(matches!(&refused, NotYet::Untrusted(why) if why.contains("icinga_master 1")), "{refused:?}");

        // A node of this name, of another CA.
        let stranger = Icinga::prepare(generation, Hook::Missing);
        let mut other = good.clone();
        other.ca = stranger.path("lib/certs/ca.crt");
        assert!(matches!(other.marker().await, Err(NotYet::Untrusted(_))), "{:?}", other.marker().await);
        other.ca = stranger.path("none");
        assert!(matches!(other.marker().await, Err(NotYet::Ca(_))));
        assert!(!format!("{good:?}").contains("word"), "{good:?}");

        // The worker lives on without its umbrella: it answers, and nobody can reload it.
        icinga.kill_umbrella();
        assert!(matches!(Umbrella::find(&icinga.pid_file()), Err(NoDaemon::Gone(_))));
        good.proves("1.1").await.unwrap();
        icinga.kill();
        eventually(GENEROUS, "a dead daemon is refused", async || match good.marker().await {
            Err(NotYet::Refused(_)) => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_are_counted_and_those_that_never_ran_are_found() {
    let _alone = crate::ONE_AT_A_TIME.lock().await;
    for (generation, hook) in generations().into_iter().zip([Hook::Package, Hook::Main].into_iter().cycle()) {
        let mut icinga = Icinga::prepare(generation, hook);
        let objects = "object Host \"active\" { check_command = \"dummy\"; check_interval = 1s }\n\
                       object Host \"passive\" { check_command = \"passive\"; enable_active_checks = false }\n\
                       object TimePeriod \"never\" { }\n\
                       object CheckCommand \"silent\" { command = [ \"/bin/sleep\", \"600\" ]; timeout = 1h }\n\
                       apply Service \"silent\" {\n  check_command = \"silent\"\n  check_interval = 10s\n\
                       \x20 assign where host.name == \"active\"\n}\n\
                       apply Service \"night\" {\n  check_command = \"dummy\"\n  check_period = \"never\"\n\
                       \x20 assign where host.name == \"active\"\n}\n";
        icinga.activate(&candidate("1.1", &icinga.tree("1.1", &[("a.all.conf", objects)]), false));
        icinga.start().await;
        let api = api(&icinga);
        proved(&api, "1.1").await;
        let found = eventually(GENEROUS, "the host is checked", async || {
            let found = api.checks(Duration::from_secs(21)).await.map_err(|error| error.to_string())?;
            if found.overdue == 1 { Ok(found) } else { Err(format!("{found:?}")) }
        })
        .await;
        // The host that was made by hand is not ours, and the passive one has no active checks.
        assert_eq!((found.checkables, found.first.as_deref()), (3, Some("active!silent")), "{generation}");
        assert_eq!(
            api.overdue(Duration::from_secs(20)).await.unwrap().overdue,
            0,
            "two intervals are not over"
        );
    }
}
