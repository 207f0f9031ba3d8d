pub mod address;
pub mod contact;
pub mod money;
pub mod names;
pub mod secret;
