//! What fixes a checkpoint outside the shop.

/// A kind of anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum AnchorKind {
    /// An RFC 3161 time stamp: the authority's answer (DER).
    TimeStamp = 1,
    /// The mail that carried the checkpoint (RFC 5322).
    Mail = 2,
    /// Where it was pushed: remote and commit.
    Git = 3,
}

impl AnchorKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::TimeStamp, Self::Mail, Self::Git];

    /// From its number in the store.
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Its word on the command line and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TimeStamp => "time_stamp",
            Self::Mail => "mail",
            Self::Git => "git",
        }
    }

    /// Extension of its file in an export's `anchors/`.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::TimeStamp => "tsr",
            Self::Mail => "eml",
            Self::Git => "git",
        }
    }
}
