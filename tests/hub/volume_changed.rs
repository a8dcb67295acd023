//! Files of ours that somebody edits, empties or removes by hand.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, condition_of, eventually, host, writes_status, written_status};
use groundlink::api::{ConditionStatus, ConditionType};
use std::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_somebody_changes_is_put_back_and_not_ready_until_then() {
    let installation = Installation::start(&["sat-a"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    let names = ["edited", "emptied", "removed", "moved", "sound"];
    for name in names {
        installation.put("team-a", name, host("one")).await;
    }
    for name in names {
        installation.synced("team-a", name).await;
    }
    let good = installation.files();
    let place = |name: &str| installation.volume().join(format!("objects.d/team-a/{name}.conf"));
    let inode = |name: &str| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(place(name)).unwrap());
    let sound = inode("sound");
    installation.recorder.clear();
    let began = Instant::now();
    std::fs::write(place("edited"), good["team-a.edited.conf"].replace("one", "two")).unwrap();
    std::fs::write(place("emptied"), "").unwrap();
    std::fs::remove_file(place("removed")).unwrap();
    std::fs::rename(place("moved"), place("elsewhere")).unwrap();
    std::fs::write(place("extra"), "object Host \"extra\" {}\n").unwrap();
    eventually(GENEROUS, "the files are as they were published", async || {
        let now = installation.files();
        if now == good { Ok(()) } else { Err(format!("{:?}", now.keys().collect::<Vec<_>>())) }
    })
    .await;
    println!("put back {:?} after it was changed", began.elapsed());
    for name in names {
        installation.synced("team-a", name).await;
    }
    let said = |name: &str| {
        let writes = installation.recorder.matching(|e| writes_status(&e.method, &e.path, name));
        let ready = writes.iter().map(|e| written_status(&e.request_body)["conditions"][0]["reason"].clone());
        ready.filter_map(|reason| reason.as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    for name in ["edited", "emptied", "removed", "moved"] {
        let said = said(name);
        assert!(said.first().is_some_and(|first| first == "ContentChanged"), "{name}: {said:?}");
        assert!(said.contains(&"Published".to_owned()), "{name}: {said:?}");
    }
    assert_eq!((said("sound"), inode("sound")), (Vec::new(), sound), "nobody touched it");
    assert_eq!(installation.equal("sat-a", GENEROUS).await, good, "satellites keep what they have");

    // What the operator writes itself is no change by somebody.
    installation.put("team-a", "sound", host("two")).await;
    installation.synced("team-a", "sound").await;
    let object = installation.objects("team-a").get("sound").await.unwrap();
    assert_eq!(condition_of(&object, ConditionType::Ready).unwrap().0, ConditionStatus::True);
    assert!(!said("sound").contains(&"ContentChanged".to_owned()), "{:?}", said("sound"));
    assert!(!operator.log_text().contains("team-a/sound.conf"), "{}", operator.log_text());
}
