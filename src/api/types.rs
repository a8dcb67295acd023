//! The table of Icinga types, one row a type. The CRD's rules, the messages, the lists and the
//! dispatch of `validate` come from it.
//!
//! To add a type: its fields in a file of `objects/`, its member in `monitoring_object.rs`, its
//! row here, and how it is checked in a file of `validate/`. What is forgotten does not compile,
//! or fails a test that names the file to edit.

use std::fmt;

/// The table: calls a macro with one row a type.
macro_rules! with_icinga_types {
    ($then:ident) => {
        $then! {
            // type              member of the spec                           its fields
            // place      author     what every object must have, of its own or from a template
            Host:                host                 "host"                  HostSpec              Alone      Anyone     ["a check command"];
            Service:             service              "service"               ServiceSpec           Attached   Anyone     ["a check command"];
            HostGroup:           host_group           "hostGroup"             GroupSpec             Alone      Anyone     [];
            ServiceGroup:        service_group        "serviceGroup"          GroupSpec             Alone      Anyone     [];
            User:                user                 "user"                  UserSpec              Alone      Anyone     [];
            UserGroup:           user_group           "userGroup"             UserGroupSpec         Alone      Anyone     [];
            CheckCommand:        check_command        "checkCommand"          CommandSpec           Alone      Privileged ["a command"];
            EventCommand:        event_command        "eventCommand"          CommandSpec           Alone      Privileged ["a command"];
            NotificationCommand: notification_command "notificationCommand"   CommandSpec           Alone      Privileged ["a command"];
            Notification:        notification         "notification"          NotificationSpec      Attached   Anyone     ["a command", "users or user groups"];
            TimePeriod:          time_period          "timePeriod"            TimePeriodSpec        Alone      Anyone     [];
            ScheduledDowntime:   scheduled_downtime   "scheduledDowntime"     ScheduledDowntimeSpec Attached   Anyone     ["an author", "a comment", "ranges"];
            Dependency:          dependency           "dependency"            DependencySpec        Attached   Anyone     [];
            Zone:                zone_object          "zoneObject"            ZoneSpec              Everywhere Anyone     [];
            Endpoint:            endpoint             "endpoint"              EndpointSpec          Everywhere Anyone     [];
        }
    };
}
pub(super) use with_icinga_types;

/// How the objects of a type relate to hosts, services and zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// They have a name of their own, and may have a zone and templates.
    Alone,
    /// The same, but they belong to a host or service, whose name stands before theirs.
    Attached,
    /// They exist in every zone, and have no templates.
    Everywhere,
}

/// Who may declare objects of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Author {
    /// Every namespace.
    Anyone,
    /// Privileged namespaces only: the objects are code that Icinga runs.
    Privileged,
}

/// A row of the table.
#[derive(Debug)]
struct Row {
    name: &'static str,
    member: &'static str,
    place: Place,
    author: Author,
    required: &'static [&'static str],
}

/// Makes the type of each row, and the list of all.
macro_rules! icinga_types {
    ($($Type:ident: $field:ident $member:literal $Spec:ident $place:ident $author:ident $required:expr;)*) => {
        /// Type of an Icinga object.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum IcingaType {
            $(#[doc = concat!("`", stringify!($Type), "`")] $Type,)*
        }

        impl IcingaType {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$Type,)*];

            const fn row(self) -> &'static Row {
                match self {
                    $(Self::$Type => &Row {
                        name: stringify!($Type),
                        member: $member,
                        place: Place::$place,
                        author: Author::$author,
                        required: &$required,
                    },)*
                }
            }
        }
    };
}

with_icinga_types!(icinga_types);

impl IcingaType {
    /// Returns the type with this name in Icinga's language.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.as_str() == name)
    }

    /// Returns the type's name in Icinga's language.
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// Returns the member of `spec` that declares objects of this type.
    pub fn member(self) -> &'static str {
        self.row().member
    }

    /// Returns the attributes that Icinga refuses an object without, as noun phrases: an object
    /// that does not set one must import a template that does.
    pub(crate) fn required(self) -> &'static [&'static str] {
        self.row().required
    }

    /// True if objects of this type belong to a host or service, whose name stands before theirs.
    pub(crate) fn is_attached(self) -> bool {
        self.row().place == Place::Attached
    }

    /// True if objects of this type exist in every zone and have no templates.
    pub(crate) fn is_everywhere(self) -> bool {
        self.row().place == Place::Everywhere
    }

    /// True if objects of this type are code, so that only privileged namespaces may declare them.
    pub(crate) fn is_code(self) -> bool {
        self.row().author == Author::Privileged
    }
}

impl fmt::Display for IcingaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Returns the members of all types that `which` chooses, for a message: `host, service`.
pub(crate) fn list(which: impl Fn(IcingaType) -> bool, separator: &str) -> String {
    let members = IcingaType::ALL.iter().filter(|kind| which(**kind)).map(|kind| kind.member());
    members.collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::crds;
    use std::collections::BTreeSet;

    /// The field in Rust is compared by the compiler; the member as users write it is a text in
    /// the table.
    #[test]
    fn members_are_those_of_the_crd() {
        let (name, yaml) = crds::yaml().unwrap().swap_remove(0);
        assert!(name.starts_with("monitoringobjects"), "{name}");
        let crd: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let properties = spec["properties"].as_object().unwrap().iter();
        let of_crd: BTreeSet<_> = properties
            .filter(|(_, schema)| schema["type"] == "object")
            .map(|(member, _)| member.as_str())
            .collect();
        let of_table: BTreeSet<_> = IcingaType::ALL.iter().map(|kind| kind.member()).collect();
        assert_eq!(of_table, of_crd, "src/api/types.rs and src/api/monitoring_object.rs differ");
    }

    #[test]
    fn every_type_is_found_by_its_name() {
        for kind in IcingaType::ALL {
            assert_eq!(IcingaType::named(kind.as_str()), Some(*kind));
        }
        assert_eq!(IcingaType::named("Comment"), None);
    }
}
