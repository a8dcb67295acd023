//! The text of the include file that makes Icinga 2 load a tree, and of the hook that includes it.

use crate::render::quoting;

/// Name of the `ApiUser` by which the agent asks the daemon.
pub const USER: &str = "groundlink-agent";
/// Name of the `UserGroup` whose display name is the marker.
pub const MARKER: &str = "groundlink-revision";
/// The constant that holds the path of a candidate. The hook asks for it.
pub const CANDIDATE_CONSTANT: &str = "GroundlinkCandidate";
/// The constant that holds the marker: it shows that a validator has read the candidate.
pub const MARKER_CONSTANT: &str = "GroundlinkRevision";
/// The constant that holds the daemon's `DataDir`, below which its certificates are.
pub const DATA_DIR_CONSTANT: &str = "GroundlinkDataDir";
/// The constant that holds the path of the daemon's pid file.
pub const PID_FILE_CONSTANT: &str = "GroundlinkPidFile";

/// What an include file names.
#[derive(Clone, Copy)]
pub struct Candidate<'a> {
    /// Distinguishes this load from every other one; never used twice.
    pub marker: &'a str,
    /// Absolute path of the immutable tree, without a slash at its end. Its files are in
    /// `objects.d`.
    pub tree: &'a str,
    /// Password of the [`USER`]. The file that holds it must have mode 0600.
    pub password: &'a str,
    /// The agent reloads by the REST API, and needs the permission for that.
    pub reloads_by_api: bool,
}

impl Candidate<'_> {
    /// Returns the text of the file. The daemon includes it after everything else, so the marker
    /// stands behind the tree.
    pub fn text(&self) -> String {
        let literal = |text: &str| {
            let mut out = String::new();
            quoting::string(&mut out, text);
            out
        };
        let (user, group, marker) = (literal(USER), literal(MARKER), literal(self.marker));
        let (password, objects) = (literal(self.password), literal(&format!("{}/objects.d", self.tree)));
        let inside = literal(&format!("{}/", self.tree));
        let restart = if self.reloads_by_api {
            "    // Reloads the configuration.\n    \"actions/restart-process\",\n"
        } else {
            ""
        };
        format!(
            "// Made by groundlink agent, which replaces it as a whole.\n\
             object ApiUser {user} {{\n\
             \x20 password = {password}\n\
             \x20 permissions = [\n\
             {restart}\
             \x20   // Proves which set the answering process runs.\n\
             \x20   {{ permission = \"objects/query/UserGroup\"; filter = {{{{ usergroup.name == {group} }}}} }},\n\
             \x20   // Says which process answers, since when, and its version.\n\
             \x20   {{ permission = \"status/query\"; filter = {{{{ obj.name == \"IcingaApplication\" }}}} }},\n\
             \x20   // Counts the checks of this tree, and finds those that never ran.\n\
             \x20   {{ permission = \"objects/query/Host\"; filter = {{{{ host.enable_active_checks && host.source_location.path.find({inside}) == 0 }}}} }},\n\
             \x20   {{ permission = \"objects/query/Service\"; filter = {{{{ service.enable_active_checks && service.source_location.path.find({inside}) == 0 }}}} }},\n\
             \x20   // Lets both questions have a filter where enforce_filter_expression_permission is set.\n\
             \x20   \"filter-expression\"\n\
             \x20 ]\n\
             }}\n\
             include_recursive {objects}\n\
             const {DATA_DIR_CONSTANT} = DataDir\n\
             const {PID_FILE_CONSTANT} = Configuration.PidPath\n\
             const {MARKER_CONSTANT} = {marker}\n\
             object UserGroup {group} {{\n\
             \x20 display_name = {marker}\n\
             }}\n"
        )
    }
}

/// Returns the hook: the text of `<DataDir>/api/packages/groundlink/include.conf`, or the last
/// lines of `icinga2.conf`. `active` is the absolute path of the include file that the daemon
/// loads; while it is missing, the daemon does not start.
pub fn hook(active: &str) -> String {
    let mut path = String::new();
    quoting::string(&mut path, active);
    format!(
        "if (globals.contains(\"{CANDIDATE_CONSTANT}\")) {{\n\
         \x20 include {CANDIDATE_CONSTANT}\n\
         }} else {{\n\
         \x20 include {path}\n\
         }}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(marker: &str, reloads_by_api: bool) -> String {
        Candidate { marker, tree: "/t/7.42-1", password: "s3cret", reloads_by_api }.text()
    }

    #[test]
    fn the_marker_stands_behind_the_tree() {
        let text = text("7.42 1", false);
        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} in {text}"));
        assert!(
            at("include_recursive \"/t/7.42-1/objects.d\"") < at("const GroundlinkRevision = \"7.42 1\"")
        );
        assert!(at("const GroundlinkRevision") < at("object UserGroup \"groundlink-revision\""));
        assert!(text.contains("path.find(\"/t/7.42-1/\") == 0"), "7.42-10 is another tree: {text}");
    }

    #[test]
    fn only_who_reloads_by_the_api_may_restart() {
        assert!(!text("m", false).contains("restart-process"));
        assert!(text("m", true).contains("\"actions/restart-process\",\n"));
    }

    #[test]
    fn no_text_is_code() {
        let text = text("\"\n} // {{", false);
        assert!(text.contains(r#"display_name = "\"\n} // {{""#), "{text}");
        assert!(hook("/a\"b").contains(r#"include "/a\"b""#));
    }
}
