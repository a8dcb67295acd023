//! The bytes of a file, packed in memory: 100,000 files are most of the memory of the hub.

/// Text that nearly every file has: headers and attributes of the types that large sets consist
/// of, as [`super::render`] writes them. In each file such text then costs a few bytes. The
/// process that packs a file also unpacks it, so this may change at any time.
const COMMON: &[u8] = br#"// Published by Groundlink from MonitoringObject . Changes here are overwritten.
// groundlink: {"provides":["template Host!","Zone!","Endpoint!","=a Zone \"\" that is not global","=a Zone that lists Endpoint \"\""],"mutual":[["=a Zone that lists Endpoint \"\""]]}
// groundlink: {"provides":["template Host!","=a check command in template Host \"\""],"uses":[["template Host!"]],"relays":[{"name":"=a check command in template Host \"\"","given":[["=a check command in template Host \"\""]]}]}
// groundlink: {"provides":["Notification!"],"shares":["Notification!!"],"uses":[["template Notification!"],["=a command in template Notification \"\""],["=users or user groups in template Notification \"\""],["NotificationCommand!"],["User!"],["UserGroup!"],["TimePeriod!"]]}
object Notification "" {
  import ""
  host_name = ""
  service_name = ""
  command = ""
  users = [ "" ]
  user_groups = [ "" ]
  period = ""
  states = [ "Critical", "Warning", "OK", "Unknown", "Up", "Down" ]
  types = [ "Problem", "Recovery" ]
template Service "" {
apply Service "" to Host {
  assign where host.vars. == "" && "" in host.groups
  ignore where match("*", host.name)
object HostGroup "" {
  display_name = ""
}
// groundlink: {"provides":["Service!"],"shares":["Service!!"],"uses":[["Host!"],["template Service!"],["=a check command in template Service \"\""],["CheckCommand!"],["ServiceGroup!"]]}
object Service "" {
  import ""
  host_name = ""
  check_command = ""
  groups = [ "" ]
  max_check_attempts = 3
  check_interval = 60
  retry_interval = 30
  enable_notifications = true
// groundlink: {"provides":["Host!"],"uses":[["template Host!"],["=a check command in template Host \"\""],["Zone!"],["=a Zone \"\" that is not global"],["CheckCommand!hostalive"],["HostGroup!"]],"zone":""}
object Host "" {
  import ""
  display_name = ""
  address = ""
  address6 = ""
  check_command = "hostalive"
  groups = [ "", "" ]
  vars = {
    "" = ""
    "" = [ "", "" ]
  }
  vars += {
  notes = ""
  notes_url = "https://"
  zone = ""
}
"#;

/// Packed bytes.
#[derive(PartialEq, Eq)]
pub(super) struct Packed {
    packed: Box<[u8]>,
    size: u32,
}

impl Packed {
    /// Packs bytes. A file is far smaller than 4 GiB.
    pub fn new(bytes: &[u8]) -> Self {
        let packed = lz4_flex::block::compress_with_dict(bytes, COMMON).into_boxed_slice();
        Self { packed, size: u32::try_from(bytes.len()).unwrap_or(u32::MAX) }
    }

    /// Returns the number of the bytes.
    pub fn size(&self) -> usize {
        self.size as usize
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> Vec<u8> {
        #[allow(
            clippy::expect_used,
            reason = "bytes that were packed here can be unpacked, or memory is broken"
        )]
        lz4_flex::block::decompress_with_dict(&self.packed, self.size(), COMMON).expect("packed by us")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::IcingaType;
    use crate::validate::{Header, Name, facts};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_unpacked_is_what_was_packed(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..2_000),
                "(object Host \"[a-z]{0,9}\" \\{\n|  vars = \\{\n|// groundlink: |.){0,90}".prop_map(String::into_bytes),
            ],
        ) {
            let packed = Packed::new(&bytes);
            prop_assert_eq!(packed.size(), bytes.len());
            prop_assert_eq!(packed.bytes(), bytes);
        }
    }

    #[test]
    fn headers_of_the_dictionary_are_of_todays_form() {
        let text = std::str::from_utf8(COMMON).unwrap();
        let headers = text.lines().filter_map(|line| line.strip_prefix("// groundlink: "));
        let headers: Vec<Header> = headers.map(|json| serde_json::from_str(json).expect(json)).collect();
        assert_eq!(headers.len(), 5);
        let types = IcingaType::ALL.iter();
        let required = types.flat_map(|kind| kind.required().iter().map(|what| facts::sets(what, *kind, "")));
        let written: Vec<Name> = required.chain([facts::listed(""), facts::not_global("")]).collect();
        for header in &headers {
            let needed = header.uses.iter().chain(&header.mutual).flatten();
            for name in header.provides.iter().chain(&header.shares).chain(needed) {
                let is_written = match name.starts_with('=') {
                    true => written.iter().any(|fact| fact.as_str() == name),
                    false => Name::parse(&format!("{name}x")).is_ok(),
                };
                assert!(is_written, "no header holds {name:?}");
            }
        }
    }

    #[test]
    fn a_file_is_kept_in_less_than_half_of_its_size() {
        let file =
            br#"// Published by Groundlink from MonitoringObject shop/web-01. Changes here are overwritten.
// groundlink: {"provides":["Host!web-01"],"uses":[["CheckCommand!hostalive"],["HostGroup!linux"]]}
object Host "web-01" {
  display_name = "First web server of the shop"
  address = "10.1.2.3"
  groups = [ "linux" ]
  check_command = "hostalive"
  vars = {
    "os" = "Linux"
  }
}
"#;
        let packed = Packed::new(file);
        assert!(packed.packed.len() * 2 < file.len(), "{} of {}", packed.packed.len(), file.len());
    }
}
