//! The members of a spec: which of the Icinga types a resource declares, and its fields.

use super::MonitoringObjectSpec;
use super::objects::{
    CommandSpec, DependencySpec, EndpointSpec, GroupSpec, HostSpec, NotificationSpec, ScheduledDowntimeSpec,
    ServiceSpec, TimePeriodSpec, UserGroupSpec, UserSpec, ZoneSpec,
};
use super::types::{IcingaType, with_icinga_types};

macro_rules! members {
    ($($Type:ident: $field:ident $member:literal $Spec:ident $place:ident $author:ident $required:expr;)*) => {
        /// A member of a spec that is set.
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum Member<'a> {
            $($Type(&'a $Spec),)*
        }

        impl Member<'_> {
            /// Returns the Icinga type that the member declares.
            pub(crate) fn icinga_type(self) -> IcingaType {
                match self {
                    $(Self::$Type(_) => IcingaType::$Type,)*
                }
            }
        }

        impl MonitoringObjectSpec {
            /// Returns the members that are set. The API server admits exactly one.
            pub(crate) fn members(&self) -> Vec<Member<'_>> {
                // Without `..`: a member of the spec that has no row in the table does not
                // compile.
                let Self { zone: _, name: _, template: _, suspend: _, $($field,)* } = self;
                [$($field.as_ref().map(Member::$Type),)*].into_iter().flatten().collect()
            }
        }
    };
}

with_icinga_types!(members);
