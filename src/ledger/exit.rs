//! What a verifier's run ends with (section 9).

use std::fmt;

/// The exit codes of section 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every required check was made and passed.
    Proven,
    /// A hash, link, root or signature is wrong, a rule is broken, or the file ends below a signed size.
    Tampered,
    /// Usage.
    Usage,
    /// Malformed or not canonical.
    Malformed,
    /// Consistent as far as it goes, but something needed is not there.
    Incomplete,
    /// Two valid signatures of one origin that cannot both be true.
    Fork,
    /// The verifier itself failed, for example to read.
    Internal,
}

impl Exit {
    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Proven => 0,
            Self::Tampered => 1,
            Self::Usage => 2,
            Self::Malformed => 3,
            Self::Incomplete => 4,
            Self::Fork => 5,
            Self::Internal => 70,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proven => "verified",
            Self::Tampered => "TAMPERED",
            Self::Usage => "usage error",
            Self::Malformed => "MALFORMED",
            Self::Incomplete => "INCOMPLETE",
            Self::Fork => "FORK PROVEN",
            Self::Internal => "internal error",
        })
    }
}
