//! The receipt ledger, format 1, as pure functions over bytes.
