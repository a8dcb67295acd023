use crate::import::tree::{Content, SourceFile, Tree};
use crate::import::{Imported, Options, import, yaml};
use serde_json::json;

fn imported(basket: serde_json::Value) -> Imported {
    let file = SourceFile {
        path: "b.json".into(),
        source: "/b.json".into(),
        zone: None,
        included: None,
        content: Content::Director(basket),
    };
    let options = Options { namespace: "n".into(), command_namespace: "c".into(), ..Options::default() };
    import(&Tree { files: vec![file], ..Tree::default() }, &options)
}

#[test]
fn a_basket() {
    let imported = imported(json!({
        "Command": {"x": {"object_name": "x", "object_type": "object", "methods_execute": "PluginCheck", "command": "check_x -v",
            "timeout": "30", "arguments": {"-H": "$address$", "-w": {"value": "$w$", "order": "2", "required": true}},
            "vars": {}, "fields": [], "uuid": "u"}},
        "HostTemplate": {"t": {"object_name": "t", "object_type": "template", "check_command": "hostalive", "check_interval": "300",
            "enable_flapping": false, "imports": ["base"], "vars": {"os": "Linux", "l": ["a"]}}},
        "ServiceSet": {"s": {"object_name": "s", "object_type": "template", "assign_filter": "host.vars.os=%22Linux%22",
            "services": {"load": {"object_name": "load", "check_command": "load", "use_agent": true}}}},
        "Notification": {"m": {"object_name": "m", "object_type": "apply", "apply_to": "host", "command": "mail",
            "notification_interval": 0, "users": ["ada"], "assign_filter": "host.name=%22*%22", "times_begin": 600}},
        "Datafield": {"1": {"varname": "os"}},
        "Host": {"h": {"object_name": "h", "object_type": "object", "has_agent": true, "imports": ["t"]},
            "d": {"object_name": "d", "disabled": true}},
    }));
    let texts: Vec<String> =
        imported.manifests.iter().map(|m| yaml::write(m.document.get("spec").unwrap())).collect();
    assert_eq!(texts.len(), 4, "{texts:#?} {:?}", imported.left_out);
    assert!(
        texts[0].contains("command: [$PluginDir$/check_x, -v]") && texts[0].contains("order: 2"),
        "{}",
        texts[0]
    );
    assert!(texts[1].contains("template: true") && texts[1].contains("checkInterval: 5m"), "{}", texts[1]);
    assert!(
        texts[1].contains("imports: [base]") && texts[1].contains("enableFlapping: false"),
        "{}",
        texts[1]
    );
    assert!(texts[2].contains("interval: 0s") && texts[2].contains("begin: 10m"), "{}", texts[2]);
    assert!(
        texts[3].contains("commandEndpoint: host.name") && texts[3].contains("host.vars.os == \"Linux\""),
        "{}",
        texts[3]
    );
    // The agent makes a zone and an endpoint, too.
    assert_eq!(imported.left_out.len(), 1);
    assert_eq!(imported.left_out[0].construct, "has_agent");
    assert_eq!(imported.notes.len(), 2);
}

#[test]
fn what_is_not_known_is_left_out() {
    for (basket, construct) in [
        (json!([]), "the file"),
        (json!({"Hosts": {}}), "a section that is not known"),
        (json!({"Host": {"h": {"object_name": "h", "new_property": {"a": 1}}}}), "new_property"),
        (
            json!({"Service": {"s": {"object_name": "s", "object_type": "apply", "assign_filter": "x"}}}),
            "assign_filter",
        ),
        (
            json!({"Command": {"c": {"object_name": "c", "arguments": {"-x": {"value": {"type": "Function", "body": "1"}}}}}}),
            "arguments[\"-x\"]",
        ),
    ] {
        let imported = imported(basket.clone());
        let found: Vec<_> = imported.left_out.iter().map(|left| left.construct.as_str()).collect();
        assert_eq!(found, [construct], "{basket}");
    }
}
