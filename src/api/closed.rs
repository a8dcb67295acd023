//! Enums whose words users read in a status.

/// Declares an enum with the list of all its variants, which therefore cannot lack one, and the
/// word of each.
macro_rules! closed_enum {
    ($(#[$about:meta])* pub enum $Name:ident { $($(#[$meaning:meta])* $Variant:ident,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $Name {
            $($(#[$meaning])* $Variant,)*
        }

        impl $Name {
            /// Every one, in the order in which they are declared.
            pub const ALL: &'static [Self] = &[$(Self::$Variant,)*];

            /// Returns the one with this word. None if there is none.
            pub fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }

            /// Returns the word in a status.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Variant => stringify!($Variant),)*
                }
            }
        }
    };
}
pub(super) use closed_enum;
