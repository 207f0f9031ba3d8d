//! Delivered orders whose page was not opened since: the buyer may not know yet.

/// How far telling the buyer went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Told once.
    Told = 0,
    /// Told again.
    Reminded = 1,
    /// On the merchant's list.
    Listed = 2,
}
